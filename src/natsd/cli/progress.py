"""Progress bars on stderr: one line each, redrawn in place on a terminal, printed once at the end elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from natsd.cli import console
from natsd.cli.values import comma

if TYPE_CHECKING:
    from collections.abc import Callable

REDRAW_S = 0.1


class Progress:
    """Bars below each other. Call `update` as often as you like, it draws at most ten times a second."""

    __slots__ = ("_bars", "_drawn_at", "_drawn_lines", "_started", "_terminal")

    def __init__(self, totals: list[int], states: list[str] | None = None, show: Callable[[int], str] = comma) -> None:
        """`show` writes what is done and the rate: numbers of messages, or bytes."""
        names = states or [""] * len(totals)
        self._bars = [Bar(total, state, show) for total, state in zip(totals, names, strict=True)]
        self._started = time.monotonic()
        self._drawn_at = 0.0
        self._drawn_lines = 0
        self._terminal = console.is_terminal(2)

    def update(self, index: int, done: int, state: str = "") -> None:
        bar = self._bars[index]
        bar.done = done
        if state:
            bar.state = state
        if self._terminal:
            now = time.monotonic()
            if now - self._drawn_at >= REDRAW_S:
                self._drawn_at = now
                self._draw(now)

    def finish(self) -> None:
        """Draw the last state and leave the bars standing."""
        self._draw(time.monotonic())
        self._drawn_lines = 0

    def _draw(self, now: float) -> None:
        width = console.columns()
        elapsed = now - self._started
        up = f"\033[{self._drawn_lines}A" if self._drawn_lines else ""
        clear = "\033[2K\r" if self._terminal else ""
        console.note(up + "".join(f"{clear}{bar.render(elapsed, width)}\n" for bar in self._bars))
        self._drawn_lines = len(self._bars)


class Bar:
    """State, total and what is done of it."""

    __slots__ = ("_show", "done", "state", "total")

    def __init__(self, total: int, state: str, show: Callable[[int], str] = comma) -> None:
        self._show = show
        self.total = total
        self.done = 0
        self.state = state

    def render(self, elapsed_s: float, columns: int) -> str:
        share = min(1.0, self.done / self.total) if self.total else 1.0
        if self.state:
            left = f"{self.state:<10} {_elapsed(elapsed_s):>5} "
            right = f" {int(share * 100):3d}%"
        else:
            rate = self.done / elapsed_s if elapsed_s > 0 else 0.0
            left = f"{int(share * 100):3d}% "
            right = f" [{self._show(self.done)} in {_elapsed(elapsed_s)}; {self._show(int(rate))}/s]"
        width = max(10, columns - len(left) - len(right) - 3)
        filled = int(share * width)
        body = "=" * filled if filled == width else "=" * max(0, filled - 1) + (">" if filled else "")
        return f"{left}[{body:-<{width}}]{right}"


def _elapsed(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
