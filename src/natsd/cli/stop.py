"""Ending on a signal: at once, or politely, where the first signal is only noted and a second one interrupts."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def take_interrupts() -> None:
    """Let SIGINT interrupt us even where a shell script started us in the background, with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class StopSignal:
    """`fd` becomes readable when somebody asks us to stop, so that a poll() can wait for that too."""

    def __init__(self) -> None:
        """Also takes signals that a shell told us to ignore: whoever sends one to a service means it."""
        self.requested = False
        self.fd, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        os.write(self._wake, b"!")
