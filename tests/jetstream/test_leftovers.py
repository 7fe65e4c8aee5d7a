"""The memory of what was deleted is given back once, when much went and no more goes."""

from __future__ import annotations

import pytest

from natsd.base.clock import SECOND_NS, HandClock, Timers
from natsd.jetstream import leftovers as module
from natsd.jetstream.leftovers import REST_NS, Leftovers
from tests.jetstream.house import House

REST_S = REST_NS / SECOND_NS


def test_it_is_given_back_when_no_more_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 10)
    clock = HandClock()
    clock.timers = Timers(clock)
    given: list[int] = []
    leftovers = Leftovers(clock.timers, lambda: given.append(1))
    for _ in range(9):
        leftovers.note()
    clock.move(10 * REST_S)
    assert given == []
    for _ in range(5):
        leftovers.note()
        clock.move(REST_S / 2)
    assert given == []
    clock.move(2 * REST_S)
    assert given == [1]
    clock.move(10 * REST_S)
    for _ in range(9):
        leftovers.note()
    clock.move(10 * REST_S)
    assert given == [1]


def test_streams_and_consumers_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 4)
    given: list[int] = []
    house = House()
    house.jetstream.leftovers = Leftovers(house.timers, lambda: given.append(1))
    for name in ("S", "T"):
        house.stream(name)
        house.consumer(stream=name)
    house.ask("CONSUMER.DELETE.S.C")
    house.ask("STREAM.DELETE.S")
    house.move(2 * REST_S)
    assert given == []
    house.ask("STREAM.DELETE.T")
    house.move(2 * REST_S)
    assert given == [1]
