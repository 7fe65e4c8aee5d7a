"""The ways back of requests between accounts: their ends and their limits."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.accounts.account import Account
from natsd.accounts.border import Border
from natsd.accounts.services import (
    THRESHOLD_NS,
    ServiceImport,
    export_of,
    export_service,
    import_service,
    read_info,
    remove_import,
    without_info,
)
from natsd.base.chance import SeededChance
from natsd.base.clock import SECOND_NS, HandClock, Timers
from natsd.kernel import Road, Subscription


class World:
    """An account that serves, one that asks, and what either of them gets."""

    def __init__(self, response: str = "single", threshold_s: float = 0.0) -> None:
        self.clock = HandClock()
        self.timers = self.clock.timers = Timers(self.clock)
        self.road = Road(1)
        self.border = Border(self.road, self.clock, self.timers, SeededChance(), "here")
        self.serving, self.asking = Account("S", self.road), Account("A", self.road)
        export_service(self.serving, "s.*", response, threshold_s)
        self.service: ServiceImport = import_service(self.border, self.asking, self.serving, "s.*", to="t.*")
        self.requests: list[Any] = []
        self.answers: list[Any] = []
        self.serving.sublist.insert(Subscription(b"s.*", b"", None, None, self.requests.extend))
        self.asking.sublist.insert(Subscription(b"inbox.>", b"", None, None, self.answers.extend))

    def ask(self, reply: bytes = b"inbox.1") -> bytes:
        """Returns the subject to answer on."""
        assert self.asking.sublist.publish(b"t.1", reply, None, b"?") == 1
        self.road.settle()
        subject, back, _, payload = self.requests[-1]
        assert (subject, payload) == (b"s.1", b"?") and back.startswith(b"_R_.")
        return bytes(back)

    def answer(self, back: bytes, payload: bytes = b"!") -> int:
        """How many more answers came."""
        before = len(self.answers)
        self.serving.sublist.publish(back, None, None, payload)
        self.road.settle()
        return len(self.answers) - before

    @property
    def open(self) -> int:
        assert self.serving.answers is not None
        assert len(self.serving.answers) == len(self.service.open)
        return len(self.service.open)


def test_a_way_back_ends_with_its_answer() -> None:
    world = World()
    back = world.ask()
    assert world.open == 1
    assert world.answer(back) == 1 and world.answers[0][:2] == (b"inbox.1", None)
    assert world.open == 0 and world.answer(back) == 0


def test_a_way_back_ends_when_no_answer_comes() -> None:
    world = World(threshold_s=5.0)
    back = world.ask()
    world.clock.move(3)
    later = world.ask()
    world.clock.move(2)
    assert world.open == 1 and world.answer(back) == 0
    world.clock.move(2.9)
    assert world.answer(later) == 1
    world.clock.move(10)
    assert world.open == 0 and len(world.timers) == 0


def test_every_answer_of_a_stream_gives_the_next_one_time() -> None:
    world = World("stream", 5.0)
    back = world.ask()
    for _ in range(4):
        world.clock.move(4)
        assert world.answer(back) == 1
    world.clock.move(5)
    assert world.open == 0 and world.answer(back) == 0


def test_without_a_threshold_there_are_two_minutes() -> None:
    world = World()
    world.ask()
    world.clock.move(THRESHOLD_NS / SECOND_NS - 1)
    assert world.open == 1
    world.clock.move(1)
    assert world.open == 0


def test_the_oldest_way_back_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natsd.accounts.services.MOST_OPEN", 3)
    world = World()
    backs = [world.ask() for _ in range(5)]
    assert world.open == 3
    assert [world.answer(back) for back in backs] == [0, 0, 1, 1, 1]


def test_an_answer_that_reaches_nobody_ends_the_way() -> None:
    world = World("stream")
    back = world.ask(b"nowhere")
    assert world.answer(back) == 0 and world.open == 0


def test_a_request_that_nobody_takes_leaves_no_way_back() -> None:
    world = World()
    assert world.asking.sublist.publish(b"t.1.2", b"inbox.1", None, b"") == 0
    for sub in list(world.serving.sublist.subscriptions()):
        world.serving.sublist.remove(sub)
    assert world.asking.sublist.publish(b"t.1", b"inbox.1", None, b"") == 0
    assert not world.service.open


def test_answers_still_come_when_the_import_has_gone() -> None:
    world = World()
    back = world.ask()
    remove_import(world.service)
    assert world.asking.sublist.publish(b"t.1", b"inbox.1", None, b"?") == 0
    assert world.answer(back) == 1


def test_acknowledgements_keep_their_subject() -> None:
    world = World()
    world.asking.sublist.publish(b"t.1", b"$JS.ACK.x", None, b"?")
    world.road.settle()
    assert world.requests[-1][1] == b"$JS.ACK.x"


def test_ways_back_have_names_that_tell_nothing_of_each_other() -> None:
    world = World()
    backs = [world.ask() for _ in range(600)]
    assert len({back.split(b".")[2] for back in backs}) == 600
    assert {len(back) for back in backs} == {len(b"_R_.") + 16 + 1 + 20}


def test_the_server_adds_an_import_once_and_only_of_what_is_exported() -> None:
    world = World()
    assert import_service(world.border, world.asking, world.serving, "s.*", to="t.*") is world.service
    export = export_service(world.serving, "s.*", "stream")
    assert export is world.service.export and export.response == "single"
    assert export_of(world.serving, b"s.1") is export
    with pytest.raises(LookupError, match="does not export other"):
        import_service(world.border, world.asking, world.serving, "other")


@pytest.mark.parametrize(
    ("header", "rest", "said", "info"),
    [
        (b"NATS/1.0\r\nA: b\r\n\r\n", b"NATS/1.0\r\nA: b\r\n\r\n", None, None),
        (
            b'NATS/1.0\r\nNats-Request-Info: {"acc":"x"}\r\nA: b\r\n\r\n',
            b"NATS/1.0\r\nA: b\r\n\r\n",
            b' {"acc":"x"}',
            {"acc": "x"},
        ),
        (b"NATS/1.0\r\nNATS-request-info:rubbish\r\n\r\n", b"NATS/1.0\r\n\r\n", b"rubbish", None),
        (b"NATS/1.0\r\nNats-Request-Info: 5\r\n\r\n", b"NATS/1.0\r\n\r\n", b" 5", None),
        (b"NATS/1.0\r\nNats-Request-Info:" + b"[" * 9999 + b"\r\n\r\n", b"NATS/1.0\r\n\r\n", b"[" * 9999, None),
    ],
)
def test_headers_that_say_who_asks_are_taken_out(
    header: bytes, rest: bytes, said: bytes | None, info: dict[str, object] | None
) -> None:
    assert without_info(header) == (rest, said)
    assert said is None or read_info(said) == info
