"""The HTTP listener of the monitoring pages: GET and HEAD, nothing else. What the pages say is in endpoints.py.

Its own because the pages must be up before the server is ready, and a web framework takes longer to import than the
whole server takes to start. It promises little and keeps to limits:

1. A request is a head of at most MAX_HEAD_BYTES, complete within HEAD_TIMEOUT_S of its first byte; a body is not read.
2. At most MAX_VISITORS connections, and under TLS as many that are shaking hands, for HEAD_TIMEOUT_S at most. One more
   takes the place of the one idle longest, or is told to come back later.
3. A page is rendered and sent piece by piece, each turn of the event loop at most for SLICE_NS and only as fast as the
   visitor reads; one who reads nothing for WRITE_TIMEOUT_S is cut off.
"""

from __future__ import annotations

import asyncio
import time
from posixpath import normpath
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from natsd.monitor.query import BadQuery, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socket import socket
    from ssl import SSLContext

    from natsd.base.clock import Clock
    from natsd.base.log import Log

MAX_HEAD_BYTES = 32 * 1024
HEAD_TIMEOUT_S = 5.0
IDLE_TIMEOUT_S = 60.0
WRITE_TIMEOUT_S = 30.0
MAX_VISITORS = 256
SLICE_NS = 1_000_000
REST_S = 0.5
"""How long nobody is let in when the system has no more descriptors."""
HIGH_WATER_BYTES = 64 * 1024
WHOLE_BYTES = 16 * 1024
"""A page up to this size is sent with its length, a longer one in chunks."""

