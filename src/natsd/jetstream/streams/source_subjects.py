"""Which subjects a mirror or a source takes, and what becomes of them.

There may be thousands of filters and transforms: what has to be made of them is made when the first message needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.steps import at_once
from natsd.subjects.overlap import Overlaps
from natsd.subjects.transform import Transform, covers
from natsd.subjects.valid import tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from natsd.base.chance import Chance
    from natsd.jetstream.streams.stream_config import Source

FEW = 8
"""Filters that are tried one after the other."""


class SourceSubjects:
    """The filters of a mirror or a source, none for everything, and the transform behind each."""

    __slots__ = ("_changes", "_transforms", "_tree", "filters")

    def __init__(self, source: Source) -> None:
        self._changes = source.subject_transforms
        self._transforms: dict[int, Transform] = {}
        self._tree: Overlaps | None = None
        self.filters = [(change.src or ">").encode() for change in self._changes]
        if source.filter_subject:
            self.filters.append(source.filter_subject.encode())

    def wants(self, subject: bytes) -> bool:
        """Whether a subject is one of those that are taken."""
        parts = tokens(subject)
        return not self.filters or any(
            covers(tokens(self.filters[number]), parts) for number in self._candidates(subject)
        )

    def change(self, subject: bytes, chance: Chance) -> bytes:
        """What a subject becomes: that of the first transform that is for it."""
        for number in self._candidates(subject):
            transform = self._transforms.get(number) or self._make(number)
            if transform is not None:
                changed = transform.match(subject, chance)
                if changed is not None:
                    return changed
        return subject

    def _make(self, number: int) -> Transform | None:
        if number >= len(self._changes) or not self._changes[number].dest:
            return None
        change = self._changes[number]
        transform = self._transforms[number] = Transform(change.src.encode(), change.dest.encode())
        return transform

    def _candidates(self, subject: bytes) -> Iterable[int]:
        """The numbers of filters that may be for a subject, in their order."""
        if len(self.filters) <= FEW:
            return range(len(self.filters))
        if self._tree is None:
            self._tree = Overlaps()
            at_once(self._tree.add(self.filters))
        return sorted(at_once(self._tree.containing(subject)))
