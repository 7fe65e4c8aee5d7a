"""Plain form of what cursors with the same filters share: which subjects match, and how many were appended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.subjects.tree import PatternTree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from natsd.store._plain_cursor import Cursor


class Filter:
    """One set of subject patterns, shared by the cursors that have it. No patterns: everything matches."""

    __slots__ = ("_tree", "appended", "cursors", "farthest", "key", "wildcards", "words")

    def __init__(self, key: tuple[bytes, ...]) -> None:
        self.key = key
        self.words = {pattern for pattern in key if not is_pattern(pattern)}
        self.wildcards = [pattern for pattern in key if pattern not in self.words]
        self._tree = PatternTree(self.wildcards)
        self.cursors: set[Cursor] = set()
        self.appended = 0
        self.farthest = 0  # a cursor may have been put here, beyond what there is

    @property
    def everything(self) -> bool:
        return not self.key

    def matches(self, subject: bytes) -> bool:
        if not self.key or subject in self.words:
            return True
        return bool(self.wildcards) and self._tree.matches(subject)


def is_pattern(subject: bytes) -> bool:
    """Whether there is a wildcard in it."""
    return any(token in (b"*", b">") for token in subject.split(b"."))


def filter_key(filters: Iterable[bytes]) -> tuple[bytes, ...]:
    """One spelling for equal filters; empty for everything."""
    unique = set(filters)
    return () if b">" in unique else tuple(sorted(unique))
