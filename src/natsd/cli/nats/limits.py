"""Kinds of values in flags about limits: sizes and durations where a negative one means none, words, metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli.values import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    _Type = click.ParamType[int]
else:
    _Type = click.ParamType


def size_limit(text: str) -> int:
    """Bytes, -1 for a negative size. Raises ValueError."""
    return -1 if text.strip().startswith("-") else parse_size(text)


def duration_limit(text: str) -> int:
    """Nanoseconds, 0 for a negative duration. Raises ValueError."""
    return 0 if text.strip().startswith("-") else parse_duration(text)


class SizeLimit(_Type):
    """``128``, ``1KB``, ``-1``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else size_limit(str(value))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


class DurationLimit(_Type):
    """``5s``, ``1h30m``, ``7d``, ``-1``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else duration_limit(str(value))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


SIZE_LIMIT = SizeLimit()
DURATION_LIMIT = DurationLimit()


def split_words(texts: Iterable[str]) -> list[str]:
    """Subjects or names in lists with commas or blanks between them."""
    return [word for text in texts for word in text.replace(",", " ").split()]


def parse_metadata(texts: Iterable[str]) -> dict[str, str]:
    """``key=value`` or ``key:value`` of each flag. Raises a usage error."""
    found = {}
    for text in texts:
        at = min((text.find(mark) for mark in "=:" if mark in text), default=-1)
        if at <= 0:
            raise click.UsageError(f'invalid metadata "{text}", write it as key=value')
        found[text[:at]] = text[at + 1 :]
    return found
