"""Runs a queue of timers on the event loop, with one loop timer for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle

    from natsd.base.clock import Clock, Timers


class Alarm:
    """Wakes when the next timer is due. `stop` when the server stops."""

    __slots__ = ("_clock", "_due_ns", "_handle", "_loop", "_stopped", "_timers")

    def __init__(self, loop: AbstractEventLoop, timers: Timers, clock: Clock) -> None:
        self._loop = loop
        self._timers = timers
        self._clock = clock
        self._handle: TimerHandle | None = None
        self._due_ns = 0
        self._stopped = False
        timers.on_earlier = self.set
        self.set()

    def set(self) -> None:
        """Wait for the timer that is due next. One that was cancelled may wake us for nothing; that costs little."""
        due_ns = self._timers.due_ns()
        if due_ns is None or self._stopped:
            return
        if self._handle is not None:
            if self._due_ns <= due_ns:
                return
            self._handle.cancel()
        self._due_ns = due_ns
        delay_ns = max(0, due_ns - self._clock.now_ns())
        self._handle = self._loop.call_later(delay_ns / SECOND_NS, self._ring)

    def _ring(self) -> None:
        self._handle = None
        try:
            self._timers.run()
        finally:
            self.set()

    def stop(self) -> None:
        """Ring no more."""
        self._stopped = True
        self._timers.on_earlier = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
