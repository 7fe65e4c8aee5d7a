"""Large purges: in slices with other work between, and exact when they say that they are done."""

from __future__ import annotations

import json
from typing import Any

import pytest

from natsd.jetstream.streams import purging
from tests.jetstream.house import House, Inbox
from tests.jetstream.test_publishing import put

MANY = 200


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(purging, "SLICE", 10)
    monkeypatch.setattr(purging, "CLEARED_AT_ONCE", 20)
    house = House()
    house.stream()
    for number in range(MANY):
        house.account.sublist.publish(b"s.%d" % (number % 4), None, None, b"%d" % number)
    house.settle()
    return house


def begin(house: House, body: dict[str, Any]) -> Inbox:
    """Ask for a purge of which only the first slice has run."""
    inbox = house.inbox()
    subject = b"$JS.API.STREAM.PURGE.S"
    house.account.sublist.publish(subject, inbox.name.encode(), None, json.dumps(body).encode())
    house.road.settle()
    return inbox


def messages(house: House) -> int:
    found: int = house.home.streams["S"].store.state.msgs
    return found


CASES = [
    ({}, MANY, MANY + 1),
    ({"seq": 151}, 150, 151),
    ({"seq": 1000}, MANY, 1000),
    ({"keep": 30}, MANY - 30, 171),
    ({"keep": MANY}, 0, 1),
    ({"keep": 100_000}, 0, 1),
    ({"filter": "s.*"}, MANY, MANY + 1),
    ({"filter": ">", "keep": 1}, MANY - 1, MANY),
    ({"filter": "s.1"}, 50, 1),
    ({"filter": "s.0"}, 50, 2),
    ({"filter": "s.1", "seq": 102}, 25, 1),
    ({"filter": "s.1", "keep": 12}, 38, 1),
    ({"filter": "*.1", "keep": 50}, 0, 1),
    ({"filter": "s.9"}, 0, 1),
]


@pytest.mark.parametrize(("body", "purged", "first"), CASES)
def test_all_of_it_goes_and_the_numbers_are_exact(
    house: House, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], purged: int, first: int
) -> None:
    assert house.ask("STREAM.PURGE.S", body)["purged"] == purged
    state = house.ask("STREAM.INFO.S")["state"]
    assert (state["messages"], state["first_seq"]) == (MANY - purged, first)
    assert state["last_seq"] == max(MANY, first - 1)
    assert house.home.streams["S"].counted_bytes == state["bytes"]
    at_once = House()
    at_once.stream()
    for number in range(MANY):
        at_once.account.sublist.publish(b"s.%d" % (number % 4), None, None, b"%d" % number)
    monkeypatch.undo()
    assert at_once.ask("STREAM.PURGE.S", body)["purged"] == purged
    assert at_once.ask("STREAM.INFO.S", {"deleted_details": True})["state"] == {
        **house.ask("STREAM.INFO.S", {"deleted_details": True})["state"]
    }


@pytest.mark.parametrize("body", [{}, {"filter": "s.>"}, {"seq": 1000}, {"seq": 201}])
def test_what_comes_meanwhile_is_answered_at_once_and_stays(house: House, body: dict[str, Any]) -> None:
    purge = begin(house, body)
    assert messages(house) == MANY - 10
    other = house.inbox()
    house.account.sublist.publish(b"s.new", other.name.encode(), None, b"new")
    house.road.settle()
    assert json.loads(other.got[0][3])["stream"] == "S"
    assert purge.got == []
    assert json.loads(purge.payloads()[0])["purged"] == MANY
    state = house.ask("STREAM.INFO.S")["state"]
    seq = max(MANY + 1, body.get("seq", 0))
    assert (state["messages"], state["first_seq"], state["last_seq"]) == (1, seq, seq)


def test_two_purges_count_each_message_once(house: House) -> None:
    first, second = begin(house, {}), begin(house, {"filter": "s.>"})
    assert sum(json.loads(inbox.payloads()[0])["purged"] for inbox in (first, second)) == MANY
    assert messages(house) == 0


def test_messages_that_go_on_their_own_are_not_counted(house: House) -> None:
    purge = begin(house, {"keep": 20})
    house.home.streams["S"].remove([100, 101, 190])
    assert json.loads(purge.payloads()[0])["purged"] == MANY - 23
    assert messages(house) == 20


def test_a_stream_that_goes_meanwhile_ends_its_purge(house: House) -> None:
    purge = begin(house, {})
    assert house.ask("STREAM.DELETE.S")["success"] is True
    assert json.loads(purge.payloads()[0])["error"]["err_code"] == 10059


def test_consumers_go_on_behind_it_with_exact_numbers(house: House) -> None:
    house.consumer()
    got = house.fetch(5)
    purge = begin(house, {"seq": 181})
    house.ack(got[0])
    assert json.loads(purge.payloads()[0])["purged"] == 180
    assert house.numbers() == (5, 180, 5, 180, 0, 0, 0, 20)
    assert [one[3] for one in house.fetch(2)] == [b"180", b"181"]


def test_a_stream_with_far_gaps_is_purged_too(house: House) -> None:
    store = house.home.streams["S"].store
    for number in range(1, 300):
        store.append_at(MANY + number * 5000, (b"s.far", None, None, b""), 1)
    assert house.ask("STREAM.PURGE.S", {"seq": MANY + 299 * 5000})["purged"] == MANY + 298
    assert put(house, "s.a")["seq"] == MANY + 299 * 5000 + 1


def test_a_consumer_of_several_subjects_loses_those_that_were_purged_alone(house: House) -> None:
    house.consumer(filter_subjects=["s.1", "s.2"])
    inbox = house.inbox()
    house.pull(inbox, {"batch": 2, "no_wait": True})
    assert inbox.payloads() == [b"1", b"2"]
    house.ask("STREAM.PURGE.S", {"filter": "s.1"})
    assert house.numbers() == (2, 3, 1, 2, 1, 0, 0, MANY // 4 - 1)
    assert [one[3] for one in house.fetch(2)] == [b"6", b"10"]
