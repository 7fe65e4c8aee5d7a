"""An account's subject mappings: which subject a published message has for everybody else, decided before matching.

1. A source without wildcards goes before those with; of these the one goes first whose wildcard comes later or is
   narrower, a token going before `*` and `*` before `>`. The first source that covers a subject counts, and no other;
   what came out is not mapped again.
2. One of its destinations is drawn for each message by weight, in percent. What is left to 100 keeps its subject; where
   the source itself is listed as a destination, it is lost instead, which is to say that its subject becomes empty.
3. Destinations of a cluster count in place of the others in the server that belongs to it, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.errors import OptionsError
from natsd.subjects.placeholder import show
from natsd.subjects.transform import Transform, TransformError, covers
from natsd.subjects.valid import ANY_REST, ANY_TOKEN, has_wildcard, is_valid, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from natsd.base.chance import Chance

    Apply = Callable[[bytes, Chance], bytes]

LOST = b""
"""The subject of a message that nobody shall get: it matches no subscription."""

_FIELDS = {"dest": "destination", "destination": "destination", "weight": "weight", "cluster": "cluster"}


class Destination:
    """Where a part of a source's messages goes. weight: in percent. cluster: empty for every server."""

    __slots__ = ("cluster", "subject", "weight")

    def __init__(self, subject: bytes, weight: int = 100, cluster: str = "") -> None:
        self.subject = subject
        self.weight = weight
        self.cluster = cluster


class Mapping:
    """One source and its destinations, as they count in a server of `cluster`. Raises OptionsError."""

    __slots__ = ("_certain", "_drawn", "_wanted", "destinations", "source")

    def __init__(self, source: bytes, destinations: Iterable[Destination], cluster: str = "") -> None:
        if not is_valid(source):
            raise OptionsError(f"mappings: the source {show(source)!r} is no valid subject")
        self.source = source
        self.destinations = list(destinations)
        self._wanted = tokens(source)
        transforms: dict[bytes, Transform] = {}
        shares: dict[str, list[Destination]] = {}
        for destination in self.destinations:
            if destination.subject in transforms:
                raise OptionsError(f"{self}: the destination {show(destination.subject)!r} is listed twice")
            if not 0 <= destination.weight <= 100:
                raise OptionsError(f"{self}: the weight {destination.weight} is not between 0 and 100")
            try:
                transforms[destination.subject] = Transform(source, destination.subject)
            except TransformError as error:
                raise OptionsError(f"mappings: {error}") from None
            shares.setdefault(destination.cluster, []).append(destination)
        for share in shares.values():
            if (total := sum(destination.weight for destination in share)) > 100:
                raise OptionsError(f"{self}: the weights make {total}, and 100 is the most")
        # A message goes to the first of these whose bound is above the number drawn for it.
        self._drawn: list[tuple[int, Apply]] = []
        self._certain = True
        bound = 0
        for destination in shares.get(cluster) or shares.get("", []):
            if destination.weight:
                bound += destination.weight
                transform = transforms[destination.subject]
                self._drawn.append((bound, transform.apply))
                self._certain = self._certain and not transform.random
        if bound < 100:
            self._drawn.append((100, _lose if source in transforms else _keep))
        self._certain = self._certain and len(self._drawn) == 1

    def __str__(self) -> str:
        return f"mappings: {show(self.source)!r}"

    @property
    def order(self) -> list[int]:
        """What sources are sorted by for rule 1, those without wildcards apart."""
        return [1 if token == ANY_TOKEN else 2 if token == ANY_REST else 0 for token in self._wanted]

    def covers(self, subject: list[bytes]) -> bool:
        """Whether it is about a subject, given as tokens."""
        return covers(self._wanted, subject)

    def draw(self, subject: bytes, chance: Chance) -> tuple[bytes, bool]:
        """What a subject that it covers becomes for one message, and whether it does so for every message."""
        number = chance.below(100) if len(self._drawn) > 1 else 0
        apply = next(apply for bound, apply in self._drawn if number < bound)
        return apply(subject, chance), self._certain


