"""Sessions in memory as a place for transcripts: no sockets, exact divisions of bytes, a clock moved by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.base.chance import SeededChance
from natsd.base.clock import SECOND_NS, HandClock
from natsd.base.version import NATS_VERSION
from natsd.cli.server_flags import parse
from natsd.server.options import Options, split_host_port
from natsd.server.server import Server
from natsd.session.session import Session

if TYPE_CHECKING:
    from natsd.kernel import Outbound
    from tests.transcript import Line


class MemoryLine:
    """A session's wire on one side, a transcript's line on the other."""

    def __init__(self, place: MemoryPlace) -> None:
        self._place = place
        self._arrived = b""
        self._ended = False
        self._session = Session(place.server.roster, self, place.server.host, 50_000)
        self._session.open()
        place.server.road.settle()

    def send(self, data: bytes) -> None:
        if not self._ended:
            self._session.inbound.take_in(data)

    def receive(self, wait_s: float) -> bytes | None:
        if not self._arrived and not self._ended:
            self._place.wait(wait_s)
        arrived, self._arrived = self._arrived, b""
        return arrived if arrived or not self._ended else None

    def on_output(self) -> None:
        self._arrived += self._session.outbound.take()

    def on_blocked(self) -> None:
        raise AssertionError("memory is never full")

    def pause(self, receivers: list[Outbound]) -> bool:
        return False

    def close(self, *, flush: bool = False, linger: bool = False) -> None:
        """Called by the session to end the connection, and by the transcript to hang up."""
        if self._ended:
            return
        self._ended = True
        if not self._session.closed:
            self._session.on_eof()
        elif flush:
            self._arrived += self._session.outbound.take()


class MemoryPlace:
    """A server that was wired and never started."""

    settle_s = 0.0

    def __init__(self, flags: list[str], options: dict[str, Any]) -> None:
        self.version = tuple(int(part) for part in NATS_VERSION.split("."))
        self._clock = HandClock()
        every: dict[str, Any] = {"host": "127.0.0.1", **parse(flags).options, **options}
        self.server = Server(Options(**every), clock=self._clock, chance=SeededChance())
        self._clock.timers = self.server.timers
        info = self.server.roster.info
        info.host, info.port = self.server.host, self.server.port
        if advertise := self.server.options.client_advertise:
            info.host, info.port = split_host_port(advertise, self.server.port)
        info.refresh()

    def dial(self) -> MemoryLine:
        return MemoryLine(self)

    def hang_up(self, line: Line) -> None:
        line.close()

    def now(self) -> float:
        return self._clock.now_ns() / SECOND_NS

    def wait(self, seconds: float) -> None:
        self._clock.move(seconds)
        self.server.road.settle()

    def tell(self, order: str) -> None:
        raise NotImplementedError(order)
