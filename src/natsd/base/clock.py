"""Time: what rooms are handed instead of the time module, and one queue of timers for a whole server.

A timer queue does not wait by itself. Who owns it looks at `due_ns`, waits as it likes, and calls `run`.
"""

from __future__ import annotations

import time
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Clock(Protocol):
        """A monotonic clock for intervals and a wall clock for dates, both in nanoseconds."""

        def now_ns(self) -> int: ...

        def wall_ns(self) -> int: ...


SECOND_NS = 1_000_000_000
MS_NS = 1_000_000


def to_ns(seconds: float) -> int:
    """Seconds, as options have them, in nanoseconds."""
    return int(seconds * SECOND_NS)


def date(wall_ns: int) -> str:
    """A wall clock time in UTC, RFC 3339 with as many decimals as it takes; Go's zero time for 0."""
    if wall_ns <= 0:
        return "0001-01-01T00:00:00Z"
    seconds, ns = divmod(wall_ns, SECOND_NS)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{ns:09d}".rstrip("0") + "Z" if ns else stamp + "Z"


class SystemClock:
    """The clock of the machine."""

    __slots__ = ()

    now_ns = staticmethod(time.monotonic_ns)
    wall_ns = staticmethod(time.time_ns)


class HandClock:
    """A clock that stands still until it is moved by hand; with `timers` it also runs what came due."""

    __slots__ = ("_now", "_wall", "timers")

    def __init__(self, wall_ns: int = 1_700_000_000 * SECOND_NS) -> None:
        self._now = SECOND_NS
        self._wall = wall_ns
        self.timers: Timers | None = None

    def now_ns(self) -> int:
        return self._now

    def wall_ns(self) -> int:
        return self._wall

    def move(self, seconds: float) -> None:
        """Let time pass: every timer on the way runs at its own moment, in order."""
        end = self._now + to_ns(seconds)
        timers = self.timers
        while timers is not None:
            due = timers.due_ns()
            if due is None or due > end:
                break
            if due > self._now:
                self._wall += due - self._now
                self._now = due
            timers.run()
        self._wall += end - self._now
        self._now = end


class Timer:
    """One thing to be called later. Calling `cancel` twice, or after it ran, is harmless."""

    __slots__ = ("_callback", "_timers", "due_ns")

    def __init__(self, timers: Timers, due_ns: int, callback: Callable[[], None]) -> None:
        self._timers = timers
        self._callback: Callable[[], None] | None = callback
        self.due_ns = due_ns

    @property
    def active(self) -> bool:
        """Whether it will still be called."""
        return self._callback is not None

    def cancel(self) -> None:
        if self._callback is not None:
            self._callback = None
            self._timers.on_cancelled()

    def take(self) -> Callable[[], None] | None:
        """The callback, which is spent by it; None when it was cancelled."""
        callback, self._callback = self._callback, None
        return callback


class Timers:
    """A heap of timers. Cancelled ones stay until they surface, or until they are the greater part of the heap."""

    __slots__ = ("_cancelled", "_clock", "_count", "_heap", "on_earlier", "on_failed")

    FEW = 64  # a heap this small is never rebuilt

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Timer]] = []
        self._count = 0  # breaks ties, so that timers due together run in the order they were set
        self._cancelled = 0
        self.on_earlier: Callable[[], None] | None = None
        """Called when a new timer became the next one due."""
        self.on_failed: Callable[[Exception], None] | None = None
        """Told what a callback raises; without it `run` raises that, and what else is due waits for the next one."""

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    @property
    def held(self) -> int:
        """Entries in the heap, the cancelled ones too."""
        return len(self._heap)

    def schedule(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        """Have `callback` called after `delay_ns`."""
        due_ns = self._clock.now_ns() + delay_ns
        timer = Timer(self, due_ns, callback)
        self._count += 1
        heappush(self._heap, (due_ns, self._count, timer))
        if self.on_earlier is not None and self._heap[0][2] is timer:
            self.on_earlier()
        return timer

    def due_ns(self) -> int | None:
        """When the next timer is due, by the monotonic clock; None when there is none."""
        heap = self._heap
        while heap:
            if heap[0][2].active:
                return heap[0][0]
            heappop(heap)
            self._cancelled -= 1
        return None

    def run(self) -> None:
        """Call everything that is due by now. Timers set meanwhile wait for the next run, even with no delay."""
        heap = self._heap
        now = self._clock.now_ns()
        last = self._count
        while heap and heap[0][0] <= now and heap[0][1] <= last:
            callback = heappop(heap)[2].take()
            if callback is None:
                self._cancelled -= 1
                continue
            try:
                callback()
            except Exception as error:
                # Whatever it was, the others are due too; who is told of it decides what it means.
                if self.on_failed is None:
                    raise
                self.on_failed(error)

    def on_cancelled(self) -> None:
        """A timer was cancelled and is dead weight in the heap."""
        self._cancelled += 1
        if self._cancelled > self.FEW and self._cancelled * 2 > len(self._heap):
            # In place: `run` may be walking this very list.
            self._heap[:] = [entry for entry in self._heap if entry[2].active]
            heapify(self._heap)
            self._cancelled = 0
