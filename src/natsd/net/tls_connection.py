"""One connection that speaks TLS, or may: the phases up to the handshake's end, and the bytes on both sides of OpenSSL.

The phases, each with its end:
1. waiting: nothing is said for a moment, in case the client begins with the handshake (handshake_first with a delay);
2. sniffing: INFO is out, and the first byte tells TLS from plain text; silence means plain text (allow_non_tls);
3. shaking: the handshake, and nothing else, within the TLS time-out;
4. secure or plain, for good.

Reading decrypts into a buffer that all connections of a listener share and gives the kernel everything at once.
Writing takes a piece from the outbound, encrypts it and sends it before the next is taken: what a slow client leaves
waits in the outbound, where it is counted, and at most one piece of it is on the way. OpenSSL's state is made when the
first byte of a handshake is there, so a silent peer costs no more than a plain one.
"""

from __future__ import annotations

import socket
import ssl
from errno import EAGAIN, EPROTO
from typing import TYPE_CHECKING

from natsd.base.tls_options import common_name_of
from natsd.net.connection import Connection
from natsd.net.tls_context import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from natsd.base.clock import Timer
    from natsd.net.connection import Network, Outbound, Peer
    from natsd.net.tls_context import Security

    class TlsOutbound(Outbound, Protocol):
        """A way out that lets its bytes be taken."""

        fd: int

        def take(self, most: int, /) -> bytes: ...

    class TlsPeer(Peer, Protocol):
        """Who is told how the phases go."""

        def on_eof(self) -> None: ...

        def greet(self) -> None: ...

        def enter(self) -> bool: ...

        def on_handshake(self) -> None: ...

        def on_throttled(self) -> None: ...

        def begin(self) -> None: ...

        def on_secure(self, version: str, cipher: str, certificate: bytes | None, *, first: bool) -> None: ...

        def on_tls_failed(self, text: str, *, probe: bool) -> None: ...

        def on_tls_timeout(self) -> None: ...


