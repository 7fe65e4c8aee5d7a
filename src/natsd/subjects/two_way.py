"""A transform that can be turned round, as imports have it: subjects of one account as another one has them.

1. Every wildcard of the source stands in the destination at least once, as `*`, `$n` or `{{wildcard(n)}}`, and there is
   no other function. The n-th `*` of a destination is what the n-th `*` of the source took.
2. Both end in `>` or neither does. A source without wildcards has a destination without.
"""

from __future__ import annotations

from natsd.subjects.placeholder import WILDCARD, TransformError, parse, show
from natsd.subjects.valid import ANY_REST, ANY_TOKEN, SEPARATOR, has_wildcard, is_valid, tokens


class TwoWay:
    """Raises TransformError. pattern: the destination with `*` for whatever comes from the source."""

    __slots__ = ("_places", "_rest", "_source", "pattern", "source", "tokens")

    def __init__(self, source: bytes, destination: bytes) -> None:
        self.source = source
        for subject, what in ((source, "source"), (destination, "destination")):
            if not is_valid(subject):
                raise TransformError(f"the {what} {show(subject)!r} is no valid subject")
        try:
            self._source = tokens(source)
            self.tokens = tokens(destination)
            self._places = self._read() if has_wildcard(source) else {}
        except TransformError as error:
            raise TransformError(f"{show(source)!r} as {show(destination)!r}: {error}") from None
        self.pattern = SEPARATOR.join(self.tokens)
        self._rest = self.tokens[-1] == ANY_REST
        if not has_wildcard(source) and has_wildcard(destination):
            raise TransformError(
                f"{show(source)!r} as {show(destination)!r}: there is nothing to put for the wildcards"
            )

    def _read(self) -> dict[int, int]:
        """Where in the source the tokens come from that the destination has no text for."""
        wildcards = [at for at, token in enumerate(self._source) if token == ANY_TOKEN]
        places: dict[int, int] = {}
        count = 0
        for at, token in enumerate(self.tokens):
            number = 0
            if token == ANY_TOKEN:
                count = number = count + 1
            else:
                placeholder = parse(token)
                if placeholder is None:
                    continue
                if placeholder.name != WILDCARD:
                    raise TransformError(f"{show(token)} cannot be turned round; what the first * took is $1")
                number = placeholder.wildcards[0]
            if not 1 <= number <= len(wildcards):
                raise TransformError(f"there is no wildcard {number}, the source has {len(wildcards)}")
            self.tokens[at] = ANY_TOKEN
            places[at] = wildcards[number - 1]
        if set(places.values()) != set(wildcards):
            raise TransformError("the destination has to use every wildcard of the source")
        if (self.tokens[-1] == ANY_REST) != (self._source[-1] == ANY_REST):
            raise TransformError("both have to end in >, or neither")
        return places

    @property
    def moves(self) -> bool:
        """Whether tokens change places."""
        return any(at != place for at, place in self._places.items())

    def forward(self, subject: bytes) -> bytes:
        """What a subject becomes that the source covers."""
        given = tokens(subject)
        made = [given[self._places[at]] if at in self._places else token for at, token in enumerate(self.tokens)]
        if self._rest:
            made[-1:] = given[len(self._source) - 1 :]
        return SEPARATOR.join(made)

    def back(self, pattern: list[bytes]) -> bytes | None:
        """What becomes `pattern`, which lies within the destination; None where nothing can."""
        made = list(self._source)
        for at, place in self._places.items():
            token = both(made[place], pattern[at])
            if token is None:
                return None
            made[place] = token
        if self._rest:
            made[-1:] = pattern[len(self.tokens) - 1 :]
        return SEPARATOR.join(made)


def both(one: bytes, other: bytes) -> bytes | None:
    """The token that stands for what two tokens of patterns have in common; None for nothing."""
    if one == ANY_TOKEN or one == other:
        return other
    return one if other == ANY_TOKEN else None


def common(one: list[bytes], other: list[bytes]) -> list[bytes] | None:
    """The pattern of the subjects that two patterns, both valid, stand for; None where there are none."""
    made: list[bytes] = []
    for at in range(max(len(one), len(other))):
        if one[at : at + 1] == [ANY_REST]:
            return made + other[at:] if at < len(other) else None
        if other[at : at + 1] == [ANY_REST]:
            return made + one[at:] if at < len(one) else None
        if at >= len(one) or at >= len(other):
            return None
        token = both(one[at], other[at])
        if token is None:
            return None
        made.append(token)
    return made
