"""How many TLS handshakes may begin in a second."""

from __future__ import annotations

from natsd.base.clock import HandClock, Timers
from natsd.net.throttle import Throttle
from tests.session.memory import Lines


def test_so_many_begin_in_a_second_and_the_others_are_counted() -> None:
    clock = HandClock()
    clock.timers = Timers(clock)
    lines = Lines()
    throttle = Throttle(3, clock, clock.timers, lines)
    assert [throttle.admit() for _ in range(5)] == [True] * 3 + [False] * 2
    clock.move(0.9)
    assert not throttle.admit()
    clock.move(0.2)
    assert lines.lines == ["WRN Rejected 3 connections due to TLS rate limiting"]
    assert throttle.admit()
