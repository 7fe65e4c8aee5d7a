"""A value of a configuration with the place it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from typing import TypeAlias

    Scalar: TypeAlias = "str | bool | int | float | datetime"
    Map: TypeAlias = "dict[str, Setting]"
    Value: TypeAlias = "Scalar | list[Setting] | Map"


class Setting:
    """One value: text, bool, int, float, datetime, a list of settings or a dict of settings by key.

    The place is that of its key in a map and its own in a list. `used` says that a variable somewhere referred to it,
    which exempts its key from being known. `height` is the depth of the nesting inside of it, `count` the number of
    values in it and itself; both are bounded, so that walking a setting recursively is safe.
    """

    __slots__ = ("column", "count", "file", "height", "line", "used", "value")

    def __init__(
        self, value: Value, file: str = "", line: int = 0, column: int = 0, *, height: int = 0, count: int = 1
    ) -> None:
        self.value = value
        self.file = file
        self.line = line
        self.column = column
        self.used = False
        self.height = height
        self.count = count

    def __repr__(self) -> str:
        return f"{self.value!r}@{self.line}:{self.column}"

    def plain(self) -> object:
        """The value without places: what JSON would make of it."""
        value = self.value
        if isinstance(value, list):
            return [item.plain() for item in value]
        if isinstance(value, dict):
            return {key: item.plain() for key, item in value.items()}
        return value


def kind_of(value: object) -> str:
    """What a value is, in the words of error lines."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a float"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a map"
    return "a date"
