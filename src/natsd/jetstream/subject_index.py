"""Which stream of an account listens to what: found by the first two tokens, so that many streams cost little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.subjects.match import collide
from natsd.subjects.valid import has_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterable

    Key = tuple[bytes, bytes] | None


class SubjectIndex:
    """Subjects with the name of the stream that has them."""

    __slots__ = ("_anywhere", "_by_start")

    def __init__(self) -> None:
        self._by_start: dict[tuple[bytes, bytes], dict[bytes, str]] = {}
        self._anywhere: dict[bytes, str] = {}

    def add(self, stream: str, subjects: Iterable[str]) -> None:
        for subject in subjects:
            pattern = subject.encode()
            self._table(pattern)[pattern] = stream

    def remove(self, subjects: Iterable[str]) -> None:
        for subject in subjects:
            pattern = subject.encode()
            key = _key(pattern)
            table = self._table(pattern)
            table.pop(pattern, None)
            if key is not None and not table:
                del self._by_start[key]

    def meets(self, subject: str, *, but: str = "") -> str:
        """A stream, other than `but`, with a subject that collides; empty for none."""
        pattern = subject.encode()
        key = _key(pattern)
        tables: list[dict[bytes, str]] = [self._anywhere]
        if key is None:
            tables += self._by_start.values()
        elif key in self._by_start:
            tables.append(self._by_start[key])
        for table in tables:
            for other, stream in table.items():
                if stream != but and collide(pattern, other):
                    return stream
        return ""

    def matching(self, subject: str) -> set[str]:
        """Every stream with a subject that collides."""
        pattern = subject.encode()
        tables = [self._anywhere, *self._by_start.values()]
        return {stream for table in tables for other, stream in table.items() if collide(pattern, other)}

    def _table(self, pattern: bytes) -> dict[bytes, str]:
        key = _key(pattern)
        return self._anywhere if key is None else self._by_start.setdefault(key, {})


def _key(pattern: bytes) -> Key:
    """The first two tokens; a subject of one token has an empty second one. None where there is a wildcard in them."""
    first, _, rest = pattern.partition(b".")
    second = rest.partition(b".")[0]
    return None if has_wildcard(first) or (second and has_wildcard(second)) else (first, second)
