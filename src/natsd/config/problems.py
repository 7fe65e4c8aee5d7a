"""What can be wrong with a configuration, each with its place, and the error that carries all of it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Problem:
    """One error or warning. Lines and columns count from 1; line 0 means that it is about the file as a whole."""

    __slots__ = ("column", "file", "line", "text", "warning")

    def __init__(self, file: str, line: int, column: int, text: str, *, warning: bool = False) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.text = text.replace("\n", "\\n").replace("\r", "\\r")  # one line each, whatever a file has in its values
        self.warning = warning

    def __str__(self) -> str:
        if self.line:
            return f"{self.file}:{self.line}:{self.column}: {self.text}"
        return f"{self.file}: {self.text}" if self.file else self.text

    def __repr__(self) -> str:
        return f"Problem({str(self)!r}, warning={self.warning})"


class ConfigError(OptionsError):
    """A configuration cannot be used. Its text has one line per problem: warnings first, then errors."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: not problem.warning)
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if not problem.warning]

    @property
    def warnings(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.warning]


class ParseError(ConfigError):
    """The form of a configuration is wrong, whatever it says."""

    kind = "Parse error: "


def quoted(text: str) -> str:
    """`text` in double quotes for an error line. Control characters are made visible where the line is shown."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
