"""Sends documents as messages of the server's own: rendered piece by piece, so that a long one stalls nobody.

At most MOST_WAITING long answers are made at a time; who asks for one more is told to come back. The page for them is
/ipqueuesz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.monitor.document import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator
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
        self._go_on(sublist, subject, header, pieces(document, ""), [], compressor, first=True)

    def _go_on(
        self,
        sublist: Sublist,
        subject: bytes,
        header: bytes | None,
        text: Iterator[str],
        made: list[bytes],
        compressor: Compressor | None,
        *,
        first: bool = False,
    ) -> None:
        until = self._clock.now_ns() + SLICE_NS
        try:
            for piece in text:
                data = piece.encode("utf-8", "replace")
                made.append(data if compressor is None else compressor.compress(data))
                if self._clock.now_ns() >= until:
                    if first:
                        self.waiting += 1
                    self._timers.schedule(
                        0, lambda: self._go_on(sublist, subject, header, text, made, compressor)
                    )
                    return
        except Exception as error:  # noqa: BLE001 - one broken answer must not take the asker's connection with it
            self._log.error(f"Error building an answer of the system account: {error!r}")
            made = []
        if not first:
            self.waiting -= 1
        if made:
            if compressor is not None:
                made.append(compressor.finish())
            sublist.publish(subject, None, header, b"".join(made))
