"""Requests for SQL: `$JS.API.STREAM.SQL.<stream>`, and the queue in which they wait for each other.

A server runs one query at a time, MOST_WAITING wait, more are refused. An account has a share of the queue that leaves
room for others.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS
from natsd.jetstream.api.request import Route
from natsd.jetstream.errors import ApiError
from natsd.jetstream.sql.sql_query import SqlQuery
from natsd.jetstream.streams.stream_config import Record

if TYPE_CHECKING:
    from natsd.jetstream.api.request import ApiRequest
    from natsd.jetstream.home import Home
    from natsd.jetstream.sql.sql_query import Workers

MOST_WAITING = 16
MOST_WAITING_OF_ACCOUNT = 8
DEFAULT_ROWS, MOST_ROWS = 10_000, 1_000_000
DEFAULT_TIMEOUT_NS, MOST_TIMEOUT_NS = 5 * SECOND_NS, 60 * SECOND_NS


class SqlRequest(Record):
    """query: one SELECT. limit: rows at most. timeout: nanoseconds. Where they are above the server's, its own hold."""

    query: str = ""
    limit: int = 0
    timeout: int = 0


class SqlQueue:
    """The queries of a server."""

    __slots__ = ("_running", "_starting", "_waiting", "_workers")

    def __init__(self, workers: Workers | None) -> None:
        self._workers = workers
        self._running: SqlQuery | None = None
        self._starting = False
        self._waiting: deque[tuple[Home, SqlQuery]] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + (self._running is not None)

    def add(self, home: Home, query: SqlQuery) -> None:
        """Run it when those before it are done. Raises ApiError."""
        if self._workers is None:
            raise ApiError("SQL_NOT_AVAILABLE", err="this server starts no processes")
        own = sum(1 for other, _ in self._waiting if other is home)
        if len(self._waiting) >= MOST_WAITING or own >= MOST_WAITING_OF_ACCOUNT:
            raise ApiError("SQL_BUSY")
        self._waiting.append((home, query))
        if self._running is None:
            self._run()

    def _run(self) -> None:
        """The next one."""
        assert self._workers is not None
        while self._running is None and self._waiting:
            _, query = self._waiting.popleft()
            self._running = query
            # One that ends at once does not start the next one inside of it.
            self._starting = True
            try:
                query.start(self._workers, self._on_end)
            finally:
                self._starting = False

    def _on_end(self) -> None:
        self._running = None
        if not self._starting:
            self._run()

    def close(self) -> None:
        """Answer nothing any more."""
        running, self._running = self._running, None
        for query in [*([running] if running is not None else []), *(query for _, query in self._waiting)]:
            query.cancel()
        self._waiting.clear()


def sql(request: ApiRequest) -> None:
    """Run a query and send its rows."""
    if request.is_empty:
        raise ApiError("BAD_REQUEST")
    body = request.decode(SqlRequest)
    if not body.query.strip() or body.limit < 0 or body.timeout < 0:
        raise ApiError("BAD_REQUEST")
    if request.stream.closed or request.reply is None:
        return
    rows = min(body.limit or DEFAULT_ROWS, MOST_ROWS)
    timeout_ns = min(body.timeout or DEFAULT_TIMEOUT_NS, MOST_TIMEOUT_NS)
    request.home.jetstream.queries.add(request.home, SqlQuery(request, body.query, rows, timeout_ns))


ROUTES = (Route("STREAM.SQL.*", sql, "stream_sql_response"),)
