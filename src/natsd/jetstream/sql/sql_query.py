"""One SQL query: gives messages to the process that runs it, and its rows to whoever asked.

1. Messages are read between other work, for SLICE_NS at a time; the process asks for each batch.
2. The first answer is JSON, as for every request: an error, or the columns. Rows follow in messages to the same subject
   that are one text of lines, cut anywhere; an empty message with a status is the end (204 fine, else what went wrong).
3. The process is believed nothing, and killed when its time is over.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

import msgspec

from natsd.base.clock import MS_NS
from natsd.base.units import render_duration
from natsd.jetstream import headers
from natsd.jetstream.errors import ApiError
from natsd.jetstream.sql.sql_walk import Walk
from natsd.sql.frames import (
    BATCH,
    CLOSE,
    COLUMNS,
    DONE,
    FAILED,
    LOST,
    MOST_BYTES,
    NEXT,
    OPEN,
    ROWS,
    START,
    Frames,
    render_frame,
)
from natsd.sql.scan import Scan
from natsd.store.contract import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from natsd.base.clock import Timer
    from natsd.jetstream.api.request import ApiRequest
    from natsd.jetstream.streams.stream import Stream

    class Worker(Protocol):
        """A process that runs one query. `kill` may be called at any time, also twice."""

        def send(self, data: bytes) -> None: ...

        def kill(self) -> None: ...

    class Workers(Protocol):
        """Who starts them. on_bytes: called with what it says; on_end: called once when it ended by itself."""

        def start(self, on_bytes: Callable[[bytes], None], on_end: Callable[[], None]) -> Worker:
            """Raises OSError."""
            ...


SLICE_NS = MS_NS // 2
GRACE_NS = 500 * MS_NS
"""What the process has to say by itself that its time is over."""
MOST_SCANS = 64
RESULT_BYTES = 32 << 20
STATUS = {"time": (408, b"Time Limit"), "memory": (413, b"Memory Limit"), "invalid": (400, b"Bad Query")}
ERRORS = {"time": "SQL_TIME_LIMIT", "memory": "SQL_MEMORY_LIMIT", "invalid": "SQL_INVALID"}

_Opening = msgspec.json.Decoder(tuple[int, tuple[int, int, int, int, str, str, bool, bool, bool, bool, int]])
_Number = msgspec.json.Decoder(int)
_Names = msgspec.json.Decoder(list[str])
_End = msgspec.json.Decoder(tuple[int, str])
_Failure = msgspec.json.Decoder(tuple[str, str])


class SqlQuery:
    """A query that is asked for; `start` runs it, `on_end` is called when it is answered."""

    __slots__ = (
        "_columns",
        "_done",
        "_frames",
        "_on_end",
        "_request",
        "_rows",
        "_sent_bytes",
        "_stream",
        "_text",
        "_timeout_ns",
        "_timer",
        "_told",
        "_upto",
        "_walks",
        "_worker",
        "asked_ns",
    )

    def __init__(self, request: ApiRequest, text: str, rows: int, timeout_ns: int) -> None:
        self.asked_ns = request.home.clock.now_ns()
        self._request = request
        self._text = text
        self._rows = rows
        self._timeout_ns = timeout_ns
        self._frames = Frames(MOST_BYTES)
        self._walks: dict[int, Walk] = {}
        self._columns: list[str] = []
        self._sent_bytes = 0
        self._told = self._done = False
        self._timer: Timer | None = None
        self._worker: Worker | None = None
        self._stream: Stream | None = None
        self._upto = 0
        self._on_end: Callable[[], None] | None = None

    def start(self, workers: Workers, on_end: Callable[[], None]) -> None:
        """Run it. on_end may be called before this returns."""
        request, home = self._request, self._request.home
        self._on_end = on_end
        if home.clock.now_ns() - self.asked_ns > self._timeout_ns or not self._is_heard():
            # Whoever asked has given up.
            self._finish()
            return
        self._stream = stream = home.streams.get(request.tokens[0])
        if stream is None:
            self._refuse(ApiError("STREAM_NOT_FOUND"))
            return
        self._upto = stream.visible_seq
        try:
            self._worker = worker = workers.start(self._on_bytes, self._on_exit)
        except OSError as error:
            self._refuse(ApiError("SQL_NOT_AVAILABLE", err=error))
            return
        self._timer = home.timers.schedule(self._timeout_ns + GRACE_NS, self._on_late)
        state = stream.store.state
        start = {
            "query": self._text,
            "messages": state.msgs,
            "subjects": state.num_subjects,
            "timeout_ns": self._timeout_ns,
            "rows": self._rows,
            "bytes": RESULT_BYTES,
        }
        worker.send(render_frame(START, marshal.dumps(start)))

    def cancel(self) -> None:
        """The server stops."""
        self._on_end = None
        self._refuse(ApiError("SQL_NOT_AVAILABLE", err="the server stops"))

    # What the process says

    def _on_bytes(self, data: bytes) -> None:
        try:
            for kind, body in self._frames.feed(data):
                if self._done:
                    return
                self._take(kind, body)
        except (ValueError, OverflowError) as error:
            self._fail(f"its process said something strange: {error}")

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == OPEN:
            number, wanted = _Opening.decode(body)
            self._open(number, Scan(*wanted))
        elif kind == NEXT:
            self._give(_Number.decode(body))
        elif kind == CLOSE:
            self._walks.pop(_Number.decode(body), None)
        elif kind == COLUMNS:
            self._columns = _Names.decode(body)
        elif kind == ROWS:
            self._send_rows(body)
        elif kind == DONE:
            self._end(*_End.decode(body))
        elif kind == FAILED:
            what, text = _Failure.decode(body)
            self._end_badly(what, text)
        else:
            raise ValueError(f"a frame {kind!r}")

    def _open(self, number: int, scan: Scan) -> None:
        stream = self._stream
        if stream is None or stream.closed:
            self._lose("the stream is gone")
            return
        if len(self._walks) >= MOST_SCANS:
            self._lose("it reads the messages too many times at once")
            return
        self._walks[number] = Walk(stream.store, scan, self._upto)
        self._give(number)

    def _give(self, number: int) -> None:
        """The next batch of a scan."""
        walk, stream, worker = self._walks.get(number), self._stream, self._worker
        if walk is None or worker is None:
            return
        if stream is None or stream.closed:
            self._lose("the stream is gone")
            return
        now_ns = self._request.home.clock.now_ns
        end_ns = now_ns() + SLICE_NS
        rows: Any
        try:
            rows = walk.take(lambda: now_ns() >= end_ns)
        except StoreError as error:
            self._lose(str(error))
            return
        last = not walk.more
        if last:
            del self._walks[number]
        worker.send(render_frame(BATCH, marshal.dumps((number, last, rows))))

    def _lose(self, text: str) -> None:
        """Nothing more can be read."""
        if self._worker is not None:
            self._worker.send(render_frame(LOST, msgspec.json.encode(text)))

    def _on_exit(self) -> None:
        self._worker = None
        self._fail("its process ended")

    def _on_late(self) -> None:
        self._timer = None
        self._end_badly("time", "")

    # What is answered

    def _is_heard(self) -> bool:
        reply = self._request.reply
        return reply is not None and self._request.home.sublist.has_interest(reply)

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._request.answer({"columns": self._columns, "up_to_seq": self._upto})

    def _send_rows(self, data: bytes) -> None:
        self._tell()
        self._sent_bytes += len(data)
        if self._sent_bytes > RESULT_BYTES:
            raise ValueError(f"more than {RESULT_BYTES} bytes")
        if not self._is_heard():
            self._finish()
            return
        self._publish(None, data)

    def _publish(self, header: bytes | None, payload: bytes) -> None:
        reply = self._request.reply
        if reply:
            self._request.home.publish(reply, None, header, payload)

    def _end(self, rows: int, cut: str) -> None:
        self._tell()
        more = {"Nats_Rows": b"%d" % rows}
        if cut in ("rows", "bytes"):
            more["Nats_Cut_By"] = cut.encode()
        self._publish(headers.status(204, b"EOB", **more), b"")
        self._finish()

    def _end_badly(self, what: str, text: str) -> None:
        if what not in STATUS:
            self._fail(text)
            return
        if not self._told:
            limit = render_duration(self._timeout_ns)
            self._refuse(ApiError(ERRORS[what], err=text, limit=limit))
            return
        self._break_off(*STATUS[what], text)

    def _fail(self, text: str) -> None:
        if self._done:
            return
        home = self._request.home
        home.log.warn(f"An SQL query of account {home.name!r} failed: {text}")
        if not self._told:
            self._refuse(ApiError("SQL_FAILED", err=text))
            return
        self._break_off(500, b"Failed", text)

    def _break_off(self, code: int, status: bytes, text: str) -> None:
        """Say that rows are missing."""
        line = " ".join(text.split()).encode("utf-8", "replace")
        self._publish(headers.status(code, status, **({"Nats_Error": line} if line else {})), b"")
        self._finish()

    def _refuse(self, error: ApiError) -> None:
        if self._done:
            return
        self._request.refuse(error)
        self._finish()

    def _finish(self) -> None:
        if self._done:
            return
        self._done = True
        if self._timer is not None:
            self._timer.cancel()
        if self._worker is not None:
            self._worker.kill()
        self._walks.clear()
        self._worker = self._stream = None
        if self._on_end is not None:
            self._on_end()
