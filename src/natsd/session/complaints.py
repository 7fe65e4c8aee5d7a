"""What clients do wrong, in the log: whatever they do, only so many lines a second.

1. Of all clients together MOST lines a second are written; how many were left out is told a second later.
2. What a flood of connections would repeat (`seldom`) is written once a second for each text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS

if TYPE_CHECKING:
    from typing import Protocol

    from natsd.base.clock import Clock, Timers

    class Log(Protocol):
        """What is written to."""

        def warn(self, text: str) -> None: ...
        def error(self, text: str) -> None: ...


MOST = 100
"""Lines a second. A line is a control line's worth of escapes at most."""
TEXTS = 100
"""Different texts that are remembered as said."""


class Complaints:
    """Those of one server."""

    __slots__ = ("_clock", "_left_out", "_log", "_said", "_timers", "_until_ns", "_written")

    def __init__(self, log: Log, clock: Clock, timers: Timers) -> None:
        self._log = log
        self._clock = clock
        self._timers = timers
        self._until_ns = 0
        self._written = 0
        self._left_out = 0
        self._said: dict[str, int] = {}

    def admit(self) -> bool:
        """Whether one more line may be written now; one that may not is counted."""
        now = self._clock.now_ns()
        if now >= self._until_ns:
            self._until_ns = now + SECOND_NS
            self._written = 0
        if self._written < MOST:
            self._written += 1
            return True
        if not self._left_out:
            self._timers.schedule(SECOND_NS, self._tell)
        self._left_out += 1
        return False

    def error(self, label: str, text: str) -> None:
        """Write an error of one client."""
        if self.admit():
            self._log.error(f"{label} - {text}")

    def seldom(self, label: str, text: str) -> None:
        """Write an error that many connections could repeat: the same text at most once a second."""
        now = self._clock.now_ns()
        before = self._said.get(text)
        if before is not None and now - before < SECOND_NS:
            return
        if len(self._said) > TEXTS:
            self._said.clear()
        self._said[text] = now
        self.error(label, text)

    def _tell(self) -> None:
        left_out, self._left_out = self._left_out, 0
        self._log.warn(f"{left_out} lines about clients were left out, as there were more than {MOST} in a second")
