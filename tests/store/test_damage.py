"""Files that were changed behind the store's back: what cannot be read is reported, and everything else is kept."""

from __future__ import annotations

import errno
import mmap
import os
import resource
from pathlib import Path
from random import Random
from time import process_time
from typing import Any
from zlib import crc32

import pytest

from natsd.store import FORM, next_record, survey
from natsd.store.contract import Limits, StoreError
from natsd.store.file import FileStore
from natsd.store.records import (
    EXPIRES,
    LIMITED,
    MESSAGE,
    RECORD,
    REMOVED,
    STREAM,
    STREAM_DELETED,
    WATERMARK,
    place_of,
    render_record,
    seed_of,
)

from .operations import seen

SALT = 0x5A17

SEGMENT_BYTES = 8192
COUNT = 400


@pytest.fixture(params=["closed", "killed"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store of two streams in several segments; closed: all of it is behind a checkpoint."""
    directory = tmp_path / "store"
    store = FileStore(directory, segment_bytes=SEGMENT_BYTES)
    one = store.create("A/one", b"first", Limits())
    two = store.create("A/two", b"second", Limits())
    store.configure_consumer("A/one", "c", b"consumer")
    for n in range(1, COUNT + 1):
        one.append([(b"a", None, None, b"one %d" % n)], n)
        two.append([(b"b", None, None, b"two %d" % n)], n)
        if n % 10 == 0:
            store.wait()
    if request.param == "closed":
        store.close()
        return directory
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in directory.glob("*.seg"):
        (copy / path.name).write_bytes(path.read_bytes())
    store.close()
    return copy


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


def check(directory: Path, fewest: int) -> tuple[FileStore, dict[str, set[int]]]:
    """Open; everything that is not reported as lost is there, as it was. Returns what each stream lost."""
    store = FileStore(directory, segment_bytes=SEGMENT_BYTES)
    lost: dict[str, set[int]] = {"A/one": set(), "A/two": set()}
    for damage in store.damage:
        if damage.stream:
            lost[damage.stream].update(range(damage.first_seq, damage.last_seq + 1))
    streams = store.streams()
    assert {key: config for key, (config, _) in streams.items()} == {"A/one": b"first", "A/two": b"second"}
    for key, word in (("A/one", b"one"), ("A/two", b"two")):
        stream = streams[key][1]
        assert stream.last_seq == COUNT
        there = {message[0]: message[3] for message in stream.load_many(list(range(1, COUNT + 1)))}
        assert there == {n: word + b" %d" % n for n in range(1, COUNT + 1) if n not in lost[key]}
    assert sum(map(len, lost.values())) >= fewest
    assert store.consumer_configs("A/one") == {"c": b"consumer"}
    return store, lost


def again(store: FileStore, directory: Path) -> None:
    """What was kept is kept at the next opening, and the store goes on."""
    stream = store.streams()["A/one"][1]
    state = stream.state
    assert stream.append([(b"a", None, None, b"more")], 9999) == 1
    store.close()
    second = FileStore(directory, segment_bytes=SEGMENT_BYTES)
    assert second.streams()["A/one"][1].state.msgs == state.msgs + 1
    assert second.streams()["A/one"][1].last_seq == COUNT + 1
    second.close()


def test_a_store_that_nobody_touched_is_whole(directory: Path) -> None:
    store, lost = check(directory, 0)
    assert not store.damage
    again(store, directory)


@pytest.mark.parametrize("at", [300, 4000, 7000])
def test_a_flipped_bit_costs_one_message(directory: Path, at: int) -> None:
    path = segments(directory)[2]
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)
    store, lost = check(directory, 1)
    assert sum(map(len, lost.values())) == 1
    assert any("segment 3" in damage.text for damage in store.damage)
    again(store, directory)


def test_a_page_of_zeros_costs_what_was_in_it(directory: Path) -> None:
    path = segments(directory)[1]
    data = bytearray(path.read_bytes())
    data[4096:4608] = bytes(512)
    path.write_bytes(data)
    store, lost = check(directory, 5)
    assert sum(map(len, lost.values())) < 16
    again(store, directory)


def test_a_segment_that_was_cut_costs_its_end(directory: Path) -> None:
    path = segments(directory)[1]
    path.write_bytes(path.read_bytes()[:5000])
    store, lost = check(directory, 20)
    again(store, directory)


def test_a_segment_that_is_missing_costs_what_was_in_it(directory: Path) -> None:
    segments(directory)[2].unlink()
    store, lost = check(directory, 50)
    assert any(damage.text == "segment 3 is missing" for damage in store.damage)
    again(store, directory)


def test_a_damaged_head_costs_nothing(directory: Path) -> None:
    path = segments(directory)[2]
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    store, lost = check(directory, 0)
    assert store.damage
    assert not any(lost.values())
    again(store, directory)


@pytest.mark.parametrize("name", ["checkpoint", "checkpoint-copy"])
def test_a_damaged_checkpoint_has_a_copy(directory: Path, name: str) -> None:
    path = directory / name
    if not path.exists():
        path.write_bytes(b"nonsense")
    else:
        data = bytearray(path.read_bytes())
        data[50] ^= 1
        path.write_bytes(data)
    store, lost = check(directory, 0)
    assert any(name in damage.text for damage in store.damage)
    assert not any(lost.values())
    again(store, directory)


def test_both_checkpoints_missing_cost_nothing_where_the_log_is_whole(directory: Path) -> None:
    for path in directory.glob("checkpoint*"):
        path.unlink()
    store, lost = check(directory, 0)
    assert not any(lost.values())
    again(store, directory)


@pytest.fixture
def worn(tmp_path: Path) -> Path:
    """A store that has given segments back: the first records of its streams are gone with them."""
    directory = tmp_path / "worn"
    store = FileStore(directory, segment_bytes=SEGMENT_BYTES)
    old = store.create("A/old", b"old", Limits())
    old.append([(b"o.%d" % n, None, None, b"kept") for n in range(20)], 1)
    store.create("A/gone", b"gone", Limits()).append([(b"g", None, None, b"never again")], 1)
    store.configure_consumer("A/old", "c", b"consumer")
    old.save_consumer("c", b"state", checkpoint=True, removed=[3, 4, 5])
    old.save_consumer("c", b"delta", checkpoint=False)
    busy = store.create("A/busy", b"busy", Limits(max_msgs=50))
    store.delete("A/gone")
    for n in range(1, 4000):
        busy.append([(b"b", None, None, b"%d" % n * 20)], n)
        if n % 20 == 0:
            store.wait()
            store.settle()
    assert "00000001.seg" not in os.listdir(directory)
    store.close()
    return directory


def test_freed_segments_take_nothing_with_them_even_if_both_checkpoints_are_lost(worn: Path) -> None:
    before = FileStore(worn, segment_bytes=SEGMENT_BYTES)
    expected = seen(before)
    assert expected["A/old"][3] == {"c": [b"state", b"delta"]}
    before.close()
    for path in worn.glob("checkpoint*"):
        path.unlink()
    store = FileStore(worn, segment_bytes=SEGMENT_BYTES)
    assert seen(store) == expected
    assert [damage.text for damage in store.damage] == ["both checkpoints are missing; the one in the log is used"]
    store.close()
    again = FileStore(worn, segment_bytes=SEGMENT_BYTES)
    assert seen(again) == expected
    assert not again.damage
    again.close()


def contents(directory: Path) -> dict[str, bytes]:
    """The files by name, without those made in advance: they hold nothing, and an opening gives them other numbers."""
    kept = [path for path in sorted(directory.iterdir()) if path.is_file() and not path.name.startswith("spare-")]
    return {path.name: path.read_bytes() for path in kept}


def test_a_segment_the_system_refuses_to_read_now_is_not_taken_for_an_empty_one(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "LOCK").touch()
    before = contents(directory)
    real, left = mmap.mmap, [3]

    def refuse(*args: Any, **named: Any) -> mmap.mmap:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return real(*args, **named)

    with monkeypatch.context() as patched:
        patched.setattr(mmap, "mmap", refuse)
        with pytest.raises(StoreError, match="segment 4 cannot be read"):
            FileStore(directory, segment_bytes=SEGMENT_BYTES)
    assert contents(directory) == before
    store, lost = check(directory, 0)
    assert not any(lost.values())
    again(store, directory)


def test_a_disk_that_fails_while_the_store_is_opened_is_an_error_and_changes_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "LOCK").touch()
    before = contents(directory)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as context:
        # A map of what the disk cannot give would end the process.
        context.setattr(os, "readv", broken)
        with pytest.raises(StoreError, match="segment 1 cannot be read: Input/output error"):
            FileStore(directory, segment_bytes=SEGMENT_BYTES)
    assert contents(directory) == before
    check(directory, 0)[0].close()


@pytest.mark.parametrize(
    ("kind", "name", "header", "payload", "why"),
    [
        (STREAM, b"A/\xff", b"", b"", "codec can't decode"),
        (LIMITED, b"", b"short", b"", "buffer of"),
        (REMOVED, b"", None, b"\x01", "shorter"),
    ],
)
def test_a_whole_record_that_makes_no_sense_is_an_error_and_changes_nothing(
    tmp_path: Path, kind: int, name: bytes, header: bytes | None, payload: bytes, why: str
) -> None:
    store = FileStore(tmp_path)
    store.create("A/s", b"{}", Limits()).append([(b"a", None, None, b"x")] * 3, 1)
    store.wait()
    content = (tmp_path / "00000001.seg").read_bytes()
    end, seed = store.position & 0xFFFFFFFF, seed_of(store.position, store.log.salt)
    store.close()
    for path in tmp_path.iterdir():
        if path.name != "LOCK":
            path.unlink()
    strange = render_record(seed, kind, 1, 3, 0, name, header, payload)
    (tmp_path / "00000001.seg").write_bytes(content[:end] + strange)
    before = contents(tmp_path)
    with pytest.raises(StoreError, match=rf"segment 1, byte {end}: a record of kind {kind} makes no sense: .*({why})"):
        FileStore(tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("seed", range(5))
def test_records_are_found_among_other_bytes(seed: int) -> None:
    chance = Random(seed)
    data, begins = b"", []
    for size in (0, 10, 8000, 50_000, 300_000, 9000):
        noise = b"\1" * chance.randrange(5000) if chance.random() < 0.5 else chance.randbytes(chance.randrange(5000))
        data += noise
        begins.append(len(data))
        seed = seed_of(place_of(7, len(data)), SALT)
        data += render_record(seed, MESSAGE, 1, size + 1, 0, b"s", None, chance.randbytes(size), -1, size + 1)
    foreign = [(place_of(8, len(data)), SALT), (place_of(7, len(data)), SALT + 1), (place_of(7, 64), SALT)]
    for place, salt in foreign:  # of another segment, of another store, of another place
        data += render_record(seed_of(place, salt), MESSAGE, 1, 1, 0, b"s", None, bytes(20_000), -1, 1 << 40)
    found, at = [], 0
    while (at := next_record(data, at, len(data), 7, SALT)) >= 0:
        found.append(at)
        at += 1
    assert found == begins
    assert survey(data, begins[0] + 1, 7, SALT) == (300_001, [], begins[0] + 1)
    damaged = data.replace(data[begins[4] + 200_000 : begins[4] + 200_010], b"0" * 10)
    assert survey(damaged, begins[0], 7, SALT)[0] == 50_001


def test_bytes_that_were_made_to_look_like_long_records_are_looked_at_once() -> None:
    # Quadratic, this takes half a minute.
    size = 4 << 20 if FORM == "native" else 64 << 10
    false = RECORD.pack(0, size // 2, MESSAGE, 0, 1, 0, 1, 0, 1, 1)
    data = false * (size // len(false))
    started = process_time()
    assert survey(data, 64, 1, SALT)[0] == 0
    assert next_record(data, 64, len(data), 1, SALT) == -1
    assert process_time() - started < 10


def test_a_record_with_less_room_than_it_says_is_taken_for_a_torn_end(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.create("A/s", b"{}", Limits()).append([(b"a", None, None, b"x")] * 3, 1)
    store.wait()
    content = (tmp_path / "00000001.seg").read_bytes()[: store.position & 0xFFFFFFFF]
    seed = seed_of(store.position, store.log.salt)
    store.close()
    fixed = RECORD.pack(0, RECORD.size, MESSAGE, WATERMARK | EXPIRES, 9, 9, 1, 0, 4, 0)[4:]
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "00000001.seg").write_bytes(content + crc32(fixed, seed).to_bytes(4, "little") + fixed)
    again = FileStore(tmp_path)
    assert not again.damage
    assert again.streams()["A/s"][1].last_seq == 3
    again.close()


@pytest.mark.parametrize("call", ["fsync", "unlink", "rename"])
def test_a_directory_that_cannot_be_put_in_order_is_an_error_that_names_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (directory / "coming").touch()
    (directory / "spare-00000007").touch()

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as context:
        context.setattr(os, call, refused)
        with pytest.raises(StoreError, match=f"{directory}: Read-only file system"):
            FileStore(directory, segment_bytes=SEGMENT_BYTES)
    check(directory, 0)[0].close()


def test_a_store_has_more_segments_than_a_process_may_have_open_files(tmp_path: Path) -> None:
    store = FileStore(tmp_path, segment_bytes=4096)
    stream = store.create("A/s", b"{}", Limits())
    for n in range(1, 1501):
        stream.append([(b"a", None, None, b"x" * 200)], n)
    store.close()
    assert len(segments(tmp_path)) > 90
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 50, hard))
    try:
        opened = FileStore(tmp_path, segment_bytes=4096)
        assert not opened.damage
        assert opened.streams()["A/s"][1].state.msgs == 1500
        opened.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_checkpoints_the_system_refuses_to_read_now_are_not_taken_for_none(directory: Path) -> None:
    for name in ("checkpoint", "checkpoint-copy"):
        (directory / name).unlink(missing_ok=True)
        (directory / name).mkdir()
    with pytest.raises(StoreError, match="checkpoint"):
        FileStore(directory, segment_bytes=SEGMENT_BYTES)


def test_a_segment_that_became_unreadable_is_not_used_again(directory: Path) -> None:
    path = segments(directory)[1]
    path.write_bytes(b"\xff" * len(path.read_bytes()))
    store, lost = check(directory, 20)
    kept = 2 * COUNT - sum(map(len, lost.values()))
    for _ in range(3):
        for _ in range(200):
            store.settle()
        store.close()
        assert set(path.read_bytes()) == {255}
        store = FileStore(directory, segment_bytes=SEGMENT_BYTES)
        assert [damage.text for damage in store.damage if damage.text.startswith("segment 2: ")]
        assert sum(stream.state.msgs for _, stream in store.streams().values()) == kept
    store.close()


def test_records_in_payloads_are_not_believed_when_their_message_is_damaged(tmp_path: Path) -> None:
    """Somebody may keep a copy of the store in itself, or make something up."""
    store = FileStore(tmp_path)
    kept = store.create("A/kept", b"{}", Limits())
    kept.append([(b"k", None, None, b"%d" % n) for n in range(5)], 1)
    store.wait()
    copy = (tmp_path / "00000001.seg").read_bytes()[64 : store.position & 0xFFFFFFFF]
    end = render_record(seed_of(place_of(1, 0), 0), STREAM_DELETED, 1, 0, 0, b"", None, b"")
    other = store.create("B/s", b"{}", Limits())
    places = []
    for payload in (copy, copy * 3, end * 50, copy + end):
        other.append([(b"b", None, None, payload)], 2)
        places.append(other.place(other.last_seq) & 0xFFFFFFFF)
        store.wait()
    kept.remove([1, 2])
    other.append([(b"b", None, None, b"last")], 3)
    store.wait()
    store.log.close()
    path = tmp_path / "00000001.seg"
    data = bytearray(path.read_bytes())
    for place in places:
        data[place + 9] ^= 1
    path.write_bytes(data)
    for path in tmp_path.glob("checkpoint*"):
        path.unlink()
    os.close(store._lock)
    again = FileStore(tmp_path)
    assert any(f"bytes {places[0]} to " in damage.text for damage in again.damage)
    there = again.streams()
    assert [message[0] for message in there["A/kept"][1].load_many(range(1, 9))] == [3, 4, 5]
    assert [message[3] for message in there["B/s"][1].load_many(range(1, 9))] == [b"last"]
    assert (there["A/kept"][1].last_seq, there["B/s"][1].last_seq) == (5, 5)
    again.close()


def without_heads(directory: Path) -> dict[str, Any]:
    """A store of which no segment says whose it is; returns what was in it."""
    store = FileStore(directory, segment_bytes=4096)
    stream = store.create("A/s", b"{}", Limits())
    for n in range(100):
        stream.append([(b"a", None, None, b"%d" % n * 20)], n + 1)
        store.wait()
    content = seen(store)
    store.close()
    for path in directory.glob("*.seg"):
        path.write_bytes(bytes(64) + path.read_bytes()[64:])
    return content


@pytest.mark.parametrize("gone", [[], ["LOCK"], ["checkpoint", "checkpoint-copy"]])
def test_whose_log_it_is_stands_in_more_than_its_segments(tmp_path: Path, gone: list[str]) -> None:
    content = without_heads(tmp_path)
    for name in gone:
        (tmp_path / name).unlink()
    again = FileStore(tmp_path, segment_bytes=4096)
    assert seen(again) == content
    again.close()


def test_a_log_that_cannot_be_known_for_its_stores_is_left_alone(tmp_path: Path) -> None:
    without_heads(tmp_path)
    for name in ("checkpoint", "checkpoint-copy"):
        (tmp_path / name).unlink()
    (tmp_path / "LOCK").write_bytes(b"")
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="no segment has a head that can be read"):
        FileStore(tmp_path)
    assert contents(tmp_path) == before
