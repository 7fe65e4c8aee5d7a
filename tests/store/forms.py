"""Both forms of the index with its messages in memory, to be compared by call."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

PLAIN = import_module("natsd.store._plain_memory").MemoryIndex


def other() -> Any:
    """The form to compare with the plain one: native where there is it and it is wanted."""
    if os.environ.get("NATSD_PLAIN") == "1":
        return PLAIN
    try:
        return import_module("natsd.store._native_memory").MemoryIndex
    except ImportError:
        return PLAIN


def scan_all(
    index: Any, seq: int, upto: int, filters: list[bytes], most: int, steps: int
) -> list[tuple[int, int, bytes]]:
    """What a scan finds, piece by piece."""
    found: list[tuple[int, int, bytes]] = []
    while True:
        heads, at = index.scan(seq, upto, filters, most, steps)
        assert len(heads) <= most
        found += heads
        if not at:
            return found
        assert upto <= at < seq if upto < seq else seq < at <= upto, (seq, at, upto)
        seq = at


class Pair:
    """Two indexes that are told the same, and their cursors."""

    def __init__(self, first_seq: int = 1) -> None:
        self.both = [PLAIN(first_seq), other()(first_seq)]
        self.told: list[list[Any]] = [[], []]
        self.cursors: list[list[Any]] = [[], []]
        for index, told in zip(self.both, self.told, strict=True):
            index.on_removed = told.append
            index.on_purged = lambda seq, told=told: told.append(("purged", seq))

    def call(self, name: str, *args: Any, **named: Any) -> Any:
        """The answer of a call, which must be one and the same."""
        plain, native = [getattr(index, name)(*args, **named) for index in self.both]
        assert native == plain, f"{name}{args}{named}: {native} instead of {plain}"
        return plain

    def scan(self, seq: int, upto: int, filters: list[bytes], most: int, steps: int) -> None:
        """Whole scans, which the forms may take in other pieces."""
        plain, native = [scan_all(index, seq, upto, filters, most, steps) for index in self.both]
        assert native == plain, f"scan{(seq, upto, filters, most, steps)}: {native} instead of {plain}"

    def open(self, filters: list[bytes], seq: int) -> None:
        for index, cursors in zip(self.both, self.cursors, strict=True):
            cursors.append(index.cursor(filters, seq))

    def move(self, number: int, name: str, *args: Any) -> Any:
        """A call of a cursor; a closed one is forgotten."""
        plain, native = [getattr(cursors[number], name)(*args) for cursors in self.cursors]
        assert native == plain, f"cursor {number}.{name}{args}: {native} instead of {plain}"
        if name == "close":
            for cursors in self.cursors:
                del cursors[number]
        return plain

    def check(self) -> None:
        """Everything that can be seen without asking for something."""
        plain, native = self.both
        assert native.state == plain.state
        assert (native.first_seq, native.last_seq, native.refusal) == (plain.first_seq, plain.last_seq, plain.refusal)
        assert self.told[1] == self.told[0]
        for number, (one, two) in enumerate(zip(*self.cursors, strict=True)):
            figures = one.next_seq, one.pending
            assert (two.next_seq, two.pending) == figures, f"cursor {number}: {two.next_seq, two.pending} not {figures}"
