"""One TCP connection: a socket that never blocks and poll() with time-outs around it.

While a write waits for room, what the server sends meanwhile is taken in. Without that a client that publishes and
subscribes on one connection can hang: the server does not read on before we do.
"""

from __future__ import annotations

import select
import socket
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES = 262144
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class TlsFiles:
    """What TLS is done with: PEM files, empty where there is none. `first`: the handshake comes before INFO."""

    __slots__ = ("ca_file", "cert_file", "first", "key_file")

    def __init__(self, *, cert_file: str = "", key_file: str = "", ca_file: str = "", first: bool = False) -> None:
        self.cert_file = cert_file
        self.key_file = key_file
        self.ca_file = ca_file
        self.first = first

    @property
    def wanted(self) -> bool:
        """Whether TLS is asked for, and not only done where the server asks."""
        return bool(self.cert_file or self.ca_file or self.first)


class Transport:
    """A connected socket. Socket errors come out as OSError, the peer's end as EOFError."""

    __slots__ = ("_sock", "fd", "sent")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fd = sock.fileno()
        self.sent = 0

    def read(self, timeout_s: float | None) -> bytes | None:
        """What has come, or None when nothing comes in time."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while True:
            data = self.read_now()
            if data is not None:
                return data
            # Readable does not mean that there is something for us: under TLS it may be a session ticket.
            left = None if deadline is None else deadline - monotonic()
            if (left is not None and left <= 0) or not self.wait(left)[0]:
                return None

    def read_now(self) -> bytes | None:
        """What has come already, or None."""
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return None
        if not data:
            raise EOFError
        return data

    def wait(self, timeout_s: float | None, other_fd: int = -1, to_write: bool = False) -> tuple[bool, bool]:
        """Wait for the socket or another descriptor: (socket has something to read, other one is ready).

        With `to_write` the other one is room to write on the socket.
        """
        poll = select.poll()
        poll.register(self.fd, select.POLLIN | select.POLLOUT if to_write else select.POLLIN)
        if other_fd >= 0:
            poll.register(other_fd, select.POLLIN)
        readable = other = False
        for fd, what in poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000):
            if fd == self.fd:
                readable = bool(what & _READABLE)
                other = other or bool(what & select.POLLOUT)
            else:
                other = True
        return readable, other

    def write(self, data: bytes | bytearray | memoryview, take: Callable[[bytes], None], stall_s: float) -> None:
        """Send everything; `take` gets what arrives meanwhile. After an error `sent` tells how far it came.

        TimeoutError when nothing can be sent for `stall_s`.
        """
        self.sent = 0
        view = memoryview(data)
        size = len(view)
        while self.sent < size:
            try:
                self.sent += self._sock.send(view[self.sent :])
            except BlockingIOError:
                readable, writable = self.wait(stall_s, to_write=True)
                if readable:
                    arrived = self.read_now()
                    if arrived is not None:
                        take(arrived)
                elif not writable:
                    raise TimeoutError(f"nothing could be sent for {stall_s:g} s") from None

    def release(self) -> socket.socket:
        """The socket, for somebody else to go on with."""
        return self._sock

    def close(self) -> None:
        self._sock.close()


def open_transport(host: str, port: int, timeout_s: float) -> Transport:
    """Connect to the first address of the host that answers. Raises OSError."""
    # As bytes an ASCII name passes without the IDNA codec, whose import takes longer than the look-up.
    name: str | bytes = host.encode() if host.isascii() else host
    return Transport(socket.create_connection((name, port), timeout_s))  # type: ignore[arg-type]
