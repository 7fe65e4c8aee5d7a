"""Kinds of values in flags about limits: sizes and durations where a negative one means none, metadata, JSON files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.values import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    _Type = click.ParamType[int]
else:
    _Type = click.ParamType

RESERVED = "_nats."
LARGEST_INT32 = (1 << 31) - 1


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


def own_metadata(metadata: dict[str, str] | None) -> dict[str, str]:
    """Metadata without what the server keeps there."""
    return {key: value for key, value in (metadata or {}).items() if not key.startswith(RESERVED)}


def without_reserved(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the server's own metadata."""
    out = {key: value for key, value in config.items() if key != "metadata"}
    if metadata := own_metadata(config.get("metadata")):
        out["metadata"] = metadata
    return out


def read_config(path: str) -> dict[str, Any]:
    """A configuration from a JSON file, also from one that has what ``info -j`` prints. Raises CommandFailed."""
    with open(path, "rb") as file:
        raw = file.read()
    try:
        document = json.loads(raw)
    except ValueError as problem:
        raise CommandFailed(f"{path} is not JSON: {problem}", USAGE) from None
    if not isinstance(document, dict):
        raise CommandFailed(f"{path} is not a JSON object", USAGE)
    config = document.get("config", document)
    if not isinstance(config, dict):
        raise CommandFailed(f"{path}: config is not a JSON object", USAGE)
    return without_reserved(config)


def write_config(path: str, config: dict[str, Any]) -> None:
    from natsd.cli.contexts import replace_file

    replace_file(path, (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))


def print_json(document: object) -> None:
    """JSON as every command prints it."""
    from natsd.cli import console

    console.out_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Lines ``-key: value`` and ``+key: value`` of what is not the same; the order of subjects is no difference."""
    lines = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if _plain(before) == _plain(after):
            continue
        if not _is_nothing(before):
            lines.append(f"- {key}: {json.dumps(before, ensure_ascii=False)}")
        if not _is_nothing(after):
            lines.append(f"+ {key}: {json.dumps(after, ensure_ascii=False)}")
    return lines


def _is_nothing(value: object) -> bool:
    return value is None or value is False or value in ("", 0, [], {})


def _plain(value: object) -> object:
    if _is_nothing(value):
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(value)
    return value
