"""Backups that Go servers made: data/ has small ones of three versions, with what the server said of the stream then.

S: headers, times to live, messages removed and erased, consumers of each kind amid their work. L: several block files,
of which a limit took the beginning, and a purge of one subject. W: a work queue. P: everything purged.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from natsd.jetstream.backups.packing import pack
from natsd.jetstream.dates import parse_date, render_date
from natsd.store import highway
from tests.jetstream.house import House
from tests.jetstream.test_restore import bring_back, is_refused, unpacked

DATA = Path(__file__).parent / "data"
MADE = sorted(path.relative_to(DATA).as_posix() for path in DATA.glob("*/*"))
TARS = [name for name in MADE if not name.startswith("go_2_15")]


def load(name: str) -> tuple[dict[str, Any], bytes, dict[str, Any]]:
    """Configuration, packed data, and what the Go server said."""
    folder = DATA / name
    config = json.loads((folder / "backup.json").read_text())["config"]
    return config, (folder / "stream.tar.s2").read_bytes(), json.loads((folder / "expected.json").read_text())


def shown(house: House, name: str) -> list[list[Any]]:
    """The messages of a stream as the expected ones are written."""
    store = house.home.streams[name].store
    found = []
    seq = store.first_seq
    while (message := store.next_match(seq, [])) is not None:
        seq, subject, header, payload, time_ns = message
        data = base64.b64encode(payload).decode()
        kept: object = data if len(data) < 200 else len(data)
        block = base64.b64encode(header).decode() if header is not None else None
        found.append([seq, subject.decode(), render_date(time_ns), block, kept])
        seq += 1
    return found


@pytest.mark.parametrize("name", MADE)
def test_a_stream_is_as_it_was_on_the_go_server(name: str) -> None:
    config, data, expected = load(name)
    house = House()
    answer = bring_back(house, [data[at : at + 1000] for at in range(0, len(data), 1000)], config)
    assert "error" not in answer
    state = answer["state"]
    assert {key: state.get(key, 0) for key in expected["state"]} == expected["state"]
    assert answer["created"] == expected.get("created", answer["created"])
    assert shown(house, config["name"]) == expected["messages"]
    assert set(house.home.streams[config["name"]].consumers) == set(expected["consumers"])
    for consumer, known in expected["consumers"].items():
        page = house.info(consumer, config["name"])
        for key in ("delivered", "ack_floor"):
            page[key] = [page[key]["consumer_seq"], page[key]["stream_seq"]]
        assert {key: page[key] for key in known} == known


@pytest.mark.parametrize("name", [name for name in MADE if name.endswith("/W")])
def test_a_consumer_goes_on_where_it_was(name: str) -> None:
    config, data, expected = load(name)
    house = House()
    bring_back(house, [data], config)
    fresh = house.fetch(20, "Q", "W")
    assert [got[3] for got in fresh] == [b"work %d" % number for number in range(12, 20)]
    house.move(61)
    again = house.fetch(20, "Q", "W")
    pending = [message[0] for message in expected["messages"] if message[0] <= 12]
    assert [got[3] for got in again][:7] == [b"work %d" % (seq - 1) for seq in pending]
    house.ack(again[0])
    assert house.home.streams["W"].store.load(pending[0]) is None


@pytest.mark.parametrize("name", [name for name in MADE if name.endswith("/S") and "2_9" not in name])
def test_messages_still_end_when_their_time_is_over(name: str) -> None:
    config, data, expected = load(name)
    house = House()
    bring_back(house, [data], config)
    kept = [message[0] for message in expected["messages"] if message[1] == "s.ttl"]
    house.move((parse_date("2037-01-01T00:00:00Z") - house.clock.wall_ns()) / 1e9)
    assert [message[0] for message in shown(house, "S") if message[1] == "s.ttl"] == kept[:1]


@pytest.mark.parametrize("name", [name for name in MADE if name.endswith("/L")])
def test_what_a_limit_took_stays_gone_without_the_limit(name: str) -> None:
    config, data, expected = load(name)
    house = House()
    bring_back(house, [data], config | {"max_bytes": -1})
    assert shown(house, "L") == expected["messages"]


@pytest.mark.parametrize("name", MADE)
def test_what_was_brought_back_can_be_backed_up_and_brought_back_again(name: str) -> None:
    config, data, expected = load(name)
    house = House()
    before = bring_back(house, [data], config)
    stream = config["name"]
    consumers = {name: house.numbers(name, stream) for name in expected["consumers"]}
    inbox = house.inbox()
    assert "error" not in house.ask(f"STREAM.SNAPSHOT.{stream}", {"deliver_subject": inbox.name})
    chunks = [payload for _, _, _, payload in inbox.take() if payload]
    house.ask(f"STREAM.DELETE.{stream}")
    after = bring_back(house, chunks, config)
    assert (after["state"], after["created"]) == (before["state"], before["created"])
    assert shown(house, stream) == expected["messages"]
    assert {name: house.numbers(name, stream) for name in expected["consumers"]} == consumers


def test_the_configuration_of_another_stream_is_refused() -> None:
    _, data, _ = load("go_2_11_9/W")
    assert "names do not match" in is_refused(House(), unpacked(data))["description"]


# What is no good archive of files.


def files(*entries: tuple[str, bytes] | tarfile.TarInfo, end: bool = True) -> bytes:
    """A tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry, io.BytesIO(bytes(entry.size)))
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            info.mtime = 1.5  # type: ignore[assignment]  # makes an extended header, as the Go server does
            tar.addfile(info, io.BytesIO(entry[1]))
        whole = tar.offset
    return out.getvalue() if end else out.getvalue()[:whole]