REASONS = {
    200: "OK",
    301: "Moved Permanently",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
PLAIN = "text/plain; charset=utf-8"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Page:
    """An answer: status, content type and the text in pieces, rendered only when they are asked for."""

    __slots__ = ("status", "content_type", "body", "headers")

    def __init__(
        self, status: int, content_type: str, body: Iterator[str], headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.status = status
        self.content_type = content_type
        self.body = body
        self.headers = headers


def note(status: int, text: str, *headers: tuple[str, str]) -> Page:
    """A short answer in plain text."""
    return Page(status, PLAIN, iter((text,)), headers)


class Listener:
    """Serves pages on a socket that somebody bound; `find_page(path, query)` gives a page, None for unknown paths."""

    def __init__(self, find_page: Callable[[str, Query], Page | None], log: Log, clock: Clock) -> None:
        self.find_page = find_page
        self.log = log
        self.clock = clock
        self.visitors: set[Visitor] = set()
        self.handshakes: set[asyncio.Task[None]] = set()
        """Connections that have not shaken hands yet."""
        self._server: asyncio.Server | None = None
        self._listening: socket | None = None
        self._sweep: asyncio.TimerHandle | None = None

    async def start(self, listening: socket, context: SSLContext | None = None) -> None:
        """Begin to serve on a bound socket, with a context under TLS."""
        loop = asyncio.get_running_loop()
        if context is None:
            self._server = await loop.create_server(lambda: Visitor(self), sock=listening)
        else:
            # By hand, since what is shaking hands has to be counted.
            self._listening = listening
            loop.add_reader(listening.fileno(), self._accept, listening, context)
        self._sweep = loop.call_later(1, self._look_at_timeouts)

    def stop(self) -> None:
        """Stop listening and cut off everybody; idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for visitor in list(self.visitors):
            visitor.cut_off()
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None
        for handshake in list(self.handshakes):
            handshake.cancel()

    def _accept(self, listening: socket, context: SSLContext) -> None:
        for _ in range(MAX_VISITORS):
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # there is no room: whoever waits goes on waiting
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening.fileno())
                loop.call_later(REST_S, self._go_on_accepting, listening, context)
                return
            if len(self.handshakes) >= MAX_VISITORS:
                sock.close()
                continue
            sock.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._shake(sock, context))
            self.handshakes.add(task)
            task.add_done_callback(self.handshakes.discard)

    def _go_on_accepting(self, listening: socket, context: SSLContext) -> None:
        if self._listening is listening:
            asyncio.get_running_loop().add_reader(listening.fileno(), self._accept, listening, context)

    async def _shake(self, sock: socket, context: SSLContext) -> None:
        shaken = False
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Visitor(self), sock, ssl=context, ssl_handshake_timeout=HEAD_TIMEOUT_S
            )
            shaken = True
        except OSError:  # of which what TLS complains about is one kind, and having waited too long another
            pass
        finally:
            if not shaken:
                sock.close()

    def date(self) -> str:
        now = time.gmtime(self.clock.wall_ns() // 1_000_000_000)
        # Not strftime, which would speak the language of the locale.
        return (
            f"{DAYS[now.tm_wday]}, {now.tm_mday:02d} {MONTHS[now.tm_mon - 1]} {now.tm_year} "
            f"{now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d} GMT"
        )

    def admit(self, visitor: Visitor) -> bool:
        """Make room for a new connection, if need be at the cost of an idle one."""
        if len(self.visitors) >= MAX_VISITORS:
            idle = [other for other in self.visitors if other.idle]
            if not idle:
                return False
            min(idle, key=lambda other: other.deadline_ns).cut_off()
        self.visitors.add(visitor)
        return True

    def _look_at_timeouts(self) -> None:
        now = self.clock.now_ns()
        for visitor in list(self.visitors):
            if visitor.deadline_ns <= now:
                visitor.cut_off()
        self._sweep = asyncio.get_running_loop().call_later(1, self._look_at_timeouts)


class Visitor(asyncio.Protocol):
    """One connection: requests one after the other, each answered before the next is looked at."""

    __slots__ = ("_listener", "_transport", "_head", "_page", "_chunked", "_keep", "_quiet", "_writable", "deadline_ns")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._head = bytearray()
        self._page: Iterator[str] | None = None  # what is left of the page being sent
        self._chunked = False
        self._keep = False  # whether the connection outlives the page
        self._quiet = False  # a HEAD request: headers only
        self._writable = True
        self.deadline_ns = 0

    @property
    def idle(self) -> bool:
        return self._page is None and not self._head

    def cut_off(self) -> None:
        self._listener.visitors.discard(self)
        self._page = None
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.set_write_buffer_limits(HIGH_WATER_BYTES)
        if self._listener.admit(self):
            self._wait(HEAD_TIMEOUT_S)
        else:
            self._answer(note(503, "too many connections"), False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.visitors.discard(self)
        self._transport = None
        self._page = None

    def data_received(self, data: bytes) -> None:
        if not self._head and self._page is None:
            self._wait(HEAD_TIMEOUT_S)
        self._head += data
        if len(self._head) > MAX_HEAD_BYTES and self._transport is not None:
            # Whoever sends ahead waits for the answers; a head that is too long is found by the next look at it.
            self._transport.pause_reading()
        self._go_on()

    def eof_received(self) -> bool:
        # The other side may have said all it wants to say and still read the page.
        self._keep = False
        return self._page is not None

    def pause_writing(self) -> None:
        self._writable = False
        self._wait(WRITE_TIMEOUT_S)

    def resume_writing(self) -> None:
        self._writable = True
        self._go_on()

    def _go_on(self) -> None:
        """Do what can be done next: more of the page, or the next request."""
        if self._transport is None or self._transport.is_closing() or not self._writable:
            return
        if self._page is not None:
            self._send_more(self._page)
        elif self._head:
            self._take_request()

    def _go_on_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self._go_on)

    def _wait(self, seconds: float) -> None:
        self.deadline_ns = self._listener.clock.now_ns() + int(seconds * 1_000_000_000)

    # Requests.

    def _take_request(self) -> None:
        head = self._head
        # Empty lines before a request are allowed; some clients send one after the last body.
        while head.startswith((b"\r", b"\n")):
            del head[:1]
        ends = [at + len(mark) for mark in (b"\n\r\n", b"\n\n") if (at := head.find(mark)) >= 0]
        if not ends or min(ends) > MAX_HEAD_BYTES:
            if len(head) > MAX_HEAD_BYTES:
                self._answer(note(431, "431 Request Header Fields Too Large"), False)
            return
        lines = head[: min(ends)].decode("latin-1").split("\n")
        del head[: min(ends)]
        words = lines[0].strip().split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
            self._answer(note(400, "400 Bad Request"), False)
            return
        method, target, version = words
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        options = headers.get("connection", "").lower()
        keep = "close" not in options if version == "HTTP/1.1" else "keep-alive" in options
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            keep = False  # where the body ends is where the connection ends
        self._quiet = method == "HEAD"
        self._chunked = version == "HTTP/1.1"
        if method in ("GET", "HEAD"):
            self._answer(self._find_page(target), keep)
        else:
            self._answer(note(405, "405 method not allowed", ("Allow", "GET, HEAD")), keep)

    def _find_page(self, target: str) -> Page:
        try:
            parts = urlsplit(target if "://" in target.partition("?")[0] else "http://host" + target)
            path = unquote(parts.path, errors="strict") or "/"
            pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100)
        except ValueError:
            return note(400, "400 Bad Request")
        clean = "/" + normpath(path).lstrip("/") + ("/" if path.endswith("/") and path.strip("/") else "")
        if clean != path and clean.isascii() and clean.isprintable() and " " not in clean:
            return note(301, "Moved Permanently", ("Location", clean + ("?" + parts.query if parts.query else "")))
        try:
            page = self._listener.find_page(path, Query(dict(reversed(pairs))))
        except BadQuery as error:
            return note(400, str(error))
        except Exception as error:  # noqa: BLE001 - one broken page must not take the server with it
            return self._broken(error)
        return page or note(404, "404 page not found\n", ("X-Content-Type-Options", "nosniff"))

    def _broken(self, error: Exception) -> Page:
        self._listener.log.error(f"Error building a monitoring page: {error!r}")
        return note(500, "500 Internal Server Error")

    # Answers.

    def _answer(self, page: Page, keep: bool) -> None:
        whole = ""
        rest: Iterator[str] | None = None
        clock = self._listener.clock
        until = clock.now_ns() + SLICE_NS
        try:
            for piece in page.body:
                whole += piece
                if len(whole) > WHOLE_BYTES or clock.now_ns() >= until:
                    rest = page.body
                    break
        except Exception as error:  # noqa: BLE001 - as above
            self._answer(self._broken(error), keep)
            return
        data = whole.encode("utf-8", "replace")
        self._keep = keep and (rest is None or self._chunked)
        self._write(self._head_of(page, len(data) if rest is None else -1))
        if rest is None:
            self._chunked = False
            self._write_piece(data)
            self._finish()
        else:
            self._page = rest
            self._write_piece(data)
            self._go_on_soon()

    def _head_of(self, page: Page, length: int) -> bytes:
        lines = [f"HTTP/1.1 {page.status} {REASONS[page.status]}"]
        lines += [f"{name}: {value}" for name, value in page.headers]
        lines += [f"Content-Type: {page.content_type}", f"Date: {self._listener.date()}"]
        if length >= 0:
            lines.append(f"Content-Length: {length}")
        elif self._chunked:
            lines.append("Transfer-Encoding: chunked")
        if not self._keep:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _write_piece(self, data: bytes) -> None:
        if data and not self._quiet:
            self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def _send_more(self, page: Iterator[str]) -> None:
        clock = self._listener.clock
        until = clock.now_ns() + SLICE_NS
        self._wait(WRITE_TIMEOUT_S)
        try:
            for piece in page:
                self._write_piece(piece.encode("utf-8", "replace"))
                if not self._writable:
                    return
                if clock.now_ns() >= until:
                    self._go_on_soon()
                    return
        except Exception as error:  # noqa: BLE001 - half a page was sent: only breaking off says that it is not whole
            self._broken(error)
            self.cut_off()
            return
        if self._chunked and not self._quiet:
            self._write(b"0\r\n\r\n")
        self._finish()

    def _finish(self) -> None:
        self._page = None
        self._quiet = False
        if self._transport is None:
            return
        if not self._keep:
            # What is not read yet is still sent, but not for ever.
            self._wait(WRITE_TIMEOUT_S)
            self._transport.close()
            return
        self._wait(HEAD_TIMEOUT_S if self._head else IDLE_TIMEOUT_S)
        if len(self._head) <= MAX_HEAD_BYTES:
            self._transport.resume_reading()
        if self._head:
            self._go_on_soon()
