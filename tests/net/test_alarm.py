"""The alarm: one loop timer for a queue of timers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from natsd.base.clock import HandClock, Timers, to_ns
from natsd.net.alarm import Alarm

if TYPE_CHECKING:
    from collections.abc import Callable


class Handle:
    def __init__(self, delay: float, callback: Callable[[], None]) -> None:
        self.delay = delay
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """An event loop that only remembers what it was asked to call later."""

    def __init__(self) -> None:
        self.handles: list[Handle] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Handle:
        handle = Handle(delay, callback)
        self.handles.append(handle)
        return handle

    @property
    def waiting(self) -> list[float]:
        return [handle.delay for handle in self.handles if not handle.cancelled]

    def ring(self) -> None:
        handle = self.handles.pop()
        assert not handle.cancelled
        handle.callback()


@pytest.fixture
def parts() -> tuple[HandClock, Timers, Any]:
    clock = HandClock()
    return clock, Timers(clock), Loop()


def test_nothing_is_waited_for_without_timers(parts: tuple[HandClock, Timers, Any]) -> None:
    clock, timers, loop = parts
    Alarm(loop, timers, clock)
    assert loop.handles == []


def test_one_loop_timer_waits_for_the_next_of_many(parts: tuple[HandClock, Timers, Any]) -> None:
    clock, timers, loop = parts
    timers.schedule(to_ns(5), lambda: None)
    Alarm(loop, timers, clock)
    timers.schedule(to_ns(9), lambda: None)
    assert loop.waiting == [5.0]
    timers.schedule(to_ns(2), lambda: None)
    assert loop.waiting == [2.0]


def test_what_is_due_runs_and_the_next_is_waited_for(parts: tuple[HandClock, Timers, Any]) -> None:
    clock, timers, loop = parts
    ran: list[int] = []
    Alarm(loop, timers, clock)
    timers.schedule(to_ns(1), lambda: ran.append(1))
    timers.schedule(to_ns(3), lambda: ran.append(3))
    clock.move(1)
    loop.ring()
    assert ran == [1]
    assert loop.waiting == [2.0]


def test_waking_too_early_only_waits_on(parts: tuple[HandClock, Timers, Any]) -> None:
    clock, timers, loop = parts
    Alarm(loop, timers, clock)
    timers.schedule(to_ns(1), lambda: None)
    clock.move(0.75)
    loop.ring()
    assert loop.waiting == [0.25]


def test_a_timer_that_fails_does_not_silence_the_others(parts: tuple[HandClock, Timers, Any]) -> None:
    clock, timers, loop = parts
    Alarm(loop, timers, clock)
    timers.schedule(to_ns(1), lambda: 1 // 0 and None)
    timers.schedule(to_ns(2), lambda: None)
    clock.move(1)
    with pytest.raises(ZeroDivisionError):
        loop.ring()
    assert loop.waiting == [1.0]


def test_a_stopped_alarm_waits_for_nothing(parts: tuple[HandClock, Timers, Any]) -> None:
    clock, timers, loop = parts
    alarm = Alarm(loop, timers, clock)
    timers.schedule(to_ns(1), lambda: None)
    alarm.stop()
    alarm.stop()
    timers.schedule(to_ns(0), lambda: None)
    alarm.set()
    assert loop.waiting == []
