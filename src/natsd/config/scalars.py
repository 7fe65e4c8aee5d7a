"""Words of the configuration language that stand without quotes, and escapes in those that stand in quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from natsd.config.problems import quoted

if TYPE_CHECKING:
    from natsd.config.setting import Scalar

TRUE = frozenset(("true", "yes", "on"))
FALSE = frozenset(("false", "no", "off"))
PREFIXES = "kmgtpe"
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", '"': '"', "\\": "\\"}
BCRYPT = "$2a$"
"""A word that begins so is a password hash, not a variable."""

_INTEGER = re.compile(r"(-?[0-9]++)(?:([kmgtpe])(i?b?|b))?", re.IGNORECASE)
_FLOAT = re.compile(r"-?[0-9]++\.[0-9]++")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_ADDRESS = re.compile(r"-?[0-9]++\.[0-9]++\.[0-9.:-]*+")
# What looks like a number or a date for too long to be taken for a string.
_NUMBER_LIKE = re.compile(r"-(?![0-9]++[kmgtpe])|[0-9]++[.-]", re.IGNORECASE)
_SIZE_LIKE = re.compile(r"-?[0-9]++[kmgtpe][bi]*+", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(x(?:[0-9A-Fa-f]{2})?|.)", re.DOTALL)
_MAX_DIGITS = 20


class BadScalar(ValueError):
    """A word that can be no value. `at` is where in the word; `fatal` says that what follows it is in doubt too."""

    def __init__(self, text: str, at: int = 0, *, fatal: bool = False) -> None:
        super().__init__(text)
        self.at = at
        self.fatal = fatal


def is_variable(word: str) -> bool:
    """Whether a word refers to a variable."""
    return word[0] == "$" and not word.startswith(BCRYPT)


def plain_scalar(word: str) -> Scalar:
    """The value of a word without quotes. Raises BadScalar."""
    if word[0] not in "-.0123456789":
        folded = word.lower()
        if folded in TRUE:
            return True
        return False if folded in FALSE else word
    if match := _INTEGER.fullmatch(word):
        return _integer(word, *match.groups())
    if _FLOAT.fullmatch(word):
        return float(word)
    if _ADDRESS.fullmatch(word):
        return word
    if _DATE.fullmatch(word):
        return _date(word)
    if word[0] == ".":
        raise BadScalar("a number begins with a digit, not with a dot", fatal=True)
    if _SIZE_LIKE.fullmatch(word):
        raise BadScalar(f"{quoted(word)} has a suffix that is no size: k, kb, ki, kib, and so for m, g, t, p, e")
    if _NUMBER_LIKE.match(word):
        raise BadScalar(f"{quoted(word)} is neither a number nor a date; a string that begins so needs quotes")
    return word


def _integer(word: str, digits: str, prefix: str | None, tail: str | None) -> int:
    number = int(digits) if len(digits) <= _MAX_DIGITS else 2**64
    if prefix:
        number *= (1024 if tail else 1000) ** (PREFIXES.index(prefix.lower()) + 1)
    if not -(2**63) <= number < 2**63:
        raise BadScalar(f"{quoted(word)} does not fit into 64 bits")
    return number


def _date(word: str) -> Scalar:
    from datetime import UTC, datetime

    try:
        return datetime.strptime(word, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BadScalar(f"{quoted(word)} is no date") from None


def unescape(text: str) -> str:
    """A string with its escapes resolved: \\t \\n \\r \\" \\\\ and \\xHH, which is a byte. Raises BadScalar."""
    if "\\" not in text:
        return text
    parts = []
    last = 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[last : match.start()])
        last = match.end()
        code = match[1]
        if code in ESCAPES:
            parts.append(ESCAPES[code])
        elif code[0] == "x" and len(code) == 3:
            byte = int(code[1:], 16)
            parts.append(chr(byte) if byte < 0x80 else chr(0xDC00 + byte))
        elif code == "x":
            raise BadScalar("\\x needs two hexadecimal digits behind it", match.start(), fatal=True)
        else:
            raise BadScalar(
                f'"\\{code}" is no escape; there are \\t, \\n, \\r, \\", \\\\ and \\xHH', match.start(), fatal=True
            )
    parts.append(text[last:])
    # Bytes that together are a character become that character.
    return "".join(parts).encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
