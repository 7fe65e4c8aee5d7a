"""The query of a monitoring request: parameters decoded as the Go server does, with its words when they are bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.log import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


class BadQuery(Exception):
    """A parameter that means nothing; the text goes to the client with status 400."""


class NotThere(Exception):
    """What the page is about does not exist; the text goes to the client with status 404."""


class Query:
    """The parameters of one request. The getters raise BadQuery."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = values or {}

    def with_values(self, values: Mapping[str, str]) -> Query:
        """The same query with some parameters set."""
        return Query({**self._values, **values})

    def text(self, name: str) -> str:
        return self._values.get(name, "")

    def flag(self, name: str) -> bool:
        text = self.text(name)
        if text in TRUE:
            return True
        if not text or text in FALSE:
            return False
        raise BadQuery(f"Error decoding boolean for '{name}': strconv.ParseBool: parsing {quote(text)}: invalid syntax")

    def integer(self, name: str) -> int:
        """A signed number of 64 bits, 0 when missing."""
        return self._number(name, "int", "Atoi", -(2**63), 2**63, ("+", "-"))

    def unsigned(self, name: str) -> int:
        """An unsigned number of 64 bits, 0 when missing."""
        return self._number(name, "uint64", "ParseUint", 0, 2**64, ())

    def _number(self, name: str, kind: str, function: str, least: int, limit: int, signs: tuple[str, ...]) -> int:
        text = self.text(name)
        if not text:
            return 0
        digits = text[1:] if text[0] in signs else text
        reason = "invalid syntax"
        if digits.isascii() and digits.isdigit():
            # A number of thousands of digits is refused by its length: turning it into an int is not free.
            number = int(text) if len(digits) < 32 else limit
            if least <= number < limit:
                return number
            reason = "value out of range"
        raise BadQuery(f"Error decoding {kind} for '{name}': strconv.{function}: parsing {quote(text)}: {reason}")

    def subscriptions(self) -> tuple[bool, bool]:
        """The parameter `subs`: whether to list them, and whether in detail."""
        if self.text("subs").lower() == "detail":
            return False, True
        return self.flag("subs"), False