def special(name: str, kind: bytes, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


META = ("meta.inf", b'{"Created":"2026-01-02T03:04:05Z","name":"R"}')
SUM = ("meta.sum", highway(sha256(b"R").digest(), META[1]).hex().encode())


def record(seq: int, subject: bytes = b"r", payload: bytes = b"", block: int = 1, headed: bytes | None = None) -> bytes:
    head = b"" if headed is None else len(headed).to_bytes(4, "little")
    body = subject + (headed or b"") + payload
    length = 22 + len(subject) + len(head) + len(headed or b"") + len(payload) + 8
    start = seq.to_bytes(8, "little") + (7).to_bytes(8, "little")
    check = highway(sha256(b"R-%d" % block).digest(), start + body)
    flag = 1 << 31 if headed is not None else 0
    sizes = (length | flag).to_bytes(4, "little") + start + len(subject).to_bytes(2, "little")
    return sizes + subject + head + (headed or b"") + payload + check


def raw(length: int, subject: int = 0, flag: int = 0) -> bytes:
    """The beginning of a record that says what it likes."""
    return (length | flag).to_bytes(4, "little") + bytes(16) + subject.to_bytes(2, "little") + bytes(100)


SETS = bytes([22, 2])
CONSUMER = (
    "obs/C/meta.inf",
    b'{"Created":"2026-01-02T03:04:05Z","Name":"C","durable_name":"C","ack_policy":"explicit"}',
)


def blocks(*data: bytes) -> bytes:
    return files(META, SUM, *((f"msgs/{number}.blk", block) for number, block in enumerate(data, 1)))


BAD: dict[str, bytes] = {
    "no files": files(),
    "no configuration": files(("msgs/thw.db", b"x")),
    "a block before the configuration": files(("msgs/1.blk", record(1)), META),
    "two configurations": files(META, META),
    "a configuration that is no JSON": files(("meta.inf", b"{")),
    "a configuration of another stream": files(("meta.inf", b'{"name":"S"}')),
    "a configuration whose date is none": files(("meta.inf", b'{"name":"R","Created":"x"}')),
    "a wrong hash of the configuration": files(META, ("meta.sum", b"0" * 16)),
    "a name that leads elsewhere": files(META, ("../../etc/cron.d/x", b"x")),
    "a name that leads elsewhere later": files(META, ("msgs/../../x", b"x")),
    "a name from the root": files(META, special("/etc/passwd", tarfile.REGTYPE)),
    "a link": files(META, special("msgs/1.blk", tarfile.SYMTYPE, link="/etc/passwd")),
    "a hard link": files(META, special("msgs/1.blk", tarfile.LNKTYPE, link="meta.inf")),
    "a device": files(META, special("msgs/1.blk", tarfile.CHRTYPE)),
    "a folder": files(META, special("msgs", tarfile.DIRTYPE)),
    "a global header": files(META, special("x", tarfile.XGLTYPE)),
    "a document far too long": files(META, special("obs/C/meta.inf", tarfile.REGTYPE, 17 << 20), end=False)[:4096],
    "a state far too long": files(META, special("obs/C/o.dat", tarfile.REGTYPE, 3 << 20), end=False)[:4096],
    "an extended header far too long": files(META, special("x", tarfile.XHDTYPE, 1 << 17), end=False)[:4096],
    "an extended header that makes no sense": files(special("x", tarfile.XHDTYPE, 5), META),
    "cut within a file": files(META, SUM, ("msgs/1.blk", record(1) * 20))[:4000],
    "cut between files": files(META, SUM, end=False),
    "something behind the end": files(META, SUM).rstrip(b"\0") + bytes(4096) + b"x" * 512,
    "what the server could not read": files(META, SUM, ("errors.txt", b"could not read message block")),
    "a header that is none": files(META, SUM, end=False) + b"x" * 512,
    "a wrong hash of a message": blocks(record(1)[:-1] + b"x"),
    "a message under the hash of another block": blocks(record(1, block=2)),
    "a record that is too short": blocks(raw(20)),
    "a record that is too long": blocks(raw((32 << 20) + 1)),
    "a subject longer than its record": blocks(raw(60, 40)),
    "a header longer than its record": blocks(record(1, headed=b"abc").replace(b"\3\0\0\0abc", b"\xff\0\0\0abc")),
    "a block that is cut off": blocks(record(1) + record(2)[:-5]),
    "a wildcard": blocks(record(1, b"r.*")),
    "blocks whose messages are out of order": blocks(record(5), record(4, block=2)),
    "blocks out of order": files(META, SUM, ("msgs/2.blk", b""), ("msgs/1.blk", b"")),
    "an index of an unknown kind": files(META, SUM, ("msgs/index.db", b"\x0c\x01" + bytes(50))),
    "an index with impossible sequences": files(
        META, ("msgs/index.db", b"\x0b\x01\0\0" + b"\xff" * 9 + b"\1" + bytes(9))
    ),
    "an index with an endless number": files(META, ("msgs/index.db", b"\x0b\x01" + b"\xff" * 50)),
    "an index whose set makes no sense": files(
        META, ("msgs/index.db", b"\x0b\x01\0\0\1\0\0\0\0\1" + b"\1\0\1\0\1\0\1" + b"x" * 50)
    ),
    "an index whose set is huge": files(
        META, ("msgs/index.db", b"\x0b\x01\0\0\1\0\0\0\0\1" + b"\1\0\1\0\1\0\1" + SETS + b"\xff" * 50)
    ),
    "the index of a block that is cut off": files(META, ("msgs/1.idx", b"\x16\1\1")),
    "the index of a block of an unknown kind": files(META, ("msgs/1.idx", b"\x17\1" + bytes(30))),
    "the index of a block with a set that makes no sense": files(
        META, ("msgs/1.idx", b"\x16\2\1\1\1\1\1\1\1" + bytes(8) + b"x" * 20)
    ),
    "a consumer without a configuration": files(META, ("obs/C/o.dat", b"\x16\2" + bytes(6))),
    "a consumer with a wrong hash": files(META, CONSUMER, ("obs/C/meta.sum", b"0" * 16)),
    "a consumer whose state is of an unknown kind": files(META, CONSUMER, ("obs/C/o.dat", b"\x16\3" + bytes(6))),
    "a consumer whose state is cut off": files(META, CONSUMER, ("obs/C/o.dat", b"\x16\2\1\1\5\5\x7f\0\1")),
    "a consumer with impossible sequences": files(META, CONSUMER, ("obs/C/o.dat", b"\x16\2\5\5\1\1\0\0")),
    "a consumer with impossible numbers": files(
        META, CONSUMER, ("obs/C/o.dat", b"\x16\2" + b"\xff" * 9 + b"\1" + bytes(9))
    ),
    "a consumer in another's folder": files(META, ("obs/D/meta.inf", CONSUMER[1])),
    "a consumer without a name": files(META, ("obs/ /meta.inf", b"{}")),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_whole_archive_of_files_leaves_nothing_behind(kind: str) -> None:
    error = is_refused(House(), BAD[kind], 10_000)
    assert error["err_code"] // 1000 == 10
    assert error["description"]


def test_a_small_archive_of_files_comes_back() -> None:
    house = House()
    first = record(1) + record(2, headed=b"NATS/1.0\r\n\r\n", payload=b"x") + record(3)
    erased, tombstone = record(4 | 1 << 63, b""), record(1 | 1 << 62, b"", block=2)
    whole = files(META, SUM, ("msgs/1.blk", first + erased), ("msgs/2.blk", record(6, block=2) + tombstone), CONSUMER)
    answer = bring_back(house, [pack(whole)], {"name": "R"})
    assert (answer["created"], answer["state"]["last_seq"]) == ("2026-01-02T03:04:05Z", 6)
    assert [message[0] for message in shown(house, "R")] == [2, 3, 6]
    assert house.numbers("C", "R") == (0, 1, 0, 1, 0, 0, 0, 3)


def test_an_index_that_is_older_than_the_blocks_is_not_believed() -> None:
    index = b"\x0b\x01\0\0" + b"\5\0\4\0\0" + b"\1" + b"\1\0\5\0\4\0\0" + b"\1" + bytes(range(8)) + bytes(8)
    house = House()
    whole = files(META, SUM, ("msgs/1.blk", record(1) + record(2)), ("msgs/index.db", index))
    bring_back(house, [pack(whole)], {"name": "R"})
    assert [message[0] for message in shown(house, "R")] == [1, 2]


def test_the_old_index_of_a_block_names_what_is_gone_by_distances() -> None:
    index = b"\x16\1\2\x00\2\0\5\0\2" + bytes(8) + b"\1\2"
    house = House()
    block = b"".join(record(seq) for seq in range(1, 6))
    bring_back(house, [pack(files(META, SUM, ("msgs/1.idx", index), ("msgs/1.blk", block)))], {"name": "R"})
    assert [message[0] for message in shown(house, "R")] == [2, 5]


def test_the_first_version_of_a_consumers_state_is_read() -> None:
    house = House()
    state = b"\x16\1" + b"\3\3\3\3" + b"\1" + b"\2" + b"\1\0" + b"\1\1\2"
    block = b"".join(record(seq) for seq in range(1, 10))
    whole = files(META, SUM, ("msgs/1.blk", block), CONSUMER, ("obs/C/o.dat", state))
    bring_back(house, [pack(whole)], {"name": "R"})
    assert house.numbers("C", "R") == (5, 5, 3, 3, 1, 1, 0, 4)
