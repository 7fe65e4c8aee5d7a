"""A query on the store directory of a server that does not run, which is only read."""

from __future__ import annotations

import json
import os
from itertools import islice
from typing import TYPE_CHECKING

from natsd.cli.exit_codes import CommandFailed

if TYPE_CHECKING:
    from natsd.cli.nats.streams.stream_sql import Result
    from natsd.store.contract import StreamStore

WITHIN = "jetstream"
"""The folder that a server makes in its store directory."""


def ask_directory(directory: str, account: str, stream: str, query: str, limit: int) -> Result:
    """Raises CommandFailed."""
    from natsd.cli.nats.streams.stream_sql import Result
    from natsd.store.contract import StoreError

    try:
        from natsd.sql.query import Query, SqlError
    except ImportError as problem:
        if problem.name != "apsw":
            raise
        raise CommandFailed("SQL on a directory needs the library apsw, which is not installed") from None
    from natsd.jetstream.sql.sql_walk import StreamReader
    from natsd.sql.rows import render_row
    from natsd.store.file import FileStore
    from natsd.store.looking import hold

    inner = os.path.join(directory, WITHIN)
    if os.path.isdir(inner):
        directory = inner
    try:
        with hold(directory):
            store = FileStore(directory, read_only=True)
            try:
                found = _stream_of(dict(store.streams()), account, stream, directory)
                # Being asked is what makes it end at Ctrl-C.
                question = Query(StreamReader(found), query, is_late=lambda: False, spill=True)
                try:
                    rows = [json.loads(render_row(row)) for row in islice(question, limit + 1)]
                finally:
                    question.close()
            finally:
                store.close()
    except StoreError as problem:
        raise CommandFailed(str(problem)) from None
    except SqlError as problem:
        raise CommandFailed(f"invalid query: {problem}" if problem.kind == "invalid" else str(problem)) from None
    return Result(question.columns, rows[:limit], "rows" if len(rows) > limit else "")


def _stream_of(streams: dict[str, tuple[bytes, StreamStore]], account: str, stream: str, directory: str) -> StreamStore:
    found = streams.get(f"{account}/{stream}")
    if found is not None:
        return found[1]
    names = sorted(key.rpartition("/")[2] for key in streams if key.rpartition("/")[0] == account)
    accounts = sorted({key.rpartition("/")[0] for key in streams})
    if names:
        hint = "it has " + ", ".join(names[:10])
    elif accounts:
        hint = "there are streams of " + ", ".join(accounts[:10])
    else:
        hint = "there are no streams at all"
    raise CommandFailed(f"account {account} has no stream {stream} in {directory}; {hint}")
