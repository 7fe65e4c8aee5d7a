"""Many patterns at once: a tree of their tokens, in which a subject is sought in a few steps however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.subjects.valid import ANY_REST, ANY_TOKEN, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

END = b""
"""Where a pattern ends: none of its tokens is empty, but those of one that nothing matches."""


class PatternTree:
    """A set of patterns. `matches`: whether a message on a subject reaches one of them, as `match.matches` says.

    The tree grows when it is asked for the first time.
    """

    __slots__ = ("_patterns", "_root")

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self._patterns: Iterable[bytes] = patterns
        self._root: dict[bytes, Any] = {}

    def _grow(self) -> None:
        patterns, self._patterns = self._patterns, ()
        for pattern in patterns:
            wanted = tokens(pattern)
            if END not in wanted:
                place = self._root
                for token in wanted:
                    place = place.setdefault(token, {})
                place[END] = True

    def matches(self, subject: bytes) -> bool:
        if self._patterns:
            self._grow()
        given = tokens(subject)
        if END in given:
            return False
        places = [self._root]
        for at, token in enumerate(given):
            below = []
            for place in places:
                if END in place.get(ANY_REST, ()):
                    return True
                below += [place[key] for key in {token, ANY_TOKEN} if key in place]
            if not below:
                return False
            places = below
            if at == len(given) - 1:
                return any(END in place for place in places)
        return False
