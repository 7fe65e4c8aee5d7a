"""`nats stream sql`: a query on the messages of a stream, asked of a server or of the directory of a stopped one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import ERROR, TIMEOUT, USAGE, CommandFailed
from natsd.cli.nats.app import Offline, StreamName, json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import jetstream
from natsd.cli.values import comma
from natsd.client.errors import NoResponders, Timeout
from natsd.client.jetstream import ApiError, JetStreamMissing, read_answer, status_of

if TYPE_CHECKING:
    from typing import Any

    from natsd.client.jetstream import JetStream

HELP = """Ask for messages of a stream in SQL, in the words of SQLite. Nothing can be changed by it.

The table is called messages. Its columns: seq, time, time_ns, subject, headers (JSON) and payload (text, or a blob
where it is none). subject MATCH 'orders.*' takes subjects with wildcards.

\b
Examples:
  nats stream sql ORDERS "SELECT subject, count(*), max(time) FROM messages GROUP BY subject"
  nats stream sql ORDERS "SELECT seq, payload ->> 'total' AS total FROM messages
      WHERE subject MATCH 'orders.eu.>' AND json_valid(payload) AND total > 100"
  nats stream sql ORDERS "SELECT * FROM messages WHERE time > datetime('now', '-1 hour')" --csv
  nats stream sql ORDERS "SELECT max(seq) FROM messages" --store-dir /var/lib/nats
  nats stream sql ORDERS -f query.sql -j

\b
--timeout is the time of the query, on the server (5s). With --store-dir there is no limit.
"""
DEFAULT_ROWS = 10_000
PATIENCE_S = 2.0
"""What an answer may take beyond the time of the query: it may have to wait for others first."""


@click.command("sql", cls=Offline, help=HELP, short_help="Ask for messages in SQL.")
@click.argument("stream", type=StreamName())
@click.argument("query", required=False)
@click.option("-f", "--file", "path", metavar="FILE", help="Read the query from a file; - is stdin, also as QUERY.")
@click.option("--limit", type=click.IntRange(min=1), default=DEFAULT_ROWS, help="Rows at most (10000).")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--store-dir", metavar="DIR", help="Read the directory of a server that does not run.")
@click.option("--account", metavar="NAME", default="$G", help="Whose stream it is, with --store-dir ($G).")
@json_flag
@click.pass_obj
def sql(
    settings: Settings,
    stream: str,
    query: str | None,
    path: str | None,
    limit: int,
    as_csv: bool,
    store_dir: str | None,
    account: str,
    as_json: bool,
) -> None:
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    text = _read_query(query, path)
    if store_dir:
        from natsd.cli.nats.streams.stream_sql_store import ask_directory

        result = ask_directory(store_dir, account, stream, text, limit)
    else:
        settings.load_context()
        with jetstream(settings) as js:
            result = ask_server(js, stream, text, limit)
    if as_json:
        _print_json(result)
    elif as_csv:
        _print_csv(result)
    else:
        _print_table(result)
    if result.cut:
        console.flush()
        more = "raise --limit for more" if result.cut == "rows" else "the server sends no more bytes"
        console.log(f"Only the first {comma(len(result.rows))} rows are shown; {more}")


def _read_query(query: str | None, path: str | None) -> str:
    if (query is None) == (path is None):
        raise click.UsageError("give a query, or a file that has one with --file")
    if path is None and query != "-":
        return query or ""
    with open(0 if path in (None, "-") else str(path), "rb", closefd=path not in (None, "-")) as file:
        raw = file.read()
    try:
        return raw.decode()
    except UnicodeDecodeError as problem:
        raise CommandFailed(f"the query is not UTF-8: {problem}", USAGE) from None


class Result:
    """The columns and rows of an answer. A blob is {"base64": ...}. cut: "rows" or "bytes" where a limit ended it."""

    __slots__ = ("columns", "cut", "rows")

    def __init__(self, columns: list[str], rows: list[list[Any]], cut: str = "") -> None:
        self.columns = columns
        self.rows = rows
        self.cut = cut


def ask_server(js: JetStream, stream: str, query: str, limit: int) -> Result:
    """Raises ApiError, Timeout, CommandFailed and the like."""
    connection = js.connection
    body = {"query": query, "limit": limit, "timeout": int(js.timeout_s * 1e9)}
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogateescape")
    inbox = connection.start_request(f"{js.prefix}.STREAM.SQL.{stream}", raw)
    wait_s = js.timeout_s + PATIENCE_S
    try:
        first = connection.next_reply(inbox, wait_s)
    except NoResponders:
        raise JetStreamMissing() from None
    except Timeout:
        raise Timeout("nats: timeout: no answer (SQL is for natsd; other servers do not know it)") from None
    try:
        columns = [str(name) for name in read_answer(first.payload)["columns"]]
    except ApiError as problem:
        if problem.code == 408:
            raise CommandFailed(str(problem), TIMEOUT) from None
        failed = f"could not query Stream {stream}"
        raise ApiError(problem.code, problem.err_code, problem.description, failed) from None
    data = bytearray()
    while True:
        message = connection.next_reply(inbox, wait_s)
        if message.payload:
            data += message.payload
            continue
        headers = dict(message.headers)
        status = status_of(message)
        if status != 204:
            reason = headers.get("Nats-Error") or _MEANINGS.get(status, f"status {status}")
            raise CommandFailed(f"the answer is not whole: {reason}", TIMEOUT if status == 408 else ERROR)
        return Result(columns, [json.loads(line) for line in data.splitlines()], headers.get("Nats-Cut-By", ""))


_MEANINGS = {408: "the query took longer than it may", 413: "the query needs more memory than it may have"}


def _print_json(result: Result) -> None:

    names = _unique(result.columns)
    console.out_json([dict(zip(names, row, strict=True)) for row in result.rows])


def _unique(names: list[str]) -> list[str]:
    """Names of columns, each of them once."""
    seen: set[str] = set()
    found = []
    for name in names:
        one, number = name, 1
        while one in seen:
            number += 1
            one = f"{name}_{number}"
        seen.add(one)
        found.append(one)
    return found


def _print_csv(result: Result) -> None:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([_plain(value) for value in row] for row in result.rows)
    console.out_text(out.getvalue())


def _print_table(result: Result) -> None:
    from natsd.cli.table import show_table

    right = "".join(
        "r" if result.rows and all(isinstance(row[i], int | float | None) for row in result.rows) else " "
        for i in range(len(result.columns))
    )
    rows = [[_plain(value).translate(_VISIBLE) for value in row] for row in result.rows]
    show_table("", [name.translate(_VISIBLE) for name in result.columns], rows, right=right)


_VISIBLE = {
    code: {9: "\\t", 10: "\\n", 13: "\\r"}.get(code, f"\\x{code:02x}") for code in (*range(32), *range(127, 160))
}
"""A value stays in its line and says nothing to the terminal."""


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return str(value.get("base64", ""))
    return str(value)
