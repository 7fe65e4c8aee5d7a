"""Subject transforms: a source with wildcards, and a destination made of what they took.

Rules, those of the Go server:

1. A destination has no `*` token; what the n-th `*` of the source took is `$n` or `{{wildcard(n)}}`, or goes through
   one of the functions in placeholder.py. Not every wildcard has to be used.
2. Both end in `>` or neither does; what `>` took stays at the end.
3. Without `*` in the source, `{{random(n)}}` and `{{partition(n)}}` are the functions there can be.
4. `{{partition(n)}}` without wildcards is that of the whole subject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.subjects.placeholder import PARTITION, RANDOM, TransformError, parse, show
from natsd.subjects.valid import ANY_REST, ANY_TOKEN, SEPARATOR, is_valid, may_subscribe, tokens

if TYPE_CHECKING:
    from natsd.base.chance import Chance
    from natsd.subjects.placeholder import Bound, Placeholder

__all__ = ["Transform", "TransformError", "covers"]


def covers(source: list[bytes], subject: list[bytes]) -> bool:
    """Whether a published subject is one of those a source stands for, both as tokens.

    Unlike in delivery, wildcards may have been published: `*` is taken by a wildcard only, `>` by `>` only. Empty
    tokens are taken by `>` only.
    """
    for at, wanted in enumerate(source):
        if at >= len(subject):
            return False
        if wanted == ANY_REST:
            return True
        token = subject[at]
        if token != wanted and (wanted != ANY_TOKEN or token in (b"", ANY_REST)):
            return False
    return len(subject) == len(source)


class Transform:
    """A transform of the subjects that `source` covers. An empty source stands for `>`.

    random: whether one subject may come out differently each time. Raises TransformError.
    """

    __slots__ = ("_parts", "_rest", "_tokens", "destination", "random", "source")

    def __init__(self, source: bytes, destination: bytes) -> None:
        self.source = source or ANY_REST
        self.destination = destination
        self.random = False
        try:
            self._tokens = self._read_source()
            self._parts = self._read_destination()
        except TransformError as error:
            name = f"transform of {show(self.source)!r} to {show(destination)!r}"
            raise TransformError(f"{name}: {error}") from None
        self._rest = len(self._tokens) - 1 if self._tokens[-1] == ANY_REST else len(self._tokens)

    def __repr__(self) -> str:
        return f"<Transform {show(self.source)} to {show(self.destination)}>"

    def match(self, subject: bytes, chance: Chance) -> bytes | None:
        """What a subject becomes, None where the source does not cover it."""
        return self.apply(subject, chance) if covers(self._tokens, tokens(subject)) else None

    def apply(self, subject: bytes, chance: Chance) -> bytes:
        """What a subject becomes that the source is known to cover."""
        given = tokens(subject)
        parts = [part if isinstance(part, bytes) else part(given, chance) for part in self._parts]
        return SEPARATOR.join(parts + given[self._rest :])

    def _read_source(self) -> list[bytes]:
        if not is_valid(self.source):
            raise TransformError("the source is no valid subject")
        return tokens(self.source)

    def _read_destination(self) -> list[bytes | Bound]:
        if not may_subscribe(self.destination):
            raise TransformError("the destination is no valid subject")
        parts = tokens(self.destination)
        if (parts[-1] == ANY_REST) != (self._tokens[-1] == ANY_REST):
            raise TransformError("the source and the destination have to end in > both, or neither")
        if parts[-1] == ANY_REST:
            parts.pop()
        return [self._read_part(token) for token in parts]

    def _read_part(self, token: bytes) -> bytes | Bound:
        if token == ANY_TOKEN:
            raise TransformError("a destination has no * token; what the first * of the source took is $1")
        placeholder = parse(token)
        if placeholder is not None:
            return placeholder.bind(self._places(token, placeholder))
        if not is_valid(token):
            raise TransformError(f"the destination has white space in {show(token)!r}")
        return token

    def _places(self, token: bytes, placeholder: Placeholder) -> list[int]:
        """Where in the subject the tokens are that a function is about; none for the whole subject."""
        if placeholder.name == RANDOM:
            self.random = True
            return []
        wildcards = [at for at, token in enumerate(self._tokens) if token == ANY_TOKEN]
        if not wildcards and self._tokens[-1] != ANY_REST:
            if placeholder.name == PARTITION:
                return []
            raise TransformError(f"{show(token)} needs a wildcard, and the source has none")
        for number in placeholder.wildcards:
            if number > len(wildcards):
                raise TransformError(f"{show(token)}: there is no wildcard {number}, the source has {len(wildcards)}")
        return [wildcards[number - 1] if number > 0 else 0 for number in placeholder.wildcards]
