"""Much of everything: nothing is left of what was deleted, and what waits or is remembered has a bound."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable

import pytest

from tests.jetstream.house import House
from tests.jetstream.test_publishing import put

ROUND = 40
MANY = 10_000
ALIKE = 60
"""Objects more or less that a heap may have where nothing was kept."""


@pytest.fixture
def house() -> House:
    house = House()
    house.stream()
    return house


def streams_come_and_go(house: House, storage: str) -> None:
    for number in range(ROUND):
        house.stream(f"N{number}", storage=storage)
        put(house, f"n{number}.a", Nats_Msg_Id="1")
        house.consumer(stream=f"N{number}")
    for number in range(ROUND):
        assert house.ask(f"STREAM.DELETE.N{number}")["success"] is True


def consumers_come_and_go(house: House, storage: str) -> None:
    for number in range(ROUND):
        house.consumer(f"C{number}", mem_storage=storage == "memory", inactive_threshold=3600 * 10**9)
    for number in range(ROUND):
        assert house.ask(f"CONSUMER.DELETE.S.C{number}")["success"] is True


@pytest.mark.parametrize("storage", ["file", "memory"])
@pytest.mark.parametrize("come_and_go", [streams_come_and_go, consumers_come_and_go])
def test_nothing_is_left_of_what_was_deleted(
    house: House, come_and_go: Callable[[House, str], None], storage: str
) -> None:
    come_and_go(house, storage)
    subs, timers = house.account.sublist.count, house.timers.held
    gc.collect()
    held = len(gc.get_objects())
    come_and_go(house, storage)
    gc.collect()
    assert len(gc.get_objects()) - held < ALIKE
    assert set(house.home.streams) == {"S"} == {key.rpartition("/")[2] for key in house.file.streams()}
    assert house.home.streams["S"].consumers == {}
    assert house.file.consumer_configs("$G/S") == {}
    assert house.account.sublist.count == subs
    assert house.timers.held <= timers + 64


def test_requests_that_wait_for_ever_are_bounded(house: House) -> None:
    house.consumer()
    inbox = house.inbox()
    body = b'{"batch":1,"expires":0}'
    for _ in range(3000):
        house.account.sublist.publish(b"$JS.API.CONSUMER.MSG.NEXT.S.C", inbox.name.encode(), None, body)
    assert inbox.payloads() == [b"NATS/1.0 409 Exceeded MaxWaiting"] * (3000 - 512)
    assert house.info()["num_waiting"] == 512
    house.fill(600)
    assert len(inbox.take()) == 512
    assert house.numbers()[4:] == (512, 0, 0, 88)


def test_a_consumer_of_ten_thousand_subjects(house: House) -> None:
    for number in range(300):
        house.account.sublist.publish(b"s.%d.x" % (number % 30 * 1000), None, None, b"%d" % number)
    names = [f"s.{number}.{'*' if number % 2 else 'x'}" for number in range(MANY)]
    page = house.consumer(filter_subjects=names)
    assert page["num_pending"] == 100
    assert [one[3] for one in house.fetch(3)] == [b"0", b"1", b"2"]
    house.account.sublist.publish(b"s.9999.y", None, None, b"new")
    assert house.info()["num_pending"] == 98
    twice = {"stream_name": "S", "config": {"durable_name": "D", "filter_subjects": [*names, "s.7.y"]}}
    assert house.ask("CONSUMER.CREATE.S.D", twice)["error"]["err_code"] == 10138
    assert house.ask("CONSUMER.DELETE.S.C")["success"] is True


@pytest.mark.parametrize(
    ("config", "code", "text"),
    [
        ({"max_age": 1}, 10052, "max age needs to be >= 100ms"),
        ({"max_age": 99_999_999}, 10052, "max age needs to be >= 100ms"),
        ({"duplicate_window": 1}, 10052, "duplicates window needs to be >= 100ms"),
        ({"subject_delete_marker_ttl": 1}, 10052, "subject delete marker TTL must be at least 1 second"),
    ],
)
def test_times_of_a_nanosecond(house: House, config: dict[str, int], code: int, text: str) -> None:
    error = house.ask("STREAM.CREATE.N", {"name": "N", **config})["error"]
    assert (error["err_code"], error["description"]) == (code, text)


BAD_NAMES = ["a.b", "a b", "a/b", "..", "../x", "a\\b", "a\nb", "a\tb", "*", ">", "x" * 10_000, "x" * 256]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("key", ["name", "durable_name"])
def test_a_consumer_cannot_have_such_a_name(house: House, key: str, name: str) -> None:
    body = {"stream_name": "S", "config": {key: name, "ack_policy": "explicit"}}
    subject = "CONSUMER.CREATE.S" if key == "name" else "CONSUMER.DURABLE.CREATE.S.D"
    assert house.ask(subject, body)["error"]["err_code"] in (10017, 10019, 10052, 10102, 10103, 10127)
    assert house.home.streams["S"].consumers == {}


@pytest.mark.parametrize(
    "subject", ["a b", "a..b", ".a", "a.", "a\nb", "a\tb", "a\x00b", "\x7f \r", "$JS.API.>", "x>."]
)
def test_a_stream_cannot_have_such_a_subject(house: House, subject: str) -> None:
    assert house.ask("STREAM.CREATE.N", {"name": "N", "subjects": [subject]})["error"]["err_code"] == 10052
    assert set(house.home.streams) == {"S"}


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b", "x" * 10_000])
def test_a_bucket_cannot_have_such_a_name(house: House, name: str) -> None:
    inbox = house.inbox()
    for subject, prefix in (("kv", "KV_"), ("o", "OBJ_")):
        body = json.dumps({"name": prefix + name, "subjects": [f"{subject}.>"]}).encode()
        house.publish(f"$JS.API.STREAM.CREATE.{prefix}{name}", body, inbox.name)
    assert all("error" in json.loads(payload) for payload in inbox.payloads())
    assert set(house.home.streams) == {"S"}
