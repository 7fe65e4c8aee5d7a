"""A sink for the log that sends entries to a syslog daemon: the local one, or a remote one over UDP or TCP.

Nothing here waits. What a daemon does not take is lost, and how much that was is told when it takes entries again.
Priorities and layouts are those of the Go server: local entries are a daemon's, remote ones carry the host.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from natsd.base.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable

SEVERITIES = {"INF": 5, "DBG": 7, "WRN": 4, "ERR": 3, "FTL": 2, "TRC": 5}
DAEMON = 3 << 3
LOCAL_SOCKETS = ("/dev/log", "/var/run/syslog", "/var/run/log")
CONNECT_TIMEOUT_S = 2.0
"""For the first connection, made before anything is served."""
RETRY_NS = 5_000_000_000
"""How long a daemon that went away is left alone."""
DEFAULT_PORT = 514
TAG = "nats-server"
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Syslog:
    """Entries for a syslog daemon. address: `udp://host:port`, `tcp://host:port`, `unix:///path`; empty for the local
    one. Raises OptionsError when it cannot be reached.
    """

    __slots__ = ("_host", "_kind", "_lost", "_peer", "_remote", "_retry_at_ns", "_sock", "_stream", "_wall_ns")

    def __init__(self, address: str = "", wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._wall_ns = wall_ns
        self._lost = 0
        self._retry_at_ns = 0
        self._remote = bool(address)
        self._host = socket.gethostname() or "localhost"
        try:
            sock = connect(address)
        except (OSError, ValueError) as error:
            why = (getattr(error, "strerror", None) or str(error)).lower()
            raise OptionsError(f"error connecting to syslog: {why}") from None
        sock.setblocking(False)
        self._sock: socket.socket | None = sock
        self._kind = (sock.family, sock.type)
        self._peer: Any = sock.getpeername()
        self._stream = sock.type == socket.SOCK_STREAM

    def enter(self, label: str, text: str) -> None:
        """Send one entry."""
        if self._sock is None and not self._reconnect():
            self._lost += 1
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            if not self._send(self.render("WRN", f"{lost} log entries were lost, syslog did not take them")):
                self._lost += lost
        if not self._send(self.render(label, text)):
            self._lost += 1

    def write(self, line: bytes) -> None:
        """Send a line as an entry."""
        self.enter("INF", line.decode("utf-8", "replace").rstrip("\n"))

    def render(self, label: str, text: str) -> bytes:
        """One entry as it goes to the daemon."""
        second = self._wall_ns() // 1_000_000_000
        now = time.localtime(second)
        if self._remote:
            zone = time.strftime("%z", now)
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", now) + ("Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}")
            return f"<{SEVERITIES[label]}>{stamp} {self._host} {TAG}[{os.getpid()}]: {text}\n".encode()
        stamp = f"{MONTHS[now.tm_mon - 1]} {now.tm_mday:2d} {now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d}"
        return f"<{DAEMON | SEVERITIES[label]}>{stamp} {TAG}[{os.getpid()}]: {text}\n".encode()

    def _send(self, entry: bytes) -> bool:
        if self._sock is None:
            return False
        try:
            sent = self._sock.send(entry)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            # A datagram to nobody tells of the one before it; a broken stream has to be made anew.
            if self._stream:
                self._drop()
            return False
        if sent < len(entry) and self._stream:
            self._drop()  # half an entry would run into the next one
            return False
        return True

    def _drop(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._retry_at_ns = self._wall_ns() + RETRY_NS

    def _reconnect(self) -> bool:
        if self._wall_ns() < self._retry_at_ns:
            return False
        # Where it is was found out once: names are not looked up while messages wait.
        sock = socket.socket(*self._kind)
        sock.setblocking(False)
        try:
            sock.connect(self._peer)
        except BlockingIOError:
            pass  # entries are lost until it is there
        except OSError:
            sock.close()
            self._drop()
            return False
        self._sock = sock
        return True

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
            self._retry_at_ns = 1 << 63


def connect(address: str) -> socket.socket:
    """A socket to the daemon. Raises OSError and ValueError."""
    if not address:
        for path in LOCAL_SOCKETS:
            if os.path.exists(path):
                return _unix(path)
        raise OSError("unix syslog delivery error")
    parts = urlsplit(address)
    if parts.scheme == "unix":
        return _unix(parts.path)
    if parts.scheme not in ("udp", "tcp"):
        raise ValueError(f'invalid network type: "{parts.scheme}"')
    kind = socket.SOCK_DGRAM if parts.scheme == "udp" else socket.SOCK_STREAM
    family, _, _, _, where = socket.getaddrinfo(parts.hostname or "localhost", parts.port or DEFAULT_PORT, type=kind)[0]
    return _connected(socket.socket(family, kind), where)


def _unix(path: str) -> socket.socket:
    try:
        return _connected(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), path)
    except OSError:
        return _connected(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path)


def _connected(sock: socket.socket, where: Any) -> socket.socket:
    try:
        sock.settimeout(CONNECT_TIMEOUT_S)
        sock.connect(where)
    except OSError:
        sock.close()
        raise
    return sock
