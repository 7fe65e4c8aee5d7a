"""Sends documents as messages of the server's own: rendered piece by piece, so that a long one stalls nobody.

At most MOST_WAITING long answers are made at a time; who asks for one more is told to come back. The page for them is
/ipqueuesz.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from natsd.monitor.document import pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from natsd.base.clock import Clock, Timers
    from natsd.kernel import Sublist
    from natsd.monitor.document import Document, Steps

    class Log(Protocol):
        """What is written to when a document cannot be made."""

        def error(self, text: str) -> None: ...

    class Compressor(Protocol):
        """Compresses piece by piece."""

        def compress(self, data: bytes) -> bytes: ...
        def finish(self) -> bytes: ...


SLICE_NS = 1_000_000
"""How long rendering goes on before others have their turn."""
MOST_WAITING = 64


class Gzip:
    """The gzip form, at a level that keeps each piece short."""

    __slots__ = ("_compressor", "finish")

    def __init__(self) -> None:
        import zlib

        self._compressor = zlib.compressobj(1, wbits=31)
        self.finish = self._compressor.flush

    def compress(self, data: bytes) -> bytes:
        return self._compressor.compress(data)


class Snappy:
    """The framed snappy form."""

    __slots__ = ("_compressor",)

    def __init__(self) -> None:
        from cramjam import snappy

        self._compressor = snappy.Compressor()

    def compress(self, data: bytes) -> bytes:
        self._compressor.compress(data)
        return b""

    def finish(self) -> bytes:
        return bytes(self._compressor.finish())


class Sender:
    """Sends for one server."""

    __slots__ = ("_clock", "_log", "_timers", "waiting")

    def __init__(self, clock: Clock, timers: Timers, log: Log) -> None:
        self._clock = clock
        self._timers = timers
        self._log = log
        self.waiting = 0
        """Long answers that are being made."""

    @property
    def full(self) -> bool:
        """Whether no more long answers are taken."""
        return self.waiting >= MOST_WAITING

    def send(self, sublist: Sublist, subject: bytes, document: Document | Steps, encoding: str = "") -> None:
        """Publish a document, compressed as `accepted_encoding` has it."""
        compressor: Compressor | None = Gzip() if encoding == "gzip" else Snappy() if encoding == "snappy" else None
        header = f"NATS/1.0\r\nContent-Encoding: {encoding}\r\n\r\n".encode() if encoding else None
        answer = _Answer(self._clock, pieces(document, ""), compressor)

        def publish(body: bytes) -> None:
            sublist.publish(subject, None, header, body)

        try:
            if answer.go_on():
                publish(answer.body())
                return
        except Exception as error:  # noqa: BLE001 - one broken answer must not take the asker's connection with it
            self._complain(error)
            return
        self.waiting += 1
        self._timers.schedule(0, lambda: self._go_on(answer, publish))

    def _go_on(self, answer: _Answer, publish: Callable[[bytes], None]) -> None:
        try:
            done = answer.go_on()
            body = answer.body() if done else b""
        except Exception as error:  # noqa: BLE001 - as above
            self.waiting -= 1
            self._complain(error)
            return
        if done:
            self.waiting -= 1
            # In a turn of its own, because a message of megabytes takes its time, too.
            self._timers.schedule(0, lambda: publish(body))
        else:
            self._timers.schedule(0, lambda: self._go_on(answer, publish))

    def _complain(self, error: Exception) -> None:
        self._log.error(f"Error building an answer of the system account: {error!r}")


class _Answer:
    """One document on its way to being bytes."""

    __slots__ = ("_clock", "_compressor", "_made", "_text")

    def __init__(self, clock: Clock, text: Iterator[str], compressor: Compressor | None) -> None:
        self._clock = clock
        self._text = text
        self._compressor = compressor
        self._made = BytesIO()

    def go_on(self) -> bool:
        """Make more of it for a while; True when nothing is left to make."""
        until = self._clock.now_ns() + SLICE_NS
        for piece in self._text:
            data = piece.encode("utf-8", "replace")
            self._made.write(data if self._compressor is None else self._compressor.compress(data))
            if self._clock.now_ns() >= until:
                return False
        return True

    def body(self) -> bytes:
        """All of it."""
        if self._compressor is not None:
            self._made.write(self._compressor.finish())
        return self._made.getvalue()
