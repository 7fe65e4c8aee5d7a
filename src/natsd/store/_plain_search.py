"""Plain form of a look through the subjects that match, piece by piece; see the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.store._plain_filter import Filter, filter_key

if TYPE_CHECKING:
    from natsd.store._plain_index import Index, Subject


class Search:
    """A look through the subjects that match; see the contract."""

    __slots__ = ("_at", "_index", "_names", "patterns")

    def __init__(self, index: Index, filters: list[bytes]) -> None:
        self._index = index
        self.patterns = Filter(filter_key(filters))
        named = self.patterns.words and not self.patterns.wildcards
        self._names = list(self.patterns.words if named else index._subjects)
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._names)

    def _take(self, steps: int) -> list[Subject]:
        known, matches = self._index._subjects, self.patterns.matches
        names = self._names[self._at : self._at + steps]
        self._at += len(names)
        return [known[name] for name in names if name in known and matches(name)]

    def subjects(self, steps: int) -> list[tuple[bytes, int]]:
        return [(subject.name, subject.count) for subject in self._take(steps)]

    def lasts(self, steps: int, upto: int = 0) -> list[int]:
        return sorted(seq for subject in self._take(steps) if (seq := self._index._last_of(subject, upto)))

    def prepare(self, steps: int) -> bool:
        return True
