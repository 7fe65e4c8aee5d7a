"""One thing that a reload changes."""

from __future__ import annotations


class Change:
    """One option that has another value. line: what the log says of it, empty for nothing."""

    __slots__ = ("line", "name")

    def __init__(self, name: str, line: str = "") -> None:
        self.name = name
        self.line = line

    def __repr__(self) -> str:
        return f"Change({self.name!r}, {self.line!r})"
