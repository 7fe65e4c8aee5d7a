"""The memory of very many streams and consumers that were deleted.

The C library keeps it unless it is told otherwise, which is worth a moment when they were many and no more go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.base.clock import Timer, Timers

MANY = 10_000
REST_NS = 2 * SECOND_NS


class Leftovers:
    """Counts what goes; calls `give_back` when it was much and nothing has gone for a while."""

    __slots__ = ("_count", "_counted", "_give_back", "_timer", "_timers")

    def __init__(self, timers: Timers, give_back: Callable[[], None]) -> None:
        self._timers = timers
        self._give_back = give_back
        self._timer: Timer | None = None
        self._count = self._counted = 0

    def note(self) -> None:
        """A stream or a consumer was deleted."""
        self._count += 1
        if self._count >= MANY and self._timer is None:
            self._wait()

    def _wait(self) -> None:
        self._counted = self._count
        self._timer = self._timers.schedule(REST_NS, self._look)

    def _look(self) -> None:
        if self._count > self._counted:
            self._wait()
            return
        self._timer = None
        self._count = 0
        self._give_back()
