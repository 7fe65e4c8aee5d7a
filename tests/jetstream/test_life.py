"""What is deleted is gone at once: nothing that belongs to it waits for the garbage collector."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import pytest

from natsd.jetstream.consumers.consumer import Consumer
from tests.jetstream.house import House
from tests.jetstream.test_publishing import block, put

HOUR_NS = 3600 * 10**9


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    house.stream(max_age=HOUR_NS, allow_direct=True, duplicate_window=10**9)
    put(house, "s.a", Nats_Msg_Id="1")
    gc.disable()
    yield house
    gc.enable()


def known(house: House) -> ref[Any]:
    return ref(house.home.streams["S"].consumers["C"])


def delete(house: House) -> None:
    assert house.ask("CONSUMER.DELETE.S.C")["success"] is True


def delete_stream(house: House) -> None:
    assert house.ask("STREAM.DELETE.S")["success"] is True


CONSUMERS: list[dict[str, Any]] = [
    {},
    {"deliver_subject": "to.me", "flow_control": True, "idle_heartbeat": 10**9, "rate_limit_bps": 8000},
    {"inactive_threshold": HOUR_NS, "replay_policy": "original", "backoff": [10**9, 2 * 10**9], "max_deliver": 5},
    {"pause_until": "2090-01-01T00:00:00Z"},
    {"priority_policy": "pinned_client", "priority_groups": ["g"], "priority_timeout": HOUR_NS},
    {"deliver_policy": "last_per_subject", "filter_subjects": ["s.a", "s.b"], "headers_only": True},
]


@pytest.mark.parametrize("end", [delete, delete_stream])
@pytest.mark.parametrize("config", CONSUMERS)
def test_a_consumer_is_gone_with_its_answer(house: House, config: dict[str, Any], end: Callable[[House], None]) -> None:
    house.inbox("to.me")
    house.consumer(**config)
    group = {"group": "g"} if "priority_groups" in config else {}
    house.pull(house.inbox(), {"batch": 5, "expires": HOUR_NS, **group})
    house.fill(2)
    gone = known(house)
    end(house)
    assert gone() is None


def test_a_consumer_is_gone_when_nobody_used_it_for_long_enough(house: House) -> None:
    house.consumer(durable_name="", name="C", inactive_threshold=10**9)
    gone = known(house)
    house.move(5)
    assert gone() is None


def test_a_push_consumer_is_gone_when_nobody_listened_for_long_enough(house: House) -> None:
    inbox = house.inbox("to.me")
    house.consumer(durable_name="", name="C", deliver_subject="to.me", inactive_threshold=10**9)
    gone = known(house)
    inbox.close()
    house.move(5)
    assert gone() is None


def test_a_consumer_that_was_made_and_deleted_in_one_read_is_gone(house: House) -> None:
    inbox = house.inbox()
    body = json.dumps({"stream_name": "S", "config": {"durable_name": "C", "ack_policy": "explicit"}}).encode()
    publish = house.account.sublist.publish
    publish(b"$JS.API.CONSUMER.CREATE.S.C", inbox.name.encode(), None, body)
    publish(b"$JS.API.CONSUMER.DELETE.S.C", inbox.name.encode(), None, b"")
    assert [b"error" in payload for payload in inbox.payloads()] == [False, False]
    assert [one for one in gc.get_objects() if isinstance(one, Consumer) and one.home is house.home] == []


@pytest.mark.parametrize("storage", ["file", "memory"])
def test_a_stream_is_gone_with_its_answer(house: House, storage: str) -> None:
    house.stream("N", storage=storage, allow_direct=True, max_age=HOUR_NS)
    put(house, "n.a", Nats_Msg_Id="1")
    house.ask("STREAM.UPDATE.N", {"name": "N", "subjects": ["n.>", "m.>"], "storage": storage, "max_age": HOUR_NS})
    put(house, "m.a", Nats_Msg_Id="2")
    house.consumer(stream="N")
    stream = house.home.streams["N"]
    gone: list[ref[Any]] = [ref(stream), ref(stream.consumers["C"]), ref(stream.store)]
    del stream
    assert house.ask("STREAM.DELETE.N")["success"] is True
    assert [one() for one in gone] == [None, None, None]


def test_a_stream_with_schedules_and_unfinished_batches_is_gone_too(house: House) -> None:
    house.stream("N", allow_msg_schedules=True, allow_atomic=True)
    assert put(house, "n.a", Nats_Schedule="@every 10s", Nats_Schedule_Target="n.b")["seq"] == 1
    house.move(15)
    assert put(house, "n.c", Nats_Batch_Id="whole", Nats_Batch_Sequence="1", Nats_Batch_Commit="1")["count"] == 1
    house.publish("n.c", b"x", house.inbox().name, block(Nats_Batch_Id="begun", Nats_Batch_Sequence="1"))
    stream = house.home.streams["N"]
    assert (len(stream.schedules), house.jetstream.open_batches, stream.store.last_seq) == (1, 1, 3)
    gone: list[ref[Any]] = [ref(stream), ref(stream.store)]
    del stream
    assert house.ask("STREAM.DELETE.N")["success"] is True
    assert [one() for one in gone] == [None, None]
    assert house.jetstream.open_batches == 0
    house.move(60)


@pytest.mark.parametrize("kind", ["mirror", "sources"])
def test_a_stream_that_is_filled_from_another_is_gone_too(house: House, kind: str) -> None:
    origin: dict[str, Any] = {"name": "S"}
    house.stream("N", subjects=[], **{kind: origin if kind == "mirror" else [origin]})
    gone = ref(house.home.streams["N"])
    assert house.ask("STREAM.DELETE.N")["success"] is True
    assert gone() is None


@pytest.mark.parametrize("kind", ["mirror", "sources"])
def test_a_stream_that_others_are_filled_from_is_gone_too(house: House, kind: str) -> None:
    origin: dict[str, Any] = {"name": "S"}
    house.stream("N", subjects=[], **{kind: origin if kind == "mirror" else [origin]})
    gone = ref(house.home.streams["S"])
    assert house.ask("STREAM.DELETE.S")["success"] is True
    assert gone() is None
