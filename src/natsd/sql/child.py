"""The process in which a server runs one query: talks to it over file descriptor 0, see frames.py.

It opens nothing, writes nothing, and has a bound for its memory and its time; the server kills it where it does not
keep to the latter. Everything it needs is imported before it gives up opening files.
"""

from __future__ import annotations

import json
import marshal
import os
import resource
from typing import TYPE_CHECKING

import apsw

from natsd.base.clock import SystemClock
from natsd.sql.frames import (
    BATCH,
    CLOSE,
    COLUMNS,
    DONE,
    FAILED,
    LOST,
    NEXT,
    OPEN,
    ROWS,
    START,
    Frames,
    render_frame,
)
from natsd.sql.query import TIME_LIMIT, Query, SqlError
from natsd.sql.rows import render_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from natsd.sql.scan import Row, Scan

READ_BYTES = 1 << 20
CHUNK_BYTES = 64 << 10
MEMORY_BYTES = 256 << 20
"""What SQLite may have; the whole process has this much more."""
NICER = 5
LOST_KIND, BUG = "lost", "bug"


class Gone(Exception):
    """The server hung up, or does not go on."""


class Link:
    """The connection to the server."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._waiting: list[tuple[bytes, bytes]] = []

    def send(self, kind: bytes, body: bytes) -> None:
        data = memoryview(render_frame(kind, body))
        while data:
            data = data[os.write(0, data) :]

    def say(self, kind: bytes, body: object) -> None:
        self.send(kind, json.dumps(body).encode())

    def take(self) -> tuple[bytes, bytes]:
        """The next frame. Raises Gone."""
        while not self._waiting:
            data = os.read(0, READ_BYTES)
            if not data:
                raise Gone
            self._waiting = self._frames.feed(data)
        return self._waiting.pop(0)


class Remote:
    """The messages as the server has them."""

    def __init__(self, link: Link, start: dict[str, Any]) -> None:
        self.messages: int = start["messages"]
        self.subjects: int = start["subjects"]
        self._link = link
        self._scans = 0
        self._batches: dict[int, tuple[bool, Sequence[Row]]] = {}
        self._open: set[int] = set()

    def read(self, scan: Scan) -> Iterator[Sequence[Row]]:
        """The next batch is asked for before the one in hand is used."""
        self._scans += 1
        number = self._scans
        self._open.add(number)
        self._link.say(OPEN, [number, scan.as_list()])
        last = False
        try:
            while not last:
                last, rows = self._wait(number)
                if not last:
                    self._link.say(NEXT, number)
                yield rows
        finally:
            self._open.discard(number)
            self._batches.pop(number, None)
            if not last:
                self._link.say(CLOSE, number)

    def _wait(self, number: int) -> tuple[bool, Sequence[Row]]:
        while number not in self._batches:
            kind, body = self._link.take()
            if kind == LOST:
                raise SqlError(LOST_KIND, json.loads(body))
            if kind == BATCH:
                of, last, rows = marshal.loads(body)
                if of in self._open:
                    self._batches[of] = last, rows
        return self._batches.pop(number)


class Answer:
    """Rows on their way to the server, in chunks, and the limits on them."""

    def __init__(self, link: Link, most_rows: int, most_bytes: int) -> None:
        self._link = link
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._chunk = bytearray()
        self._sent = 0
        self.rows = 0
        self.cut = ""

    def add(self, row: tuple[Any, ...]) -> bool:
        """Whether there was room for it."""
        if self.rows == self._most_rows:
            self.cut = "rows"
            return False
        line = render_row(row)
        if self._sent + len(self._chunk) + len(line) > self._most_bytes:
            self.cut = "bytes"
            return False
        self.rows += 1
        self._chunk += line
        if len(self._chunk) >= CHUNK_BYTES:
            self.flush()
        return True

    def flush(self) -> None:
        for at in range(0, len(self._chunk), CHUNK_BYTES):
            self._link.send(ROWS, bytes(self._chunk[at : at + CHUNK_BYTES]))
        self._sent += len(self._chunk)
        self._chunk.clear()


def confine(seconds: int) -> None:
    """Take from this process what a query does not need."""
    os.nice(NICER)
    apsw.hard_heap_limit(MEMORY_BYTES)
    most = {
        resource.RLIMIT_AS: 2 * MEMORY_BYTES,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 3,
    }
    for kind, value in most.items():
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or value < hard:
            resource.setrlimit(kind, (value, value))


def run(link: Link, start: dict[str, Any]) -> None:
    """Answer one query."""
    now_ns = SystemClock.now_ns
    due_ns = now_ns() + start["timeout_ns"]
    answer = Answer(link, start["rows"], start["bytes"])
    query = Query(Remote(link, start), start["query"], is_late=lambda: now_ns() > due_ns)
    told = False
    try:
        for row in query:
            if not told:
                link.say(COLUMNS, query.columns)
                told = True
            if not answer.add(row):
                break
            if now_ns() > due_ns:
                raise SqlError(TIME_LIMIT, "the query took longer than it may")
        if not told:
            link.say(COLUMNS, query.columns)
        answer.flush()
        link.say(DONE, [answer.rows, answer.cut])
    except SqlError as error:
        answer.flush()
        link.say(FAILED, [error.kind, str(error)])


def main() -> None:
    """What the server starts."""
    link = Link()
    try:
        kind, body = link.take()
        if kind != START:
            return
        start = marshal.loads(body)
        confine(start["timeout_ns"] // 1_000_000_000 + 2)
        run(link, start)
    except (Gone, BrokenPipeError, ConnectionError):
        # Nobody waits for the answer any more.
        return
    except Exception as error:  # noqa: BLE001  (there is no log here: the server writes it into its own)
        link.say(FAILED, [BUG, f"{type(error).__name__}: {error}"])
    finally:
        # Not the way through every destructor: there is nothing to be saved.
        os._exit(0)
