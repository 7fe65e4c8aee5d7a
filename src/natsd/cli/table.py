"""A rounded box table with the title inside the box, as the `nats` command draws its reports."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def text_width(text: str) -> int:
    """Columns a text takes on a terminal: wide East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    width = 0
    for char in text:
        if not unicodedata.combining(char):
            width += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return width


def render_table(
    title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[str] = (), right: str = ""
) -> str:
    """The table as lines, without a line break at the end. `right` marks right-aligned columns: ``" rr"``."""
    widths = [text_width(header) for header in headers]
    for row in (*rows, footer):
        for column, cell in enumerate(row):
            widths[column] = max(widths[column], text_width(cell))
    inner = sum(widths) + 3 * len(widths) - 1
    if title and text_width(title) + 2 > inner:
        widths[-1] += text_width(title) + 2 - inner
        inner = text_width(title) + 2

    def rule(left: str, middle: str, end: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + end

    def line(cells: Sequence[str], align: str) -> str:
        out = []
        for column, width in enumerate(widths):
            cell = cells[column] if column < len(cells) else ""
            pad = " " * (width - text_width(cell))
            out.append(pad + cell if align[column : column + 1] == "r" else cell + pad)
        return "│ " + " │ ".join(out) + " │"

    lines = []
    if title:
        space = inner - text_width(title)
        lines.append("╭" + "─" * inner + "╮")
        lines.append("│" + " " * (space // 2) + title + " " * (space - space // 2) + "│")
        lines.append(rule("├", "┬", "┤"))
    else:
        lines.append(rule("╭", "┬", "╮"))
    lines.append(line(headers, ""))
    lines.append(rule("├", "┼", "┤"))
    lines.extend(line(row, right) for row in rows)
    if footer:
        if rows:
            lines.append(rule("├", "┼", "┤"))
        lines.append(line(footer, right))
    lines.append(rule("╰", "┴", "╯"))
    return "\n".join(lines)