def _keep(subject: bytes, chance: Chance) -> bytes:
    return subject


def _lose(subject: bytes, chance: Chance) -> bytes:
    return LOST


class Mappings:
    """All mappings of an account. A source that comes again replaces the one before."""

    __slots__ = ("_chance", "_literal", "_wild")

    def __init__(self, mappings: Iterable[Mapping], chance: Chance) -> None:
        every = {mapping.source: mapping for mapping in mappings}
        self._chance = chance
        self._literal = {source: mapping for source, mapping in every.items() if not has_wildcard(source)}
        wild = [mapping for mapping in every.values() if mapping.source not in self._literal]
        self._wild = sorted(wild, key=lambda mapping: mapping.order)

    def __len__(self) -> int:
        return len(self._literal) + len(self._wild)

    def __iter__(self) -> Iterator[Mapping]:
        yield from self._literal.values()
        yield from self._wild

    def map(self, subject: bytes) -> tuple[bytes, bool]:
        """What a Sublist's mapper says: the subject to have instead of a published one, and whether always."""
        found = self._literal.get(subject)
        if found is not None:
            return found.draw(subject, self._chance)
        if self._wild:
            parts = tokens(subject)
            for mapping in self._wild:
                if mapping.covers(parts):
                    return mapping.draw(subject, self._chance)
        return subject, True


def parse_mappings(mappings: object, cluster: str = "") -> list[Mapping]:
    """Mappings as a program or a configuration gives them, by source. Raises OptionsError.

    What a source has is a destination as a string, or `{"destination": string, "weight": percent}`, maybe with a
    "cluster", or a list of these. A percentage is 40, "40" or "40%".
    """
    if not isinstance(mappings, dict):
        raise OptionsError(f"mappings: {mappings!r} is no dictionary of sources")
    return [
        Mapping(_subject(source, "source"), _destinations(source, given), cluster) for source, given in mappings.items()
    ]


def _destinations(source: str, given: object) -> list[Destination]:
    if isinstance(given, str):
        return [Destination(_subject(given, "destination"))]
    try:
        return [_destination(one) for one in (given if isinstance(given, list | tuple) else [given])]
    except OptionsError as error:
        raise OptionsError(f"mappings: {source!r}: {error}") from None


def _destination(given: object) -> Destination:
    if not isinstance(given, dict):
        raise OptionsError(f"{given!r} is no destination with its weight")
    fields: dict[str, object] = {}
    for key, value in given.items():
        name = _FIELDS.get(str(key).lower())
        if name is None:
            raise OptionsError(f"a destination has destination, weight and cluster, and no {key!r}")
        if name in fields:
            raise OptionsError(f"a destination has two of {name}")
        fields[name] = value
    for name in ("destination", "weight"):
        if name not in fields:
            raise OptionsError(f"the destination {given!r} has no {name}")
    cluster = fields.get("cluster", "")
    if not isinstance(cluster, str):
        raise OptionsError(f"the cluster {cluster!r} is no string")
    return Destination(_subject(fields["destination"], "destination"), _weight(fields["weight"]), cluster)


def _subject(given: object, what: str) -> bytes:
    if not isinstance(given, str):
        raise OptionsError(f"the {what} {given!r} is no string")
    try:
        return given.encode()
    except UnicodeEncodeError:
        raise OptionsError(f"the {what} {given!r} is no text") from None


def _weight(given: object) -> int:
    if isinstance(given, str):
        digits = given.removesuffix("%").removeprefix("+")
        if digits.isascii() and digits.isdigit() and len(digits) < 10:
            return int(digits)
    elif isinstance(given, int) and not isinstance(given, bool):
        return given
    raise OptionsError(f"the weight {given!r} is no percentage such as 40 or '40%'")
