"""Turns: of what one read asks for, a few milliseconds' worth is done at once; then whoever else waits has his turn.

1. What one connection asks for is done in its order, and nothing more is read from it before all of it is done.
2. Connections that wait have their turns one after the other. What comes from no connection waits like one of them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from natsd.base.clock import MS_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from natsd.base.clock import Clock, Timers
    from natsd.kernel import Road

    Message = tuple[bytes, bytes | None, bytes | None, bytes]
    Work = Callable[[list[Message], int], int]
    """Does something for the messages of a batch from one on, until `is_over`; returns where to go on."""

    class Backlog(Protocol):
        """What a connection waits for that stands on its road's list of the congested."""

        def release(self) -> None: ...

    class Desk(Protocol):
        """Who answers requests. answer_one: what takes long is done by going through the steps that are returned."""

        @property
        def is_open(self) -> bool: ...

        def answer_one(
            self, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes
        ) -> Iterator[None] | None: ...


TURN_NS = 4 * MS_NS
MOST = 1024
"""Messages of one turn, however fast they are."""
UNTIMED = 4
"""Messages between two looks at the clock."""


class Requests:
    """The requests of one read, of which one may be amid its steps."""

    __slots__ = ("_desk", "_is_over", "_steps")

    def __init__(self, desk: Desk, is_over: Callable[[], bool]) -> None:
        self._desk = desk
        self._is_over = is_over
        self._steps: Iterator[None] | None = None

    def answer(self, batch: list[Message], at: int) -> int:
        """Answer those from one on, as long as the turn lasts; returns where to go on."""
        desk, is_over = self._desk, self._is_over
        for number in range(at, len(batch)):
            if not desk.is_open:
                break
            steps = self._steps or desk.answer_one(*batch[number])
            if steps is not None:
                for _ in steps:
                    if is_over():
                        self._steps = steps
                        return number
                self._steps = None
            if is_over():
                return number + 1
        return len(batch)


class Line:
    """What one connection waits for."""

    __slots__ = ("backlog", "jobs")

    def __init__(self, backlog: Backlog | None) -> None:
        self.backlog = backlog
        self.jobs: deque[tuple[Work, list[Message], int]] = deque()


class Turns:
    """Who waits. make_backlog: what a connection is told to wait for; None: it is not told."""

    __slots__ = ("_clock", "_done", "_end_ns", "_lines", "_timers", "make_backlog")

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        self._lines: dict[Any, Line] = {}
        self._done = 0
        self._end_ns = 0
        self.make_backlog: Callable[[], Backlog] | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._lines)

    def take(self, road: Road, work: Work, batch: list[Message]) -> None:
        """Do it for the messages of one read, as far as this turn goes, and for the rest in turns to come."""
        speaker = road.speaker
        line = self._lines.get(speaker) if self._lines else None
        at = 0
        if line is None:
            self._done = self._end_ns = 0
            at = work(batch, 0)
            if at >= len(batch):
                return
            make = self.make_backlog
            line = self._lines[speaker] = Line(None if make is None or speaker is None else make())
            if len(self._lines) == 1:
                self._timers.schedule(0, self._go_on)
        line.jobs.append((work, batch, at))
        if line.backlog is not None:
            road.congested.append(line.backlog)

    def is_over(self) -> bool:
        """Asked after each message: whether it is somebody else's turn."""
        self._done = done = self._done + 1
        return not done % UNTIMED and (done >= MOST or self._is_late())

    def _is_late(self) -> bool:
        now = self._clock.now_ns()
        if not self._end_ns:
            self._end_ns = now + TURN_NS
        return now >= self._end_ns

    def _go_on(self) -> None:
        """One turn."""
        lines = self._lines
        self._done = self._end_ns = 0
        try:
            for speaker in list(lines):
                line = lines.pop(speaker)
                try:
                    self._advance(line)
                finally:
                    if line.jobs:
                        lines[speaker] = line  # behind the others
                    elif line.backlog is not None:
                        line.backlog.release()
                if self._is_late() or self._done >= MOST:
                    break
        finally:
            if lines:
                self._timers.schedule(0, self._go_on)

    def _advance(self, line: Line) -> None:
        work, batch, at = line.jobs.popleft()
        at = work(batch, at)
        if at < len(batch):
            line.jobs.appendleft((work, batch, at))
