"""Backups: made, brought back, and refused where they are none."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from natsd.jetstream.backups import archive
from natsd.jetstream.backups.packing import Unpacker, pack
from natsd.store.contract import StoreError
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


def unpacked(packed: bytes) -> bytes:
    unpacker = Unpacker()
    unpacker.feed(packed)
    return b"".join(iter(unpacker.take, None))


def state(last_seq: int = 5, consumers: int = 0, **more: object) -> bytes:
    """How a backup begins."""
    return archive.render_state({"first_seq": 1, "last_seq": last_seq, **more}, consumers, 1, 1)


def entry(seq: int = 1, subject: bytes = b"s", header: bytes = b"", payload: bytes = b"") -> bytes:
    return archive.render_entry(subject, 1, seq, header, payload)


def document(name: bytes, body: object) -> bytes:
    return archive.render_entry(name, payload=json.dumps(body).encode())


def consumer(name: str = "C", **config: object) -> bytes:
    given = {"durable_name": name, "ack_policy": "explicit"} | config
    return document(b"consumers/" + name.encode(), {"config": given, "state": {}})


def progress(**more: object) -> bytes:
    """A consumer that is further than nothing."""
    known = {"delivered": {"consumer_seq": 3, "stream_seq": 3}, "ack_floor": {"consumer_seq": 1, "stream_seq": 1}}
    given = {"config": {"durable_name": "C", "ack_policy": "explicit"}, "state": known | more}
    return document(b"consumers/C", given)


MAGIC, END = archive.MAGIC, archive.END
HUGE = b"\xff" * 9 + b"\x01"
BAD: dict[str, bytes] = {
    "nothing": b"",
    "something else": b"../../etc/passwd".ljust(512, b"x") * 3,
    "no state": MAGIC + entry() + END,
    "a state that is no JSON": MAGIC + archive.render_entry(b"state.json", payload=b"{"),
    "a state that is no object": MAGIC + document(b"state.json", [1]),
    "a state that is far too long": MAGIC + b"\x0a\x00\x00\x00" + b"\xff\xff\xff\xff\x0f" + b"state.json",
    "nested too deeply": MAGIC + archive.render_entry(b"state.json", payload=b"[" * 100_000),
    "negative sequences": state(first_seq=-5, last_seq=-1) + END,
    "a first sequence above the last": state(first_seq=9) + END,
    "a last sequence beyond all": state(1 << 63) + END,
    "a date that is none": MAGIC + document(b"state.json", {"created": "yesterday"}) + END,
    "too few consumers": state(consumers=2) + consumer() + entry() + END,
    "more consumers than said": state() + consumer() + END,
    "a consumer twice": state(consumers=2) + consumer() * 2 + END,
    "a consumer under another's name": state(consumers=1) + consumer("C", durable_name="D") + END,
    "a consumer whose name is a path": state(consumers=1) + consumer("a/b") + END,
    "a consumer without a name": state(consumers=1) + consumer("") + END,
    "a consumer that cannot be": state(consumers=1) + consumer(max_waiting=5, deliver_subject="s.>") + END,
    "a number that is none": state(consumers=1) + consumer(ack_wait="x") + END,
    "a date of a consumer that is none": state(consumers=1) + consumer(opt_start_time="x") + END,
    "a consumer without a state": state(consumers=1) + document(b"consumers/C", {"config": {}}) + END,
    "a floor above what was delivered": state(consumers=1) + progress(ack_floor={"consumer_seq": 9}) + END,
    "a negative sequence": state(consumers=1) + progress(delivered={"stream_seq": -1}) + END,
    "pending below the floor": state(consumers=1) + progress(pending={"1": {"Sequence": 2}}) + END,
    "pending that was never delivered": state(consumers=1) + progress(pending={"4": {"Sequence": 2}}) + END,
    "pending with a number beyond": state(consumers=1) + progress(pending={"2": {"Sequence": 9}}) + END,
    "a negative number of deliveries": state(consumers=1) + progress(redelivered={"2": -1}) + END,
    "out of order": state() + entry(2) + entry(1) + END,
    "a sequence twice": state() + entry(2) + entry(2) + END,
    "a sequence beyond all": state() + archive.render_entry(b"s", 1, 1 << 63) + END,
    "a wildcard": state() + entry(subject=b"s.*") + END,
    "no subject": state() + entry(subject=b"") + END,
    "a number that does not end": state() + HUGE + b"\xff" * 10,
    "a message far too long": state() + b"\x01\x02\x01\x00" + b"\xff\xff\xff\xff\x0f" + b"s",
    "a subject far too long": state() + b"\xff\xff\xff\x0f\x02\x01\x00\x00",
    "no end": state() + entry(),
    "cut": state() + entry(payload=b"hello")[:-2],
    "more behind the end": state() + entry() + END + entry(2),
    "an end that is none": state() + archive.render_entry(b"x"),
}


def packed_wrongly(packed: bytes, kind: str) -> bytes:
    return {
        "nothing": b"",
        "entries that are not packed": unpacked(packed),
        "cut": packed[:-5],
        "a bit": packed[:300] + bytes([packed[300] ^ 1]) + packed[301:],
        "a length": packed[:10] + b"\1\xff\xff\xff" + packed[14:],
    }[kind]


@pytest.mark.parametrize("kind", ["nothing", "entries that are not packed", "cut", "a bit", "a length"])
def test_what_is_packed_wrongly_leaves_nothing_behind(house: House, kind: str) -> None:
    data = packed_wrongly(b"".join(back_up(house)), kind)
    answer = bring_back(house, [data[at : at + 100] for at in range(0, len(data), 100)], {"name": "R"})
    assert answer["error"]["err_code"] == 10062
    assert "R" not in house.home.streams
    assert "$G/R" not in house.file.streams()


def is_refused(house: House, whole: bytes, size: int = 100, **config: object) -> dict[str, Any]:
    """The error of a backup that leaves nothing behind."""
    data = pack(whole)
    answer = bring_back(house, [data[at : at + size] for at in range(0, len(data), size)], {"name": "R"} | config)
    assert "R" not in house.home.streams
    assert house.home.restoring == {}
    assert "$G/R" not in house.file.streams()
    assert house.home.used == {"file": 0, "memory": 0} or "S" in house.home.streams
    house.stream("R")
    error: dict[str, Any] = answer["error"]
    return error


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_whole_backup_leaves_nothing_behind(kind: str) -> None:
    error = is_refused(House(), BAD[kind])
    assert error["err_code"] // 1000 == 10
    assert error["description"]


def test_the_error_says_what_is_wrong() -> None:
    error = is_refused(House(), BAD["out of order"])
    assert error == {"code": 500, "err_code": 10062, "description": "restore failed: message 1 is out of order"}


def test_more_consumers_than_the_stream_may_have_are_refused() -> None:
    whole = state(consumers=2) + consumer("A") + consumer("B") + END
    assert is_refused(House(), whole, max_consumers=1)["err_code"] == 10026


def test_a_message_longer_than_the_stream_takes_is_refused() -> None:
    assert is_refused(House(), state() + entry(payload=b"12345") + END, max_msg_size=4)["err_code"] == 10054


def test_what_a_backup_says_it_holds_has_to_fit_into_the_account() -> None:
    house = House()
    house.home.limits.max_storage = 10_000
    assert is_refused(house, state(bytes=10_001))["err_code"] == 10047


def test_what_a_backup_says_it_holds_has_to_fit_into_the_server() -> None:
    house = House()
    house.jetstream.limits.max_file = 10_000
    assert is_refused(house, state(bytes=10_001))["err_code"] == 10047


def test_what_unpacks_to_a_thousand_times_its_size_ends_at_the_limit() -> None:
    house = House()
    house.home.limits.max_storage = 1_000_000
    whole = state(1000) + b"".join(entry(seq, payload=bytes(60_000)) for seq in range(1, 1000)) + END
    assert len(pack(whole)) * 10 < len(whole)
    assert is_refused(house, whole, 1 << 20)["err_code"] in (10002, 10047)


def test_nobody_waits_while_much_is_unpacked() -> None:
    house = House()
    begun = house.ask("STREAM.RESTORE.R", {"config": {"name": "R"}, "state": {}})
    whole = state(100) + b"".join(entry(seq, payload=bytes(60_000)) for seq in range(1, 100)) + END
    inbox = house.inbox()
    house.account.sublist.publish(begun["deliver_subject"].encode(), inbox.name.encode(), None, pack(whole))
    house.road.settle()
    turns = 0
    while not inbox.got:
        turns += 1
        house.timers.run()
        house.road.settle()
    assert turns > 20


def test_who_sends_without_waiting_for_answers_is_stopped() -> None:
    house = House()
    begun = house.ask("STREAM.RESTORE.R", {"config": {"name": "R"}, "state": {}})
    whole = state(100) + b"".join(entry(seq, payload=bytes(60_000)) for seq in range(1, 100)) + END
    inbox = house.inbox()
    subject, reply = begun["deliver_subject"].encode(), inbox.name.encode()
    house.account.sublist.publish(subject, reply, None, pack(whole))
    for _ in range(33):
        house.account.sublist.publish(subject, reply, None, bytes(1 << 20))
    house.road.settle()
    assert b"more was sent than answered" in inbox.payloads()[-1]
    house.stream("R")


def test_not_too_many_streams_come_back_at_once() -> None:
    house = House()
    for number in range(32):
        assert "error" not in house.ask(f"STREAM.RESTORE.R{number}", {"config": {"name": f"R{number}"}, "state": {}})
    refused = house.ask("STREAM.RESTORE.R", {"config": {"name": "R"}, "state": {}})
    assert refused["error"]["description"] == "restore failed: 32 others are under way"
    house.move(6)
    assert "error" not in house.ask("STREAM.RESTORE.R", {"config": {"name": "R"}, "state": {}})


def test_a_restore_under_way_ends_with_the_jetstream_of_the_account(house: House) -> None:
    chunks = back_up(house)
    begun = house.ask("STREAM.RESTORE.R", {"config": {"name": "R"}, "state": {}})
    house.publish(begun["deliver_subject"], chunks[0][:50], "_INBOX.x")
    house.jetstream.disable(house.account)
    house.move(10)
    assert "restore" not in "".join(house.log.lines[-1:])


def test_nothing_expires_and_leaves_a_marker_before_the_stream_is_whole() -> None:
    house = House()
    header = b"NATS/1.0\r\nNats-TTL: 2s\r\n\r\n"
    time_ns = house.clock.wall_ns()
    first = state(2) + archive.render_entry(b"r.a", time_ns, 1, header)
    config = {"name": "R", "subjects": ["r.>"], "allow_msg_ttl": True, "subject_delete_marker_ttl": 10**9}
    begun = house.ask("STREAM.RESTORE.R", {"config": config, "state": {}})
    inbox = house.inbox()
    house.publish(begun["deliver_subject"], pack(first), inbox.name)
    house.move(4)
    house.publish(begun["deliver_subject"], pack(entry(2, b"r.b") + END), inbox.name)
    house.publish(begun["deliver_subject"], b"", inbox.name)
    state_then = json.loads(inbox.payloads()[-1])["state"]
    assert (state_then["messages"], state_then["last_seq"]) == (2, 3)
    stored = house.home.streams["R"].store.load(3)
    assert stored is not None and b"Nats-Marker-Reason: MaxAge" in (stored[2] or b"")


def test_a_message_whose_time_is_over_only_keeps_its_sequence() -> None:
    house = House()
    header = b"NATS/1.0\r\nNats-TTL: 1s\r\n\r\n"
    whole = state(3) + entry(1, header=header) + entry(2) + entry(3, header=header) + END
    answer = bring_back(house, [pack(whole)], {"name": "R", "allow_msg_ttl": True})
    assert (answer["state"]["messages"], answer["state"]["first_seq"], answer["state"]["last_seq"]) == (1, 2, 3)


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


def test_a_restore_waits_for_a_slow_disk_and_gives_up_on_one_that_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    begun = house.ask("STREAM.RESTORE.R", {"config": {"name": "R"}, "state": {}})
    waiting: list[Any] = []
    monkeypatch.setattr(
        type(house.home.commits("file")), "after", lambda self, callback, refuse: waiting.append(callback)
    )
    whole = state(400) + b"".join(entry(seq, payload=bytes(60_000)) for seq in range(1, 400)) + END
    inbox = house.inbox()
    house.publish(begun["deliver_subject"], pack(whole), inbox.name)
    assert len(waiting) == 1 and inbox.take() == []
    house.move(30)
    waiting.pop()()
    house.settle()
    assert len(waiting) == 1
    house.move(61)
    assert house.home.restoring == {}
    assert "$G/R" not in house.file.streams()


def test_who_restores_hears_of_a_disk_that_fails(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the very end, when only the answer waits for it."""
    config = house.ask("STREAM.INFO.S")["config"]
    chunks = back_up(house)
    house.ask("STREAM.DELETE.S")
    monkeypatch.setattr(house.file, "position", 9)  # more than is durable
    begun = house.ask("STREAM.RESTORE.S", {"config": config, "state": {}})
    inbox = house.inbox()
    for chunk in [*chunks, b""]:
        house.publish(begun["deliver_subject"], chunk, inbox.name)
    assert not any(inbox.payloads()[len(chunks) :])
    assert house.file.on_failed is not None
    house.file.on_failed("no space left")
    (answer,) = inbox.payloads()
    assert json.loads(answer) == {
        "type": "io.nats.jetstream.api.v1.stream_create_response",
        "error": {"code": 500, "err_code": 10062, "description": "restore failed: no space left"},
    }


def test_a_restore_ends_with_the_disk_that_fails_in_its_middle(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    config = house.ask("STREAM.INFO.S")["config"]
    chunks = back_up(house)
    house.ask("STREAM.DELETE.S")
    begun = house.ask("STREAM.RESTORE.S", {"config": config, "state": {}})

    def refuse(key: str, *_: object) -> None:
        raise StoreError("the disk is gone")

    for call in ("create", "delete"):
        monkeypatch.setattr(house.file, call, refuse)
    inbox = house.inbox()
    for chunk in chunks:
        house.publish(begun["deliver_subject"], chunk, inbox.name)
    answers = [json.loads(answer) for answer in inbox.payloads() if answer]
    assert [answer["error"]["description"] for answer in answers] == ["restore failed: the disk is gone"]
    assert "Unexpected" not in " ".join(house.log.lines)
