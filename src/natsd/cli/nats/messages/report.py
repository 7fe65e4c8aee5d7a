"""`nats subscribe --report-subjects`: which subjects are busiest, drawn again every second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from natsd.cli import console
from natsd.cli.table import render_table
from natsd.cli.values import comma, ibytes

if TYPE_CHECKING:
    from natsd.client.message import Message

REDRAW_S = 1.0


class SubjectReport:
    """Counts messages and bytes per subject or per subscription."""

    refresh_s: float | None = REDRAW_S

    def __init__(self, top: int, by_subscription: bool) -> None:
        self._top = top
        self._by_subscription = by_subscription
        self._counts: dict[str, list[int]] = {}
        self._drawn_at = time.monotonic()
        self._terminal = console.is_terminal(1)
        self._changed = True

    def show(self, number: int, message: Message, reply: Message | None) -> None:
        for one in (message, reply):
            if one is None:
                continue
            row = self._counts.setdefault(one.subscription.subject if self._by_subscription else one.subject, [0, 0])
            row[0] += 1
            row[1] += len(one.payload)
            self._changed = True
        self.refresh()

    def refresh(self) -> None:
        now = time.monotonic()
        if now - self._drawn_at >= REDRAW_S and (self._changed or self._terminal):
            self._drawn_at = now
            self._draw()

    def close(self) -> None:
        if self._changed:
            self._draw()
        console.flush()

    def _draw(self) -> None:
        self._changed = False
        if self._terminal:
            console.out(b"\033[2J\033[H")
        console.out_text(self.render() + "\n\n")
        console.flush()

    def render(self) -> str:
        """The table; the totals are those of everything seen, shown or not."""
        title = "Top Subject Report" if self._top == 1 else f"Top {self._top} Active Subjects Report"
        busiest = sorted(self._counts.items(), key=lambda item: (-item[1][0], item[0]))[: self._top]
        rows = [(subject, comma(count), ibytes(size)) for subject, (count, size) in busiest]
        total = [sum(row[column] for row in self._counts.values()) for column in (0, 1)]
        footer = ("Totals", comma(total[0]), ibytes(total[1]))
        return render_table(title, ("Subject", "Message Count", "Bytes"), rows, footer)
