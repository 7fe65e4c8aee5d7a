"""A listening socket on the event loop: accepts a bounded number of connections per wake-up and hands each on."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from natsd.base.clock import MS_NS, SECOND_NS
from natsd.base.errors import ListenError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from typing import Protocol

    from natsd.base.clock import Timers

    class Log(Protocol):
        """What a listener writes to the log with."""

        def error(self, text: str) -> None: ...


ANY_HOSTS = ("", "0.0.0.0", "::")
BACKLOG = 65535  # the system lowers it to what it allows
ACCEPTS_PER_WAKE = 128
SHORTEST_REST_NS = 10 * MS_NS
LONGEST_REST_NS = SECOND_NS


def join_host_port(host: str, port: int) -> str:
    """`host:port`, with brackets round an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind(host: str, port: int) -> socket.socket:
    """A non-blocking listening TCP socket; port 0 for any free one.

    A host that means every address (0.0.0.0, :: or nothing) listens on IPv6 and IPv4 alike where the machine has both.
    Raises ListenError.
    """
    try:
        if host in ANY_HOSTS:
            try:
                return _bind(socket.AF_INET6, "::", port, dual=True)
            except OSError as error:
                if isinstance(error, PermissionError) or error.errno in _BUSY or host == "::":
                    raise
                return _bind(socket.AF_INET, "0.0.0.0", port, dual=False)
        family, address = _resolve(host, port)
        return _bind(family, address, port, dual=False)
    except (OSError, OverflowError) as error:
        text = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        if isinstance(error, socket.gaierror):
            text = error.strerror or text
        raise ListenError(f"listen tcp {join_host_port(host, port)}: {text}") from error


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # One address of a name is listened on, an IPv4 one where there is a choice.
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, str(address[0])


def _bind(family: socket.AddressFamily, address: str, port: int, *, dual: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _numbers(*names: str) -> frozenset[int]:
    import errno

    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


_BUSY = _numbers("EADDRINUSE", "EACCES")
_PASSING = _numbers("ECONNABORTED", "EINTR", "EPROTO", "ENETDOWN", "EHOSTUNREACH", "ENETUNREACH", "ECONNRESET")


class Listener:
    """Accepts on one socket. `on_accept` gets each new socket, non-blocking, with the peer's address and port."""

    __slots__ = ("_log", "_loop", "_on_accept", "_rest_ns", "_sock", "_timers", "name", "port")

    def __init__(
        self,
        loop: AbstractEventLoop,
        timers: Timers,
        log: Log,
        sock: socket.socket,
        on_accept: Callable[[socket.socket, str, int], None],
        name: str = "Client",
    ) -> None:
        self._loop = loop
        self._timers = timers
        self._log = log
        self._sock: socket.socket | None = sock
        self._on_accept = on_accept
        self._rest_ns = 0
        self.name = name
        self.port = int(sock.getsockname()[1])
        loop.add_reader(sock.fileno(), self.on_acceptable)

    def on_acceptable(self) -> None:
        """Connections wait: take some of them, the loop comes again for more."""
        for _ in range(ACCEPTS_PER_WAKE):
            if self._sock is None:
                return
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _PASSING:
                    continue  # that one connection is gone already
                self._rest(error)
                return
            self._rest_ns = 0
            sock.setblocking(False)
            ip = address[0]
            self._on_accept(sock, ip[7:] if ip.startswith("::ffff:") else ip, address[1])

    def _rest(self, error: OSError) -> None:
        # Out of descriptors or memory: what waits stays in the backlog until there is room. One line per such spell.
        if not self._rest_ns:
            text = os.strerror(error.errno or 0).lower()
            self._log.error(f"Temporary {self.name} Accept Error({text}), sleeping {SHORTEST_REST_NS // MS_NS}ms")
        self._rest_ns = min(max(self._rest_ns * 2, SHORTEST_REST_NS), LONGEST_REST_NS)
        assert self._sock is not None
        self._loop.remove_reader(self._sock.fileno())
        self._timers.schedule(self._rest_ns, self._go_on)

    def _go_on(self) -> None:
        if self._sock is not None:
            self._loop.add_reader(self._sock.fileno(), self.on_acceptable)

    def close(self) -> None:
        """Accept no more and free the port."""
        if self._sock is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None
