"""Users known by their certificates (verify_and_map): what in a certificate may be the name of a user.

Order, the Go server's: e-mail addresses, DNS names, URIs; then the subject as a distinguished name, compared part by
part, in its order first and then in any; then the subject as text, with its domain components and without.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from natsd.base.der import alternative_names, subject_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    Part = frozenset[tuple[str, str]]
    """One relative distinguished name: types in upper case, with their values."""

_TYPES = {
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.17": "POSTALCODE",
    "0.9.2342.19200300.100.1.25": "DC",
}
_ORDER = ("SERIALNUMBER", "CN", "POSTALCODE", "STREET", "ST", "L", "OU", "O", "C")
_SPECIAL = ' "#+,;<=>\\'


class Certificate:
    """The names in a certificate, given in DER; none in None. subject: None where it has parts without a short name."""

    __slots__ = ("names", "subject", "texts")

    def __init__(self, der: bytes | None) -> None:
        self.names: list[str] = []
        self.subject: list[Part] | None = None
        self.texts: list[str] = []
        try:
            parts = subject_parts(der) if der is not None else []
            self.names = alternative_names(der) if der is not None else []
        except ValueError:
            return  # nobody is called like that
        if not parts:
            return
        known = [[(_TYPES.get(kind, ""), value) for kind, value in part] for part in parts]
        if all(kind for part in known for kind, _ in part):
            self.subject = [frozenset(part) for part in reversed(known)]
        text = ",".join(
            "+".join(f"{kind}={escaped(value)}" for part in known for is_kind, value in part if is_kind == kind)
            for kind in _ORDER
            if any(is_kind == kind for part in known for is_kind, _ in part)
        )
        components = [f"DC={value}" for part in known for kind, value in part if kind == "DC"]
        if components:
            self.texts.append(",".join([text, *components]))
        self.texts.append(text)


def escaped(value: str) -> str:
    """A value as RFC 2253 writes it."""
    made = "".join(f"\\{char}" if char in ',+"\\<>;' else char for char in value)
    if made[:1] in (" ", "#") and made:
        made = f"\\{made}"
    if len(value) > 1 and value.endswith(" "):
        made = f"{made[:-1]}\\ "
    return made


def parse_name(text: str) -> list[Part] | None:
    """A distinguished name as RFC 2253 writes it; None for what is none."""
    parts: list[Part] = []
    pairs: list[tuple[str, str]] = []
    kind = ""
    value: list[tuple[bytes, bool]] = []  # with whether it was escaped
    escaping = hex_digit = ""

    def taken() -> str:
        # Blanks around are not meant, unless they were escaped.
        while value and value[-1] == (b" ", False):
            value.pop()
        word = b"".join(piece for piece, _ in value).decode("utf-8", "replace")
        value.clear()
        return word

    for char in text:
        if hex_digit:
            try:
                value.append((bytes([int(hex_digit + char, 16)]), True))
            except ValueError:
                return None
            hex_digit = ""
        elif escaping:
            escaping = ""
            if char in _SPECIAL:
                value.append((char.encode(), True))
            else:
                hex_digit = char
        elif char == "\\":
            escaping = char
        elif char == "=" and not kind:
            kind = taken().upper()
            if not kind:
                return None
        elif char in ",+":
            if not kind:
                return None
            pairs.append((kind, taken()))
            kind = ""
            if char == ",":
                parts.append(frozenset(pairs))
                pairs = []
        elif char != " " or value:
            value.append((char.encode("utf-8", "surrogateescape"), False))
    if escaping or hex_digit or not kind:
        return None
    pairs.append((kind, taken()))
    return [*parts, frozenset(pairs)]


class Owners:
    """Users by the distinguished names that they are called by."""

    __slots__ = ("_in_any_order", "_in_order")

    def __init__(self, names: Sequence[str]) -> None:
        self._in_order: dict[tuple[Part, ...], list[str]] = {}
        self._in_any_order: dict[frozenset[tuple[Part, int]], list[str]] = {}
        for name in names:
            parts = parse_name(name)
            if parts is not None:
                self._in_order.setdefault(tuple(parts), []).append(name)
                self._in_any_order.setdefault(_counted(parts), []).append(name)

    def find(self, subject: list[Part]) -> list[str]:
        """The names of users that a subject is, the likeliest first."""
        return [*self._in_order.get(tuple(subject), ()), *self._in_any_order.get(_counted(subject), ())]


def _counted(parts: list[Part]) -> frozenset[tuple[Part, int]]:
    """The parts whatever their order; one that is there twice is not one that is there once."""
    return frozenset(Counter(parts).items())