READ_BYTES = 262144
PIECE_BYTES = 32768
"""How much OpenSSL is given at a time, since its buffers never shrink."""
WRITE_BYTES = 131072
HANDSHAKE_RECORD = 0x16
_PROBES = frozenset(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL"))
"""What OpenSSL says when the first bytes are no TLS at all."""

_WAITING, _SNIFFING, _SHAKING, _SECURE, _PLAIN = range(5)


class Buffers:
    """What all TLS connections of one server use in turn. Encrypted bytes are moved on at once, so one output does."""

    __slots__ = ("encrypted", "output", "plain")

    def __init__(self) -> None:
        self.encrypted = memoryview(bytearray(READ_BYTES))
        self.plain = memoryview(bytearray(READ_BYTES + 2 * PIECE_BYTES))  # with the rest of an earlier record
        self.output = ssl.MemoryBIO()


class TlsConnection(Connection):
    """One accepted socket under TLS. `open` instead of `start`."""

    __slots__ = (
        "_buffers",
        "_greeted",
        "_in_flight",
        "_input",
        "_limit",
        "_phase",
        "_read_plain",
        "_security",
        "_take_in",
        "_tls",
        "_tls_peer",
        "_unsent",
        "_way_out",
    )

    def __init__(self, network: Network, sock: socket.socket, security: Security, buffers: Buffers) -> None:
        super().__init__(network, sock)
        self._security = security
        self._buffers = buffers
        self._phase = _SHAKING
        self._greeted = False
        self._limit: Timer | None = None  # the end of the present phase
        self._tls: ssl.SSLObject | None = None
        self._input: ssl.MemoryBIO | None = None
        self._unsent: memoryview | None = None  # bytes as they go on the wire
        self._in_flight = 0  # how many bytes of the outbound those are
        self._way_out: TlsOutbound
        self._tls_peer: TlsPeer
        self._read_plain: Callable[[int], None]
        self._take_in: Callable[[bytes], None]

    def open(
        self,
        outbound: TlsOutbound,
        peer: TlsPeer,
        read: Callable[[int], None],
        take_in: Callable[[bytes], None],
    ) -> None:
        """Begin. `read` is called as for `start` where it comes to plain text, `take_in` with what was decrypted."""
        self._way_out = outbound
        self._tls_peer = peer
        self._read_plain = read
        self._take_in = take_in
        self.start(outbound, peer, self._on_readable)
        security = self._security
        if not security.first:
            self._greeted = True
            peer.greet()
        if not peer.enter():
            return
        if self._greeted:
            self._go_on_greeted()
        elif security.delay_ns:
            self._phase = _WAITING
            self._limit = self.network.timers.schedule(security.delay_ns, self._on_limit)
        else:
            self._shake_within_limit()

    def read_by(self, read: Callable[[int], None], take_in: Callable[[bytes], None]) -> None:
        self._read_plain = read
        self._take_in = take_in
        if self._phase == _PLAIN:
            super().read_by(read, take_in)

    def _go_on_greeted(self) -> None:
        if self._security.allow_non_tls:
            self._phase = _SNIFFING
            self._limit = self.network.timers.schedule(self._security.timeout_ns, self._on_limit)
        else:
            self._shake_within_limit()

    def _shake_within_limit(self) -> None:
        self._stop_limit()
        self._phase = _SHAKING
        throttle = self.network.throttle
        if throttle is not None and not throttle.admit():
            self._tls_peer.on_throttled()
            return
        self._tls_peer.on_handshake()
        self._limit = self.network.timers.schedule(self._security.timeout_ns, self._on_limit)

    def _stop_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _on_limit(self) -> None:
        self._limit = None
        if self._phase == _WAITING:
            self._greeted = True
            self._tls_peer.greet()
            self._go_on_greeted()
        elif self._phase == _SNIFFING:
            self._go_plain()
        else:
            self._tls_peer.on_tls_timeout()

    def _go_plain(self) -> None:
        """From here on this is a connection like any other."""
        self._stop_limit()
        if self._send():
            self.peer.on_broken(EAGAIN)  # a socket that takes not even INFO
        if not self.is_open:
            return
        self._phase = _PLAIN
        self._way_out.fd = self.fd
        self._read = self._read_plain
        self.network.loop.remove_reader(self.fd)
        self.network.loop.add_reader(self.fd, self._read, self.fd)
        self._tls_peer.begin()

    # Reading.

    def _on_readable(self, fd: int) -> None:
        if self._phase == _WAITING:
            self._shake_within_limit()
            if not self.is_open:
                return
        elif self._phase == _SNIFFING:
            try:
                first = self._sock.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._on_read_error(error)
                return
            if not first or first[0] != HANDSHAKE_RECORD:
                self._go_plain()
                if self.is_open:
                    self._read(fd)
                return
            self._shake_within_limit()
            if not self.is_open:
                return
        encrypted = self._buffers.encrypted
        try:
            size = self._sock.recv_into(encrypted)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._on_read_error(error)
            return
        if not size:
            if self._phase == _SECURE:
                self._tls_peer.on_eof()
            else:
                self._tls_peer.on_tls_failed("EOF", probe=False)
            return
        self._decrypt(encrypted[:size])

    def _on_read_error(self, error: OSError) -> None:
        if self._phase == _SHAKING:
            self._tls_peer.on_tls_failed(describe(error), probe=False)
        else:
            self.peer.on_broken(error.errno or EPROTO)

    def _decrypt(self, encrypted: memoryview) -> None:
        if self._tls is None:
            self._send()  # INFO goes before the first byte of the handshake
            self._input = ssl.MemoryBIO()
            self._tls = self._security.context.wrap_bio(self._input, self._buffers.output, server_side=True)
        assert self._input is not None
        tls = self._tls
        read: Callable[[int, memoryview], int] = tls.read  # type: ignore[assignment]
        plain = self._buffers.plain
        filled = 0
        over = broken = False
        for at in range(0, len(encrypted), PIECE_BYTES):
            self._input.write(encrypted[at : at + PIECE_BYTES])
            if self._phase == _SHAKING and not self._shake(tls):
                if not self.is_open:
                    return
                continue
            try:
                while size := read(len(plain) - filled, plain[filled:]):
                    filled += size
                over = True  # a farewell is read as nothing
            except ssl.SSLWantReadError:
                continue
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                over = True
            except ssl.SSLError:
                broken = True
            break
        self._collect()
        if filled:
            self._take_in(bytes(plain[:filled]))
        if not self.is_open:
            return
        if over:
            self._tls_peer.on_eof()
        elif broken:
            self._push()  # the alert that says what was wrong
            self.peer.on_broken(EPROTO)
        elif self._unsent is not None:
            self.on_output()

    def _shake(self, tls: ssl.SSLObject) -> bool:
        """One step of the handshake; whether it is done."""
        failure = None
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            self._collect()
            self.on_output()
            return False
        except ssl.SSLError as error:
            failure = error
        self._collect()
        if failure is not None:
            self._push()
            probe = failure.reason in _PROBES
            text = "the first record does not look like a TLS handshake" if probe else describe(failure)
            self._tls_peer.on_tls_failed(text, probe=probe)
            return False
        certificate = tls.getpeercert(binary_form=True)
        if not self._security.admits(certificate):
            self._tls_peer.on_tls_failed("certificate not pinned", probe=False)
            return False
        self._stop_limit()
        self._phase = _SECURE
        cipher = tls.cipher()
        self._tls_peer.on_secure(
            (tls.version() or "").removeprefix("TLSv"),
            common_name_of(cipher[0]) if cipher else "",
            certificate,
            first=not self._greeted,
        )
        return self.is_open

    # Writing.

    def _collect(self) -> None:
        """What OpenSSL has put out is now ours to send."""
        output = self._buffers.output
        if output.pending:
            data = output.read()
            self._unsent = memoryview(data if self._unsent is None else bytes(self._unsent) + data)

    def _push(self) -> bool:
        """Send what is ready for the wire; whether all of it went."""
        while self._unsent is not None:
            try:
                size = self._sock.send(self._unsent)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                self._unsent = None
                self.outbound.close()
                self.peer.on_broken(error.errno or EPROTO)
                return False
            self._unsent = self._unsent[size:] if size < len(self._unsent) else None
        self._in_flight = 0
        return True

    def _send(self) -> int:
        if self._phase == _PLAIN:
            return self.outbound.send()
        outbound = self._way_out
        tls = self._tls
        while self._push():
            if not outbound.pending or (tls is not None and self._phase != _SECURE):
                return 0
            data = outbound.take(WRITE_BYTES)
            self._in_flight = len(data)
            if tls is None:
                self._unsent = memoryview(data)
                continue
            try:
                written = tls.write(data)
                while written < len(data):
                    written += tls.write(data[written:])
            except ssl.SSLError:
                self._collect()
                outbound.close()
                self.peer.on_broken(EPROTO)
                return 0
            self._collect()
        return outbound.pending + (len(self._unsent) if self._unsent is not None else 0)

    def _sent(self) -> int:
        return self.outbound.sent_bytes - self._in_flight

    def on_output(self) -> None:
        """The outbound has bytes to be taken."""
        if not self._writing and self.is_open and self._send():
            self.on_blocked()

    # Closing.

    def _end_flush(self) -> None:
        if self._tls is not None and self._phase == _SECURE:
            try:
                self._tls.unwrap()
            except (ssl.SSLError, OSError):
                pass  # the other side has not said the same yet, and need not
            self._collect()
            if self._unsent is not None:
                try:
                    self._sock.send(self._unsent)
                except OSError:
                    pass
                self._unsent = None
        super()._end_flush()

    def _free(self) -> None:
        self._stop_limit()
        super()._free()
        self._tls = self._input = self._unsent = None
