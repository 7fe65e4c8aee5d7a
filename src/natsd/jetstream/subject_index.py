"""Which stream of an account listens to what: a tree of tokens, so that many streams cost little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.subjects.overlap import END, colliding
from natsd.subjects.valid import tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class SubjectIndex:
    """Subjects, each with the name of the stream that has it."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: dict[bytes | None, Any] = {}

    def add(self, stream: str, subjects: Iterable[str]) -> None:
        for subject in subjects:
            place = self._root
            for token in tokens(subject.encode()):
                place = place.setdefault(token, {})
            place[END] = stream

    def remove(self, subjects: Iterable[str]) -> None:
        for subject in subjects:
            place, way = self._root, []
            for token in tokens(subject.encode()):
                if token not in place:
                    break
                way.append((place, token))
                place = place[token]
            else:
                place.pop(END, None)
            while way and not place:
                place, token = way.pop()
                del place[token]

    def meets(self, subject: str, *, but: str = "") -> str:
        """A stream, other than `but`, with a subject that collides; empty for none."""
        return next((stream for stream in self._collide(subject) if stream != but), "")

    def matching(self, subject: str) -> set[str]:
        """Every stream with a subject that collides."""
        return set(self._collide(subject))

    def _collide(self, subject: str) -> Iterator[str]:
        return (stream for stream in colliding(self._root, subject.encode()) if stream is not None)
