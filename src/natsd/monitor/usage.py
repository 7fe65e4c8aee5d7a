"""What the process uses of its machine: resident memory and processor time, measured when a page asks."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.base.clock import Clock

FRESH_NS = 1_000_000_000
"""The processor's share is an average since the measurement before, and never over less than this."""


class Usage:
    """Measures since it was made. `cpu` is in percent of one processor."""

    __slots__ = ("_clock", "_share", "_spent_ns", "_taken_ns")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._taken_ns = clock.now_ns()
        self._spent_ns = time.process_time_ns()
        self._share = 0.0

    def cpu(self) -> float:
        now = self._clock.now_ns()
        passed = now - self._taken_ns
        if passed >= FRESH_NS:
            spent = time.process_time_ns()
            self._share = round(100 * (spent - self._spent_ns) / passed, 1)
            self._taken_ns, self._spent_ns = now, spent
        return self._share

    @staticmethod
    def memory() -> int:
        """Resident bytes; where the system does not tell, the most there ever were."""
        try:
            with open("/proc/self/statm", "rb") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            import resource
            import sys

            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return most if sys.platform == "darwin" else most * 1024
