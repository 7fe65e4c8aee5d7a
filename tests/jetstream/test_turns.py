"""Turns: much that is asked for in one read is done piece by piece, in its order, and nobody waits for all of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from natsd.base.clock import HandClock, Timers
from natsd.jetstream import turns as module
from natsd.jetstream.turns import Turns
from natsd.kernel import Road
from tests.jetstream.house import House
from tests.jetstream.test_publishing import put

Message = tuple[bytes, "bytes | None", "bytes | None", bytes]
COST_S = 0.001


class Backlog:
    """What a connection is told to wait for."""

    def __init__(self) -> None:
        self.released = 0

    def release(self) -> None:
        self.released += 1


class Desk:
    """Turns with somebody whose work takes a millisecond a message."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.timers = Timers(self.clock)
        self.road = Road(1)
        self.turns = Turns(self.clock, self.timers)
        self.turns.make_backlog = Backlog
        self.done: list[bytes] = []

    def work(self, batch: list[Message], at: int) -> int:
        for number in range(at, len(batch)):
            self.clock.move(COST_S)
            self.done.append(batch[number][0])
            if self.turns.is_over():
                return number + 1
        return len(batch)

    def read(self, speaker: object, name: str, count: int) -> list[Any]:
        """One read of a connection; returns what it has to wait for."""
        self.road.congested.clear()
        self.road.speaker = speaker
        batch: list[Message] = [(b"%b%d" % (name.encode(), number), None, None, b"") for number in range(count)]
        self.turns.take(self.road, self.work, batch)
        self.road.speaker = None
        return list(self.road.congested)

    def took_ms(self) -> int:
        """One turn of the timers; returns how long it took."""
        before = self.clock.now_ns()
        self.timers.run()
        return (self.clock.now_ns() - before) // 1_000_000


def test_little_is_done_at_once() -> None:
    desk = Desk()
    assert desk.read("a", "a", 3) == []
    assert desk.done == [b"a0", b"a1", b"a2"]
    assert (len(desk.turns), len(desk.timers)) == (0, 0)


def test_much_takes_turns_of_a_few_milliseconds_and_its_connection_waits_meanwhile() -> None:
    desk = Desk()
    (backlog,) = desk.read("a", "a", 50)
    assert len(desk.done) == 8
    while len(desk.turns):
        assert backlog.released == 0
        assert desk.took_ms() <= 8
    assert desk.done == [b"a%d" % number for number in range(50)]
    assert backlog.released == 1
    assert len(desk.timers) == 0


def test_another_connection_is_not_held_up() -> None:
    desk = Desk()
    desk.read("a", "a", 500)
    assert desk.read("b", "b", 2) == []
    assert desk.done[-2:] == [b"b0", b"b1"]
    (backlog,) = desk.read("c", "c", 12)
    for _ in range(3):
        desk.took_ms()
    assert backlog.released == 1
    assert len(desk.done) < 60


def test_what_a_connection_asks_for_stays_in_order() -> None:
    desk = Desk()
    desk.read("a", "a", 20)
    assert len(desk.read("a", "b", 20)) == 1
    while len(desk.turns):
        desk.took_ms()
    assert desk.done == [b"%b%d" % (name, number) for name in (b"a", b"b") for number in range(20)]


def test_what_comes_from_no_connection_takes_turns_too() -> None:
    desk = Desk()
    assert desk.read(None, "a", 20) == []
    while len(desk.turns):
        assert desk.took_ms() <= 8
    assert len(desk.done) == 20


def test_a_mistake_costs_the_rest_of_its_batch_and_nothing_else() -> None:
    desk = Desk()

    def fail(batch: list[Message], at: int) -> int:
        if at:
            raise ValueError("bad")
        return 1

    (backlog,) = desk.read("a", "a", 20)
    desk.road.speaker = "a"
    desk.turns.take(desk.road, fail, [(b"x", None, None, b"")] * 2)
    desk.read("b", "b", 20)
    mistakes = 0
    for _ in range(20):
        try:
            desk.timers.run()
        except ValueError:
            mistakes += 1
    assert (mistakes, len(desk.turns)) == (1, 0)
    assert len([name for name in desk.done if name.startswith(b"b")]) == 20
    assert backlog.released == 1
    assert len(desk.timers) == 0


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(module, "MOST", 8)
    house = House()
    house.stream()
    return house


def begin(house: House, requests: list[tuple[str, Any]]) -> Any:
    """Send requests as one read, of which only the first turn has run."""
    inbox = house.inbox()
    for subject, body in requests:
        payload = b"" if body is None else json.dumps(body).encode()
        house.account.sublist.publish(f"$JS.API.{subject}".encode(), inbox.name.encode(), None, payload)
    house.road.settle()
    return inbox


def test_requests_are_answered_in_order_and_a_few_at_once(house: House) -> None:
    names = [f"N{number}" for number in range(30)]
    inbox = begin(house, [(f"STREAM.CREATE.{name}", {"name": name}) for name in names])
    assert len(house.home.streams) == 1 + 8
    assert [json.loads(payload)["config"]["name"] for payload in inbox.payloads()] == names


def test_requests_of_an_account_that_lost_jetstream_meanwhile_do_nothing(house: House) -> None:
    inbox = begin(house, [(f"STREAM.CREATE.N{number}", {"name": f"N{number}"}) for number in range(30)])
    house.jetstream.disable(house.account)
    assert len(inbox.payloads()) == 8
    assert house.home.streams == {}


def test_messages_with_ids_are_stored_in_order_and_a_few_at_once(house: House) -> None:
    inbox = house.inbox()
    publish = house.account.sublist.publish
    for number in range(30):
        publish(b"s.a", inbox.name.encode(), b"NATS/1.0\r\nNats-Msg-Id: %d\r\n\r\n" % (number // 2), b"%d" % number)
        publish(b"s.b", inbox.name.encode(), None, b"plain")
    house.road.settle()
    assert house.home.streams["S"].store.state.msgs < 20
    answers = [json.loads(payload) for payload in inbox.payloads()]
    assert len(answers) == 60
    assert [answer["seq"] for answer in answers if "duplicate" not in answer] == list(range(1, 46))
    assert put(house, "s.a")["seq"] == 46
    assert house.home.streams["S"].counted_bytes == house.home.streams["S"].store.state.bytes


def test_messages_of_a_stream_that_goes_meanwhile_go_with_it(house: House) -> None:
    for number in range(30):
        house.account.sublist.publish(b"s.a", None, b"NATS/1.0\r\nNats-Msg-Id: %d\r\n\r\n" % number, b"")
    house.road.settle()
    house.home.streams["S"].delete()
    house.settle()
    assert len(house.jetstream.turns) == 0
