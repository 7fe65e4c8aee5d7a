"""A block of `label: value` rows with their colons below each other, in sections, as `nats` shows one thing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natsd.cli.table import text_width
from natsd.cli.values import comma, comma_fraction

if TYPE_CHECKING:
    from collections.abc import Sequence

    Value = str | int | float | bool | Sequence[str]


class Block:
    """Rows and section titles; `render` puts them together."""

    def __init__(self, heading: str = "") -> None:
        self._heading = heading
        # A section title has no value.
        self._rows: list[tuple[str, str | None]] = []

    def row(self, label: str, value: Value) -> None:
        """A row; an empty label goes on with the row above."""
        self._rows.append((label, show_value(value)))

    def row_if(self, label: str, value: Value | None) -> None:
        """A row where there is something to say."""
        if value:
            self.row(label, value)

    def section(self, title: str) -> None:
        self._rows.append((title, None))

    def gap(self) -> None:
        """A blank line."""
        self._rows.append(("", None))

    def render(self) -> str:
        """Lines, with a line break and a blank line at the end. LLMFORMAT=1 gives Markdown."""
        if os.environ.get("LLMFORMAT") == "1":
            return self._render_markdown()
        width = max((text_width(label) for label, value in self._rows if value is not None), default=0) + 2
        lines = [self._heading, ""] if self._heading else []
        for label, value in self._rows:
            if value is None and not label:
                lines.append("")
            elif value is None:
                lines += [*([""] if lines and lines[-1] else []), f"{label}:", ""]
            else:
                lines.append(" " * (width - text_width(label)) + (f"{label}: " if label else "  ") + value)
        return "\n".join(lines) + "\n\n"

    def _render_markdown(self) -> str:
        lines = [f"# {self._heading}", ""] if self._heading else []
        for label, value in self._rows:
            if value is None:
                lines += ["", f"## {label}", ""] if label else [""]
            else:
                lines.append(f"- **{label}:** {value}" if label else f"  {value}")
        return "\n".join(lines) + "\n\n"


def show_value(value: Value) -> str:
    """Numbers with commas, lists joined, booleans in Go's words."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return comma(value)
    if isinstance(value, float):
        return comma_fraction(value, 3)
    return ", ".join(value)
