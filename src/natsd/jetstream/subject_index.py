"""Which stream of an account listens to what: a tree of tokens, so that many streams cost little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.subjects.valid import ANY_REST, ANY_TOKEN, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

END = b""
"""Where a place has the name of a stream whose subject ends there: no token of a subject is empty."""


class SubjectIndex:
    """Subjects with the name of the stream that has them."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: dict[bytes, Any] = {}

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
        wanted = tokens(subject.encode())
        places = [(self._root, 0)]
        while places:
            place, at = places.pop()
            token = wanted[at] if at < len(wanted) else END
            if token == ANY_REST or at > len(wanted):
                # Whatever lies behind it, but for what ends here.
                places += [(kid, len(wanted) + 1) for key, kid in place.items() if key != END]
                if at > len(wanted) and END in place:
                    yield place[END]
            elif at == len(wanted):
                if END in place:
                    yield place[END]
            else:
                if ANY_REST in place:
                    yield place[ANY_REST][END]
                if token == ANY_TOKEN:
                    places += [(kid, at + 1) for key, kid in place.items() if key not in (END, ANY_REST)]
                else:
                    places += [(place[key], at + 1) for key in (token, ANY_TOKEN) if key and key in place]
