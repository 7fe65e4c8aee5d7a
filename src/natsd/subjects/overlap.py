"""Which of many subjects overlap: in a tree of their tokens each is compared with those only that begin alike.

There may be a hundred thousand in one request, so everything is done in steps, of a fraction of a millisecond each.
Any bytes will do: what is no valid subject is taken token by token like the others, as in match.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.subjects.valid import ANY_REST, ANY_TOKEN, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from natsd.base.steps import Steps

PACE = 64
"""Subjects, or places of the tree, between two yields."""
END = None
"""Where a place has the numbers of the subjects that end there."""


class Overlaps:
    """Subjects by numbers from 0, in the order in which they came."""

    __slots__ = ("_count", "_looked", "_root")

    def __init__(self) -> None:
        self._root: dict[bytes | None, Any] = {}
        self._count = 0
        self._looked = 0

    def add(self, subjects: Iterable[bytes]) -> Steps[None]:
        """Take these in too."""
        for subject in subjects:
            place = self._root
            for token in tokens(subject):
                place = place.setdefault(token, {})
            place.setdefault(END, []).append(self._count)
            self._count += 1
            if not self._count % PACE:
                yield

    def colliding(self, subject: bytes) -> Steps[list[int]]:
        """Which of them stand for a subject that this one stands for too; see `match.collide`."""
        wanted = tokens(subject)
        found: list[int] = []
        places: list[tuple[dict[bytes | None, Any], int]] = [(self._root, 0)]
        while places:
            self._looked += 1
            if not self._looked % PACE:
                yield
            place, at = places.pop()
            token = wanted[at] if 0 <= at < len(wanted) else END
            if at < 0 or token == ANY_REST:
                if at < 0:
                    found += place.get(END, ())
                places += [(kid, -1) for key, kid in place.items() if key is not END]
            elif token is END:
                found += place.get(END, ())
            elif token == ANY_TOKEN:
                places += [(kid, -1 if key == ANY_REST else at + 1) for key, kid in place.items() if key is not END]
            else:
                places += [(place[key], at + 1) for key in (token, ANY_TOKEN) if key in place]
                if ANY_REST in place:
                    places.append((place[ANY_REST], -1))
        return found

    def containing(self, subject: bytes) -> Steps[list[int]]:
        """Which of them stand for all that this one stands for; see `match.is_subset`."""
        wanted = tokens(subject)
        found: list[int] = []
        places: list[tuple[dict[bytes | None, Any], int]] = [(self._root, 0)]
        while places:
            self._looked += 1
            if not self._looked % PACE:
                yield
            place, at = places.pop()
            if at < 0:
                found += place.get(END, ())
                places += [(kid, -1) for key, kid in place.items() if key is not END]
            elif at == len(wanted):
                found += place.get(END, ())
            else:
                token = wanted[at]
                if ANY_REST in place:
                    places.append((place[ANY_REST], -1))
                if token != ANY_REST:
                    places += [(place[key], at + 1) for key in {token, ANY_TOKEN} if key in place]
        return found


def one_within_another(subjects: list[bytes]) -> Steps[bool]:
    """Whether one of some valid subjects is, or lies within, another."""
    # A subject without wildcards has none within it but itself.
    wide = [subject for subject in subjects if ANY_TOKEN in subject or ANY_REST in subject]
    yield
    if len(set(subjects)) < len(subjects):
        return True
    yield
    known = Overlaps()
    yield from known.add(wide)
    if not wide:
        return False
    for at, subject in enumerate(subjects):
        around = yield from known.containing(subject)
        if any(wide[number] != subject for number in around):
            return True
        if not at % PACE:
            yield
    return False


def first_collision(subjects: list[bytes]) -> Steps[tuple[int, int] | None]:
    """The first of some subjects that collides with a later one, and the first of those."""
    known = Overlaps()
    yield from known.add(subjects)
    for at, subject in enumerate(subjects):
        others = yield from known.colliding(subject)
        later = [number for number in others if number > at]
        if later:
            return at, min(later)
        if not at % PACE:
            yield
    return None
