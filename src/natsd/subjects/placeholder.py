"""One token of a transform's destination, where it is a function: its spelling, its arguments, and what it computes.

`$n` is short for `{{wildcard(n)}}`. What only resembles a function (`$foo`, `x{{left(1,2)}}`) is an ordinary token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.errors import NatsdError

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.base.chance import Chance

    Bound = Callable[[list[bytes], Chance], bytes]

WILDCARD = b"wildcard"
PARTITION = b"partition"
RANDOM = b"random"
SPLIT = b"split"

_COUNT_END = 1 << 31
_NUMBER_END = 1 << 63

# A word of a name may begin with a capital or not; the rest of it is small.
_FUNCTION = (
    rb"\{\{\s*([wW]ildcard|[pP]artition|[rR]andom|[lL]eft|[rR]ight|[sS]lice[fF]rom(?:[lL]eft|[rR]ight)"
    rb"|[sS]plit(?:[fF]rom(?:[lL]eft|[rR]ight))?)\s*\((.*)\)\s*\}\}"
)
_ARGUMENTS = {
    WILDCARD: "the number of a wildcard",
    PARTITION: "the count of partitions and maybe numbers of wildcards",
    RANDOM: "the count of numbers to choose from",
    SPLIT: "the number of a wildcard and a separator",
}
_CUT_ARGUMENTS = "the number of a wildcard and a count of bytes"


class TransformError(NatsdError):
    """A subject transform cannot be; the text names it and what is wrong with it."""


class Placeholder:
    """A function of a destination token.

    name: in small letters. wildcards: numbers of the source's wildcards, from 1; a number below 1 means the first
    token of the subject. count: bytes to cut, partitions, random numbers. separator: of `split`.
    """

    __slots__ = ("count", "name", "separator", "wildcards")

    def __init__(self, name: bytes, wildcards: tuple[int, ...] = (), count: int = 0, separator: bytes = b"") -> None:
        self.name = name
        self.wildcards = wildcards
        self.count = count
        self.separator = separator

    def bind(self, places: list[int]) -> Bound:
        """The function of a subject's tokens (and of chance), given where the tokens are that it is about."""
        count = self.count
        if self.name == RANDOM:
            return lambda subject, chance: b"%d" % chance.below(abs(count))
        if self.name == PARTITION:
            if not places:
                return lambda subject, chance: partition(b".".join(subject), count)
            return lambda subject, chance: partition(b"".join([subject[place] for place in places]), count)
        (at,) = places
        if self.name == WILDCARD:
            return lambda subject, chance: subject[at]
        if self.name == SPLIT:
            separator = self.separator
            return lambda subject, chance: split(subject[at], separator)
        cut = CUTS[self.name]
        return lambda subject, chance: cut(subject[at], count)


def parse(token: bytes) -> Placeholder | None:
    """The function that a destination token is, None for an ordinary token. Raises TransformError."""
    if token[:1] == b"$":
        number = _number(token[1:])
        return None if number is None else Placeholder(WILDCARD, (number,))
    if len(token) <= 4 or not (token.startswith(b"{{") and token.endswith(b"}}")):
        return None
    import re

    found = re.search(_FUNCTION, token)
    if found is None:
        names = ", ".join(sorted(show(name) for name in (*_ARGUMENTS, *CUTS)))
        raise TransformError(f"{show(token)} is no function; there are {names}")
    name = found[1].lower()
    arguments = re.split(rb",\s*", found[2]) if found[2] else []
    few = 1 if name in (WILDCARD, PARTITION, RANDOM) else 2
    if len(arguments) < few or (len(arguments) > few and name != PARTITION):
        got = f"{len(arguments)} argument{'' if len(arguments) == 1 else 's'}"
        raise TransformError(f"{show(token)} has {got}; expected {_ARGUMENTS.get(name, _CUT_ARGUMENTS)}")
    if name == SPLIT:
        if b" " in arguments[1]:
            raise TransformError(f"{show(token)}: a space cannot be in the separator")
        return Placeholder(name, (_whole(token, arguments[0]),), 0, arguments[1])
    numbers = tuple(_whole(token, argument) for argument in arguments)
    if name == WILDCARD:
        return Placeholder(name, numbers)
    at = 0 if few == 1 else 1
    if not -_COUNT_END <= numbers[at] < _COUNT_END:
        raise TransformError(f"{show(token)}: {numbers[at]} is no count, which end at {_COUNT_END - 1}")
    return Placeholder(name, numbers[:at] + numbers[at + 1 :], numbers[at])


def show(subject: bytes) -> str:
    """Bytes for the text of an error."""
    return subject.decode("utf-8", "backslashreplace")


def _number(text: bytes) -> int | None:
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    if not digits.isdigit() or len(digits) > 30:
        return None
    number = int(text)
    return number if -_NUMBER_END <= number < _NUMBER_END else None


def _whole(token: bytes, text: bytes) -> int:
    number = _number(text.strip(b" "))
    if number is None:
        raise TransformError(f"{show(token)}: the argument {show(text)!r} is no whole number")
    return number


# What the functions compute. A count that a token is too short for, or below 1, leaves the token as it is.


def partition(key: bytes, count: int) -> bytes:
    """The partition that a key belongs to: its FNV-1a hash of 32 bits, modulo the count; 0 where that is 0."""
    if count == 0:
        return b"0"
    hashed = 2166136261
    for byte in key:
        hashed = (hashed ^ byte) * 16777619 & 0xFFFFFFFF
    return b"%d" % (hashed % (count & 0xFFFFFFFF))


def split(token: bytes, separator: bytes) -> bytes:
    """The parts of a token between separators as tokens, empty ones left out; every character without a separator."""
    if separator:
        parts = token.split(separator)
    else:
        parts = [character.encode("utf-8", "surrogateescape") for character in token.decode("utf-8", "surrogateescape")]
    return b".".join(part for part in parts if part)


def split_from_left(token: bytes, count: int) -> bytes:
    return b"%b.%b" % (token[:count], token[count:]) if 0 < count < len(token) else token


def split_from_right(token: bytes, count: int) -> bytes:
    return b"%b.%b" % (token[:-count], token[-count:]) if 0 < count < len(token) else token


def slice_from_left(token: bytes, count: int) -> bytes:
    if not 0 < count < len(token):
        return token
    return b".".join(token[at : at + count] for at in range(0, len(token), count))


def slice_from_right(token: bytes, count: int) -> bytes:
    if not 0 < count < len(token):
        return token
    first = len(token) % count
    parts = [token[at : at + count] for at in range(first, len(token), count)]
    return b".".join([token[:first], *parts] if first else parts)


def left(token: bytes, count: int) -> bytes:
    return token[:count] if count > 0 else token


def right(token: bytes, count: int) -> bytes:
    return token[-count:] if count > 0 else token


CUTS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"splitfromleft": split_from_left,
    b"splitfromright": split_from_right,
    b"slicefromleft": slice_from_left,
    b"slicefromright": slice_from_right,
    b"left": left,
    b"right": right,
}
"""Functions of a token and a count of bytes."""
