"""How many TLS handshakes may begin in a second: what is above it is turned away, and counted in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS

if TYPE_CHECKING:
    from typing import Protocol

    from natsd.base.clock import Clock, Timers

    class Log(Protocol):
        """What is told in."""

        def warn(self, text: str) -> None: ...


class Throttle:
    """Lets `limit` handshakes begin within a second of the first one."""

    __slots__ = ("_begun", "_clock", "_log", "_rejected", "_timers", "_until_ns", "limit")

    def __init__(self, limit: int, clock: Clock, timers: Timers, log: Log) -> None:
        self.limit = limit
        self._clock = clock
        self._timers = timers
        self._log = log
        self._begun = 0
        self._until_ns = 0
        self._rejected = 0

    def admit(self) -> bool:
        """Whether one more may begin now."""
        now = self._clock.now_ns()
        if now >= self._until_ns:
            self._until_ns = now + SECOND_NS
            self._begun = 0
        if self._begun < self.limit:
            self._begun += 1
            return True
        if not self._rejected:
            self._timers.schedule(SECOND_NS, self._tell)
        self._rejected += 1
        return False

    def _tell(self) -> None:
        rejected, self._rejected = self._rejected, 0
        self._log.warn(f"Rejected {rejected} connections due to TLS rate limiting")
