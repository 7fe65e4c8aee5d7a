"""Mirrors and sources whose origin is behind subjects."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.kernel import Subscription
from tests.jetstream.house import House
from tests.jetstream.test_publishing import put
from tests.jetstream.test_sourcing import subjects


@pytest.fixture
def house() -> House:
    """`far.` leads to the same API, as an import of another account would lead to that one's."""
    house = House()
    connect(house)
    return house


def connect(house: House) -> None:
    def hand_on(batch: list[Any]) -> None:
        for subject, reply, header, payload in batch:
            house.account.sublist.publish(subject.replace(b"far.", b"$JS.API."), reply, header, payload)

    house.account.sublist.insert(Subscription(b"far.>", b"", handler=hand_on))


FAR = {"name": "A", "external": {"api": "far", "deliver": "near"}}


@pytest.mark.parametrize("kind", ["mirror", "sources"])
def test_messages_come_from_far_away(house: House, kind: str) -> None:
    house.stream("A")
    put(house, "a.1")
    house.stream("X", subjects=[], **{kind: FAR if kind == "mirror" else [FAR]})
    put(house, "a.2")
    house.settle()
    assert subjects(house, "X") == {"a.1": 1, "a.2": 1}
    info = house.ask("STREAM.INFO.X")
    shown = info["mirror"] if kind == "mirror" else info["sources"][0]
    assert (shown["name"], shown["external"], shown["lag"]) == ("A", FAR["external"], 0)


def test_a_mirror_keeps_sequences_and_times(house: House) -> None:
    house.stream("A")
    for _ in range(3):
        put(house, "a.1")
    house.ask("STREAM.MSG.DELETE.A", {"seq": 2})
    house.stream("X", subjects=[], mirror=FAR)
    house.settle()
    mirror, origin = house.home.streams["X"].store, house.home.streams["A"].store
    assert [mirror.load(seq) for seq in (1, 2, 3)] == [origin.load(seq) for seq in (1, 2, 3)]


def test_it_asks_again_until_somebody_is_there(house: House) -> None:
    house.stream("X", subjects=[], mirror=FAR)
    house.settle()
    assert "error" in house.ask("STREAM.INFO.X")["mirror"]
    house.stream("A")
    put(house, "a.1")
    house.move(3)
    assert subjects(house, "X") == {"a.1": 1}
    assert "error" not in house.ask("STREAM.INFO.X")["mirror"]


def test_after_silence_it_goes_on_where_it_was(house: House) -> None:
    house.stream("A")
    house.stream("X", subjects=[], sources=[FAR])
    put(house, "a.1")
    house.settle()
    for name in list(house.home.streams["A"].consumers):
        house.ask(f"CONSUMER.DELETE.A.{name}")
    put(house, "a.2")
    house.move(6)
    assert subjects(house, "X") == {"a.1": 1, "a.2": 1}


def test_after_a_restart_nothing_comes_twice(house: House) -> None:
    house.stream("A")
    house.stream("X", subjects=[], sources=[FAR])
    put(house, "a.1")
    house.settle()
    house.reopen()
    connect(house)
    put(house, "a.2")
    house.move(6)
    assert subjects(house, "X") == {"a.1": 1, "a.2": 1}


def test_filters_go_along(house: House) -> None:
    house.stream("A")
    house.stream("X", subjects=[], sources=[{**FAR, "subject_transforms": [{"src": "a.2", "dest": "b"}]}])
    put(house, "a.1")
    put(house, "a.2")
    house.settle()
    assert subjects(house, "X") == {"b": 1}
