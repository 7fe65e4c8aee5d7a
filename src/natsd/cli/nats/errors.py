"""`nats errors`: the errors that JetStream answers with, from the table that the server itself uses."""

from __future__ import annotations

import re

import click

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.app import InnerGroup, Offline, Table, json_flag
from natsd.cli.table import show_table

_HERE = "natsd.cli.nats.errors"
TABLE: Table = {
    "lookup": (f"{_HERE}:lookup", "Explain an error by its code", ("find", "get", "l", "view", "show")),
    "ls": (f"{_HERE}:ls", "List the errors", ("list",)),
}
command = InnerGroup("errors", table=TABLE, help="The errors that JetStream answers with.")

Row = tuple[int, int, str, str]
_SORTS = {"code": 0, "http": 1, "description": 2, "descr": 2, "d": 2}


def rows() -> list[Row]:
    """(err_code, HTTP-like code, description, name) of all errors."""
    from natsd.jetstream.errors import ERRORS

    return [(err_code, code, text, name) for name, (code, err_code, text) in ERRORS.items()]


@click.command("ls", cls=Offline, help="List the errors, those that match a regular expression.")
@click.argument("match", required=False)
@click.argument("sort", type=click.Choice(list(_SORTS)), default="code")
@click.option("-R", "--reverse/--no-reverse", default=False, help="The other way round.")
@json_flag
def ls(match: str | None, sort: str, reverse: bool, as_json: bool) -> None:
    found = rows()
    if match:
        try:
            pattern = re.compile(match, re.IGNORECASE)
        except re.error as problem:
            raise CommandFailed(f"invalid regular expression {match!r}: {problem}", USAGE) from None
        found = [row for row in found if pattern.search(f"{row[0]} {row[2]} {row[3]}")]
    found.sort(key=lambda row: (row[_SORTS[sort]], row[0]), reverse=reverse)
    if as_json:
        console.out_json([_document(row) for row in found])
        return
    lines = [(str(row[0]), str(row[1]), row[2], row[3]) for row in found]
    show_table("NATS Errors", ("NATS Code", "HTTP Error Code", "Description", "Name"), lines, right="rr")


def _document(row: Row) -> dict[str, object]:
    return {"error_code": row[0], "code": row[1], "description": row[2], "name": row[3]}


@click.command(
    "lookup", cls=Offline, help="Explain an error by its code, such as 10059. Exit code 1 for an unknown one."
)
@click.argument("code", type=int)
@json_flag
def lookup(code: int, as_json: bool) -> None:
    row = next((row for row in rows() if row[0] == code), None)
    if row is None:
        raise CommandFailed(f"no error code matches {code}")
    if as_json:
        console.out_json(_document(row))
        return
    block = Block(f"NATS Error Code: {code}")
    block.row("Description", row[2])
    block.row("HTTP Code", str(row[1]))
    block.row("Name", row[3])
    console.out_text(block.render())
