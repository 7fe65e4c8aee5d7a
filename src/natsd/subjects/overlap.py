"""Which of many subjects overlap: in a tree of their tokens each is compared with those only that begin alike.

Any bytes will do: what is no valid subject is taken token by token like the others, as in match.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.subjects.valid import ANY_REST, ANY_TOKEN, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from natsd.base.steps import Steps

    Place = dict[bytes | None, Any]
    """What lies behind each token; behind END, where a subject ends, whatever is known of it."""

PACE = 64
"""Subjects, or places of the tree, between two yields: a fraction of a millisecond."""
END = None


def colliding(root: Place, subject: bytes) -> Iterator[Any]:
    """What is known of each subject that stands for one that this one stands for too, see `match.collide`; None for
    every other place that is looked at."""
    wanted = tokens(subject)
    places = [(root, 0)]
    while places:
        place, at = places.pop()
        token = wanted[at] if 0 <= at < len(wanted) else END
        if at < 0 or token == ANY_REST:
            places += [(kid, -1) for key, kid in place.items() if key is not END]
        elif token == ANY_TOKEN:
            places += [(kid, -1 if key == ANY_REST else at + 1) for key, kid in place.items() if key is not END]
        elif token is not END:
            places += [(place[key], at + 1) for key in (token, ANY_TOKEN) if key in place]
            if ANY_REST in place:
                places.append((place[ANY_REST], -1))
        yield place.get(END) if token is END else None


def containing(root: Place, subject: bytes) -> Iterator[Any]:
    """As `colliding`, of each subject that stands for all that this one stands for, see `match.is_subset`."""
    wanted = tokens(subject)
    places = [(root, 0)]
    while places:
        place, at = places.pop()
        token = wanted[at] if 0 <= at < len(wanted) else END
        if at < 0:
            places += [(kid, -1) for key, kid in place.items() if key is not END]
        elif token is not END:
            if ANY_REST in place:
                places.append((place[ANY_REST], -1))
            if token != ANY_REST:
                places += [(place[key], at + 1) for key in {token, ANY_TOKEN} if key in place]
        yield place.get(END) if token is END else None


class Overlaps:
    """Subjects by numbers from 0, in the order in which they came. There may be a hundred thousand in one request, so
    everything is done in steps."""

    __slots__ = ("_count", "_looked", "_root")

    def __init__(self) -> None:
        self._root: Place = {}
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
        """Which of them stand for a subject that this one stands for too."""
        return self._gather(colliding(self._root, subject))

    def containing(self, subject: bytes) -> Steps[list[int]]:
        """Which of them stand for all that this one stands for."""
        return self._gather(containing(self._root, subject))

    def _gather(self, found: Iterator[list[int] | None]) -> Steps[list[int]]:
        numbers: list[int] = []
        for some in found:
            if some is not None:
                numbers += some
            self._looked += 1
            if not self._looked % PACE:
                yield
        return numbers


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
