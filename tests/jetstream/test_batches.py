"""Atomic batches: what ends one, what becomes visible when, and what is left of one that was not finished."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from natsd.jetstream.streams import batches
from natsd.jetstream.streams.publishing import Publishing
from natsd.store.file import FileStore
from tests.jetstream.house import House, Inbox
from tests.jetstream.test_publishing import block, error_of


@pytest.fixture
def house() -> House:
    house = House()
    house.stream(allow_atomic=True, allow_direct=True)
    return house


def part(
    house: House,
    number: int,
    batch: str = "b",
    commit: str = "",
    subject: str = "s.a",
    payload: bytes = b"x",
    **more: str,
) -> dict[str, Any] | None:
    """Publish a message of a batch, and give the acknowledgement; None for an empty one."""
    last = {"Nats_Batch_Commit": commit} if commit else {}
    header = block(Nats_Batch_Id=batch, Nats_Batch_Sequence=str(number), **last, **more)
    inbox = house.inbox()
    house.publish(subject, payload, inbox.name, header)
    (got,) = inbox.take()
    inbox.close()
    return json.loads(got[3]) if got[3] else None


def abandoned(inbox: Inbox) -> list[tuple[str, str]]:
    events = [json.loads(payload) for payload in inbox.payloads()]
    assert {event["type"] for event in events} <= {"io.nats.jetstream.advisory.v1.stream_batch_abandoned"}
    return [(event["batch"], event["reason"]) for event in events]


@pytest.fixture
def advisories(house: House) -> Inbox:
    return house.inbox("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.S")


def test_a_batch_is_stored_with_its_last_message(house: House) -> None:
    store = house.home.streams["S"].store
    assert part(house, 1) is None
    house.publish("s.b", b"between")
    assert part(house, 2, subject="s.c") is None
    assert store.last_seq == 1
    assert part(house, 3, commit="1") == {"stream": "S", "seq": 4, "batch": "b", "count": 3}
    assert [message[1] for message in store.load_many([1, 2, 3, 4])] == [b"s.b", b"s.a", b"s.c", b"s.a"]
    assert store.load(4) is not None
    assert house.jetstream.open_batches == house.jetstream.staged_bytes == 0


def test_the_end_of_a_batch_may_be_a_message_of_its_own(house: House) -> None:
    part(house, 1)
    part(house, 2)
    assert part(house, 3, commit="eob", payload=b"not stored") == {"stream": "S", "seq": 2, "batch": "b", "count": 2}
    message = house.home.streams["S"].store.load(2)
    assert message is not None
    assert message[2] == block(Nats_Batch_Id="b", Nats_Batch_Sequence="2", Nats_Batch_Commit="1")


def test_batches_of_one_stream_do_not_mind_each_other(house: House) -> None:
    for number in (1, 2):
        for name in ("b", "c"):
            part(house, number, name)
    assert [part(house, 3, name, "1") for name in ("c", "b")] == [
        {"stream": "S", "seq": 3, "batch": "c", "count": 3},
        {"stream": "S", "seq": 6, "batch": "b", "count": 3},
    ]


def test_a_message_out_of_order_ends_a_batch(house: House, advisories: Inbox) -> None:
    part(house, 1)
    assert error_of(part(house, 3) or {})[0] == 10176
    assert abandoned(advisories) == [("b", "incomplete")]
    assert error_of(part(house, 2) or {})[0] == 10176
    assert house.jetstream.open_batches == 0


def test_a_batch_that_waits_too_long_is_forgotten(house: House, advisories: Inbox) -> None:
    part(house, 1)
    house.move(6)
    part(house, 2)
    house.move(6)
    assert abandoned(advisories) == []
    house.move(4.5)
    assert abandoned(advisories) == [("b", "timeout")]
    assert error_of(part(house, 3, commit="1") or {})[0] == 10176
    assert len(house.timers) == 0


def test_a_batch_that_needs_a_newer_server_ends(house: House, advisories: Inbox) -> None:
    part(house, 1)
    assert error_of(part(house, 2, Nats_Required_Api_Level="99") or {})[0] == 10185
    assert abandoned(advisories) == [("b", "unsupported")]


def test_a_server_has_limits_for_batches(house: House, advisories: Inbox) -> None:
    limits = house.jetstream.limits
    limits.batch_per_stream, limits.batch_total, limits.batch_msgs, limits.batch_timeout_ns = 2, 3, 2, 10**9
    house.stream("T", allow_atomic=True)
    part(house, 1, "b")
    part(house, 1, "c")
    assert error_of(part(house, 1, "d") or {})[0] == 10210
    part(house, 1, "b", subject="t.a")
    assert error_of(part(house, 1, "c", subject="t.a") or {})[0] == 10210
    part(house, 2)
    assert error_of(part(house, 3, commit="1") or {}) == (10199, "atomic publish batch is too large: 2")
    assert abandoned(advisories) == [("b", "large")]
    house.move(1.1)
    assert abandoned(advisories) == [("c", "timeout")]


def test_unfinished_batches_hold_a_bounded_number_of_bytes(
    house: House, advisories: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_STAGED", 2000)
    part(house, 1, payload=b"x" * 900)
    part(house, 1, "c", payload=b"x" * 700)
    assert error_of(part(house, 2, "c", payload=b"x" * 900) or {})[0] == 10210
    assert abandoned(advisories) == [("c", "large")]
    assert part(house, 2, payload=b"x" * 900, commit="1") is not None
    assert house.jetstream.staged_bytes == 0


def test_nothing_of_a_batch_with_an_error_is_stored(house: House) -> None:
    house.publish("s.z")
    part(house, 1)
    answer = part(house, 2, commit="1", Nats_Expected_Last_Subject_Sequence="7", subject="s.z")
    assert error_of(answer or {}) == (10071, "wrong last sequence: 1")
    assert house.home.streams["S"].store.last_seq == 1
    assert house.jetstream.open_batches == 0


@pytest.mark.parametrize("change", [{"allow_atomic": False}, None])
def test_batches_end_where_the_stream_takes_no_more(house: House, change: dict[str, object] | None) -> None:
    part(house, 1)
    if change is None:
        house.ask("STREAM.DELETE.S")
    else:
        house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], **change})
        assert error_of(part(house, 2, commit="1") or {})[0] == 10174
    assert house.jetstream.open_batches == house.jetstream.staged_bytes == 0
    assert len(house.timers) == 0


def test_an_unfinished_batch_is_gone_after_a_restart(house: House) -> None:
    part(house, 1)
    house.reopen()
    assert error_of(part(house, 2, commit="1") or {})[0] == 10176


def test_an_account_has_to_have_room_for_all_of_it(house: House) -> None:
    house.home.limits.max_storage = 1000
    part(house, 1, payload=b"x" * 600)
    assert error_of(part(house, 2, payload=b"x" * 600, commit="1") or {})[0] == 10002
    assert house.home.streams["S"].store.last_seq == 0


def test_a_stream_without_acknowledgements_gives_none_for_batches() -> None:
    house = House()
    house.stream(allow_atomic=True, no_ack=True)
    inbox = house.inbox()
    for number, more in ((1, {}), (2, {"Nats_Batch_Commit": "1"})):
        header = block(Nats_Batch_Id="b", Nats_Batch_Sequence=str(number), **more)
        house.publish("s.a", b"x", inbox.name, header)
    assert inbox.take() == []
    assert house.home.streams["S"].store.last_seq == 2


class SlowDisk:
    """A house whose file store is a real one, which the test has write when it says so."""

    def __init__(self, directory: Path) -> None:
        self.house = House()
        self.store = FileStore(directory)
        self.store.postpone = lambda _: None
        self.house.file = self.store  # type: ignore[assignment]
        self.house._open()

    def write(self) -> None:
        self.store.run_batch()
        assert self.store.wait()
        self.house.settle()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SlowDisk]:
    disk = SlowDisk(tmp_path / "store")
    asked = disk.house.inbox()
    config = {"name": "S", "subjects": ["s.>"], "allow_atomic": True, "republish": {"src": "s.>", "dest": "r.>"}}
    disk.house.publish("$JS.API.STREAM.CREATE.S", json.dumps(config).encode(), asked.name)
    disk.write()
    yield disk
    disk.store.close()


def test_nothing_is_said_of_a_batch_before_all_of_it_is_on_disk(disk: SlowDisk) -> None:
    house = disk.house
    again, answers = house.inbox("r.>"), house.inbox()
    stream = house.home.streams["S"]
    said = []
    for number in (1, 2, 3):
        last = {"Nats_Batch_Commit": "1"} if number == 3 else {}
        header = block(Nats_Batch_Id="b", Nats_Batch_Sequence=str(number), **last)
        house.publish("s.a", b"%d" % number, answers.name, header)
        said.append((len(again.take()), len(answers.take()), stream.visible_seq, stream.store.last_seq))
    assert said == [(0, 1, 0, 0), (0, 1, 0, 0), (0, 0, 0, 3)]
    disk.write()
    assert [payload for _, _, _, payload in again.take()] == [b"1", b"2", b"3"]
    assert json.loads(answers.payloads()[0]) == {"stream": "S", "seq": 3, "batch": "b", "count": 3}
    assert stream.visible_seq == 3


def test_a_batch_that_does_not_get_to_the_disk_is_refused(disk: SlowDisk) -> None:
    house = disk.house
    again, answers = house.inbox("r.>"), house.inbox()
    for number, last in ((1, {}), (2, {"Nats_Batch_Commit": "1"})):
        header = block(Nats_Batch_Id="b", Nats_Batch_Sequence=str(number), **last)
        house.publish("s.a", b"x", answers.name, header)
    assert len(answers.take()) == 1  # that of the first
    on_failed = house.file.on_failed
    assert on_failed is not None
    on_failed("no space left on device")
    (payload,) = answers.payloads()
    assert error_of(json.loads(payload)) == (10077, "no space left on device")
    assert (again.take(), house.home.streams["S"].visible_seq) == ([], 0)
    assert error_of(part(house, 1) or {}) == (10077, "no space left on device")


def test_a_disk_that_fails_amid_a_batch_refuses_it_too(disk: SlowDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    house = disk.house
    answers = house.inbox()
    keep = Publishing.keep

    def fail(*args: Any) -> int:
        seq = keep(*args)
        disk.store._fail("no space left on device")
        return seq

    monkeypatch.setattr(Publishing, "keep", fail)
    for number, last in ((1, {}), (2, {"Nats_Batch_Commit": "1"})):
        header = block(Nats_Batch_Id="b", Nats_Batch_Sequence=str(number), **last)
        house.publish("s.a", b"x", answers.name, header)
    staged, payload = answers.payloads()
    assert staged == b""
    assert error_of(json.loads(payload)) == (10077, "no space left on device")
