"""A rounded box table with the title inside the box, as the `nats` command draws its reports.

NATS_TABLE_FORMAT gives the same rows as Markdown, CSV or TSV.
"""

from __future__ import annotations

import os
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
        lines.append("│" + " " * (space - space // 2) + title + " " * (space // 2) + "│")
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


def show_table(
    title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[str] = (), right: str = ""
) -> None:
    """Print a table and a blank line, no wider than the terminal, in the form that the environment asks for."""
    from natsd.cli import console

    form = os.environ.get("NATS_TABLE_FORMAT", "").lower()
    if form in ("md", "markdown") or (not form and os.environ.get("LLMFORMAT") == "1"):
        console.out_text(_render_markdown(title, headers, rows, footer) + "\n\n")
    elif form in ("csv", "tsv"):
        console.out_text(_render_separated(headers, rows, "," if form == "csv" else "\t"))
    else:
        text = render_table(title, headers, rows, footer, right)
        if console.is_terminal(1):
            width = console.columns(1)
            text = "\n".join(clip(line, width) for line in text.split("\n"))
        console.out_text(text + "\n\n")


def clip(line: str, width: int) -> str:
    """What of a line fits into so many columns of a terminal."""
    if text_width(line) <= width:
        return line
    while text_width(line) > width:
        line = line[: max(0, len(line) - max(1, (text_width(line) - width) // 2))]
    return line


def _render_markdown(
    title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[str] = ()
) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    lines = [f"# {title}", ""] if title else []
    lines += [line(headers), line(["---"] * len(headers)), *map(line, rows)]
    return "\n".join([*lines, line(footer)] if footer else lines)


def _render_separated(headers: Sequence[str], rows: Sequence[Sequence[str]], comma: str) -> str:
    import csv
    import io

    out = io.StringIO()
    csv.writer(out, delimiter=comma, lineterminator="\n").writerows([headers, *rows])
    return out.getvalue()
