"""Lines drawn in a terminal: numbers over time, the newest at the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AXIS, CROSSING = "┤", "┼"
ACROSS, DOWN_FROM, DOWN_TO, UP_FROM, UP_TO, BETWEEN = "─", "╮", "╰", "╯", "╭", "│"


def render_plot(values: Sequence[float], height: int, caption: str, show: Callable[[float], str]) -> str:
    """A line through the values, one column each, over `height` rows above that of zero; the caption below it.

    The scale reaches from zero to the highest value. show: how the numbers at the axis are written.
    """
    top = max(values, default=0.0)
    step = top / height if top > 0 else 1.0
    rows = [round(value / step) for value in values]
    highest = height if top > 0 else 0
    grid = [[" "] * max(len(rows) - 1, 0) for _ in range(highest + 1)]
    for at, (here, there) in enumerate(zip(rows, rows[1:], strict=False)):
        if here == there:
            grid[here][at] = ACROSS
            continue
        grid[here][at], grid[there][at] = (DOWN_FROM, DOWN_TO) if here > there else (UP_FROM, UP_TO)
        for row in range(min(here, there) + 1, max(here, there)):
            grid[row][at] = BETWEEN
    labels = [show(row * step if top > 0 else 0.0) for row in range(highest + 1)]
    wide = max(map(len, labels))
    lines = []
    for row in range(highest, -1, -1):
        axis = CROSSING if rows and rows[0] == row else AXIS
        lines.append(f" {labels[row]:>{wide}} {axis}{''.join(grid[row])}".rstrip())
    lines.append(" " * (wide + 3) + caption.center(max(len(rows) - 1, 0)).rstrip())
    return "\n".join(lines)
