"""Configurations of streams and consumers as JSON: in files, in an editor, and the differences between two of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import ERROR, USAGE, CommandFailed
from natsd.cli.prompt import confirm

if TYPE_CHECKING:
    from typing import Any

    Config = dict[str, Any]

RESERVED = "_nats."


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
    from natsd.cli.draft import replace_file

    replace_file(path, (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))


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


def agreed(lines: list[str], question: str, dry_run: bool, force: bool, as_json: bool = False) -> bool:
    """Show the differences and ask. Raises CommandFailed in a dry run that found some."""
    if not lines:
        if not as_json:
            console.out_text("No difference in configuration\n")
        return False
    if not as_json or dry_run:
        console.out_text("Differences (-old +new):\n" + "".join(f"  {line}\n" for line in lines))
    if dry_run:
        raise click.exceptions.Exit(ERROR)
    return force or confirm(question)


def edit_document(document: Config, name: str) -> Config:
    """A configuration as somebody left it in an editor. Raises CommandFailed."""
    import tempfile

    from natsd.cli.editor import edit_file

    with tempfile.NamedTemporaryFile("w+", suffix=".json", encoding="utf-8") as file:
        json.dump(document, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        edit_file(file.name, name)
        return read_config(file.name)
