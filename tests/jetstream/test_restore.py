"""Backups: made, brought back, and refused where they are none."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from natsd.jetstream import archive
from natsd.jetstream.packing import Unpacker, pack
from tests.jetstream.house import House
from tests.jetstream.test_publishing import put


@pytest.fixture
def house() -> House:
    house = House()
    house.stream(first_seq=10, allow_msg_ttl=True)
    for number in range(20):
        put(house, f"s.{number % 3}", b"x" * number)
    put(house, "s.ttl", Nats_TTL="1h")
    house.ask("STREAM.MSG.DELETE.S", {"seq": 12})
    house.consumer()
    house.ack(house.fetch(2)[0])
    return house


def back_up(house: House, **more: object) -> list[bytes]:
    """The chunks of a backup; each is acknowledged."""
    inbox = house.inbox()
    answer = house.ask("STREAM.SNAPSHOT.S", {"deliver_subject": inbox.name, **more})
    assert "error" not in answer
    chunks = []
    while True:
        for _, reply, header, payload in inbox.take():
            if not payload:
                assert header == b"NATS/1.0 204\r\n\r\n"
                return chunks
            assert reply is not None
            chunks.append(payload)
            house.publish(reply.decode())


def bring_back(house: House, chunks: list[bytes], config: dict[str, Any]) -> dict[str, Any]:
    """The last answer."""
    begun = house.ask(f"STREAM.RESTORE.{config['name']}", {"config": config, "state": {}})
    if "error" in begun:
        return begun
    for chunk in [*chunks, b""]:
        inbox = house.inbox()
        house.publish(begun["deliver_subject"], chunk, inbox.name)
        answers = inbox.payloads()
        inbox.close()
        if answers and answers[0]:
            found: dict[str, Any] = json.loads(answers[0])
            return found
    return {}


def test_a_stream_comes_back_as_it_was(house: House) -> None:
    store = house.home.streams["S"].store
    before = house.ask("STREAM.INFO.S")
    messages = [store.load(seq) for seq in range(10, 31)]
    numbers = house.numbers()
    chunks = back_up(house)
    house.ask("STREAM.DELETE.S")
    answer = bring_back(house, chunks, before["config"])
    assert answer["state"] == before["state"]
    assert answer["created"] == before["created"]
    store = house.home.streams["S"].store
    assert [store.load(seq) for seq in range(10, 31)] == messages
    assert house.numbers() == numbers
    assert put(house, "s.1")["seq"] == 31
    house.move(3601)
    assert house.ask("STREAM.INFO.S", {"subjects_filter": "s.ttl"})["state"].get("subjects") is None


def test_a_backup_may_leave_the_consumers_out(house: House) -> None:
    config = house.ask("STREAM.INFO.S")["config"]
    chunks = back_up(house, no_consumers=True)
    house.ask("STREAM.DELETE.S")
    assert bring_back(house, chunks, config)["state"]["consumer_count"] == 0


def test_no_more_is_on_the_way_than_the_window(house: House) -> None:
    for _ in range(20):
        put(house, "s.1", random.randbytes(2000))
    inbox = house.inbox()
    house.ask("STREAM.SNAPSHOT.S", {"deliver_subject": inbox.name, "chunk_size": 1024, "window_size": 4096})
    first = inbox.take()
    assert [len(payload) for _, _, _, payload in first] == [1024] * 4
    assert first[0][1] is not None
    house.publish(first[0][1].decode())
    assert len(inbox.take()) == 1
    house.move(6)
    assert inbox.payloads() == [b"NATS/1.0 408 No Flow Response"]


def test_a_backup_waits_for_who_will_listen_to_its_own_subject(house: House) -> None:
    every = house.inbox("_INBOX.mine.*")
    house.ask("STREAM.SNAPSHOT.S", {"deliver_subject": "_INBOX.mine.1"})
    house.move(1)
    assert every.take() == []
    inbox = house.inbox("_INBOX.mine.1")
    house.move(1)
    assert inbox.payloads()[-1] == b"NATS/1.0 204"


def test_a_backup_ends_when_nobody_listens(house: House) -> None:
    listener = house.inbox("$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE.>")
    house.ask("STREAM.SNAPSHOT.S", {"deliver_subject": "nobody"})
    house.move(3)
    assert json.loads(listener.payloads()[0])["error"] == "no interest"


@pytest.mark.parametrize(
    ("body", "found"), [(None, 10003), ({"deliver_subject": ""}, 10015), ({"deliver_subject": "a.*"}, 10015)]
)
def test_a_backup_needs_somewhere_to_go(house: House, body: object, found: int) -> None:
    assert house.ask("STREAM.SNAPSHOT.S", body)["error"]["err_code"] == found


def test_a_name_in_use_cannot_come_back(house: House) -> None:
    answer = bring_back(house, back_up(house), house.ask("STREAM.INFO.S")["config"])
    assert answer["error"]["err_code"] == 10130


@pytest.mark.parametrize("name", ["a/b", "a\\b", "x" * 300])
def test_names_that_are_paths_are_refused(house: House, name: str) -> None:
    answer = house.ask(f"STREAM.RESTORE.{name}", {"config": {"name": name}, "state": {}})
    assert answer["error"]["err_code"] in (10052, 10128)


def good(house: House) -> bytes:
    """The frames of a backup."""
    return Unpacker().feed(b"".join(back_up(house)))


def spoil(whole: bytes, kind: str) -> bytes:
    head = len(archive.MAGIC)
    if kind == "nothing":
        return b""
    if kind == "a tar":
        return b"../../etc/passwd".ljust(512, b"\0") * 3
    if kind == "cut":
        return whole[:-5]
    if kind == "a bit":
        return whole[:300] + bytes([whole[300] ^ 1]) + whole[301:]
    if kind == "a length":
        return whole[:head] + archive.FRAME.pack(archive.HEAD, 1 << 31, 0) + whole[head + archive.FRAME.size :]
    if kind == "a kind":
        return whole[:head] + archive.FRAME.pack(9, 1, 0)
    if kind == "more":
        return whole + archive.render_frame(archive.END, archive.Tail(0))
    if kind == "no head":
        return archive.MAGIC + archive.render_frame(archive.MESSAGES, [])
    if kind == "no sense":
        return archive.MAGIC + archive.render_frame(archive.HEAD, {"config": 5})
    head_frame = archive.render_frame(archive.HEAD, archive.Head(b'{"config":{},"created":1}', 1, 5))
    bodies: dict[str, object] = {
        "order": [(2, b"s", None, b"", 1), (1, b"s", None, b"", 1)],
        "a wildcard": [(1, b"s.*", None, b"", 1)],
        "negative": [(-1, b"s", None, b"", 1)],
        "count": [(1, b"s", None, b"", 1)],
    }
    end = archive.render_frame(archive.END, archive.Tail(7))
    return archive.MAGIC + head_frame + archive.render_frame(archive.MESSAGES, bodies[kind]) + end


def packed_wrongly(packed: bytes, kind: str) -> bytes:
    return {
        "nothing": b"",
        "frames that are not packed": Unpacker().feed(packed),
        "cut": packed[:-5],
        "a bit": packed[:300] + bytes([packed[300] ^ 1]) + packed[301:],
        "a length": packed[:10] + b"\1\xff\xff\xff" + packed[14:],
    }[kind]


@pytest.mark.parametrize("kind", ["nothing", "frames that are not packed", "cut", "a bit", "a length"])
def test_what_is_packed_wrongly_leaves_nothing_behind(house: House, kind: str) -> None:
    data = packed_wrongly(b"".join(back_up(house)), kind)
    answer = bring_back(house, [data[at : at + 100] for at in range(0, len(data), 100)], {"name": "R"})
    assert answer["error"]["err_code"] == 10062
    assert "R" not in house.home.streams
    assert "$G/R" not in house.file.streams()


@pytest.mark.parametrize(
    "kind",
    "nothing|a tar|cut|a bit|a length|a kind|more|no head|no sense|order|a wildcard|negative|count".split("|"),
)
def test_what_is_no_whole_backup_leaves_nothing_behind(house: House, kind: str) -> None:
    data = pack(spoil(good(house), kind))
    pieces = [data[at : at + 100] for at in range(0, len(data), 100)]
    answer = bring_back(house, pieces, {"name": "R"})
    assert answer["error"]["err_code"] == 10062
    assert "R" not in house.home.streams
    assert house.home.restoring == set()
    assert "$G/R" not in house.file.streams()
    house.stream("R")


def test_a_restore_that_stalls_is_given_up(house: House) -> None:
    chunks = back_up(house)
    begun = house.ask("STREAM.RESTORE.R", {"config": {"name": "R"}, "state": {}})
    house.publish(begun["deliver_subject"], chunks[0][:50], "_INBOX.x")
    assert house.ask("STREAM.CREATE.R", {"name": "R"})["error"]["err_code"] == 10058
    house.move(6)
    house.stream("R")


def test_a_restore_that_was_never_finished_is_thrown_away_at_the_start(house: House) -> None:
    chunks = back_up(house)
    begun = house.ask("STREAM.RESTORE.R", {"config": {"name": "R"}, "state": {}})
    house.publish(begun["deliver_subject"], b"".join(chunks)[:-20], "_INBOX.x")
    assert "$G/R" in house.file.streams()
    house.reopen()
    assert set(house.file.streams()) == {"$G/S"}
    assert set(house.home.streams) == {"S"}
