"""`nats schema`: what requests to the JetStream API look like, as JSON schemas made from the server's own records."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.app import InnerGroup, Offline, Table, json_flag

if TYPE_CHECKING:
    from typing import Any

_HERE = "natsd.cli.nats.schema"
TABLE: Table = {
    "info": (f"{_HERE}:info", "Show a schema", ("show", "view")),
    "search": (f"{_HERE}:search", "List the schemas", ("find", "list", "ls")),
    "validate": (f"{_HERE}:validate", "Check a document", ("check",)),
}
command = InnerGroup("schema", table=TABLE, help="What requests to the JetStream API look like.")

_PREFIX = "io.nats.jetstream.api.v1."
_ROOM = "natsd.jetstream."
# Name behind the prefix: module and record of the server.
SCHEMAS = {
    "consumer_configuration": ("consumers.consumer_config", "ConsumerConfig"),
    "consumer_create_request": ("consumers.consumer_config", "CreateRequest"),
    "consumer_list_request": ("api.consumer_api", "PageRequest"),
    "consumer_pause_request": ("api.consumer_api", "PauseRequest"),
    "consumer_unpin_request": ("api.consumer_api", "UnpinRequest"),
    "stream_configuration": ("streams.stream_config", "StreamConfig"),
    "stream_create_request": ("streams.stream_config", "StreamRequest"),
    "stream_info_request": ("api.stream_api", "InfoRequest"),
    "stream_list_request": ("api.stream_api", "ListRequest"),
    "stream_msg_delete_request": ("api.message_api", "DeleteRequest"),
    "stream_msg_get_request": ("api.message_api", "GetRequest"),
    "stream_purge_request": ("api.message_api", "PurgeRequest"),
    "stream_sql_request": ("sql.sql_api", "SqlRequest"),
    "stream_update_request": ("streams.stream_config", "StreamRequest"),
}


def record_of(name: str) -> Any:
    """The server's record behind a schema. Raises CommandFailed."""
    row = SCHEMAS.get(name.removeprefix(_PREFIX))
    if row is None:
        from difflib import get_close_matches

        close = get_close_matches(name.removeprefix(_PREFIX), SCHEMAS, 1)
        hint = f', did you mean "{_PREFIX}{close[0]}"?' if close else " (nats schema search lists them)"
        raise CommandFailed(f'unknown schema "{name}"{hint}', USAGE)
    return getattr(import_module(_ROOM + row[0]), row[1])


def _complete_schema(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    names = [*SCHEMAS, *(_PREFIX + name for name in SCHEMAS)]
    return [name for name in names if name.startswith(incomplete)]


@click.command("search", cls=Offline, help="List the schemas, those with PATTERN in their name.")
@click.argument("pattern", default="")
@json_flag
def search(pattern: str, as_json: bool) -> None:
    names = [_PREFIX + name for name in SCHEMAS if pattern.lower() in (_PREFIX + name)]
    if as_json:
        console.out_json(names)
    elif names:
        console.out_text("Matched Schemas:\n\n" + "".join(f"  {name}\n" for name in names) + "\n")
    else:
        raise CommandFailed(f'no schema has "{pattern}" in its name')


@click.command("info", cls=Offline, help="Show a schema.")
@click.argument("schema", shell_complete=_complete_schema)
@click.option("-j", "--json", is_flag=True, expose_value=False, help="It is JSON in any case.")
def info(schema: str) -> None:
    import msgspec

    console.out_json(msgspec.json.schema(record_of(schema)))


@click.command("validate", cls=Offline, help="Check a JSON file against a schema. Exit code 1 where it does not fit.")
@click.argument("schema", shell_complete=_complete_schema)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@json_flag
def validate(schema: str, file: str, as_json: bool) -> None:
    import msgspec

    record = record_of(schema)
    with open(file, "rb") as source:
        raw = source.read()
    try:
        json.loads(raw)
    except ValueError as problem:
        raise CommandFailed(f"{file} is not JSON: {problem}", USAGE) from None
    errors = []
    try:
        msgspec.json.decode(raw, type=record, strict=True)
    except msgspec.ValidationError as problem:
        errors.append(str(problem))
    if as_json:
        console.out_json(errors)
    elif not errors:
        console.out_text(f"{file} validates against {_PREFIX}{schema.removeprefix(_PREFIX)}\n")
    else:
        console.out_text(f"Validation errors in {file}:\n\n" + "".join(f"   {text}\n" for text in errors) + "\n")
    if errors:
        raise CommandFailed("validation failed")
