"""Peers for tests of bad input: a client of raw bytes, and a pair that shows that others are undisturbed."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from tests.places import PATIENCE_S, ServerProcess

CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'


class Peer:
    """A blocking connection with a time limit on every wait."""

    def __init__(self, server: ServerProcess, connect: bytes = CONNECT, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((server.host, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.inbox = b""
        self.greeting = self.line()
        if connect:
            self.send(connect)
            self.settle()

    def send(self, data: bytes) -> bool:
        """Send all of it; False when the server is gone."""
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            return False
        return True

    def _more(self) -> bool:
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            return False
        self.inbox += data
        return bool(data)

    def exactly(self, size: int) -> bytes:
        """So many bytes of whole frames; a PING of the server between them is answered and passed over."""
        at = 0
        while at < size:
            while (end := self.inbox.find(b"\r\n", at)) < 0:
                self._need_more()
            line = self.inbox[at:end]
            if line == b"PING":
                self.inbox = self.inbox[:at] + self.inbox[end + 2 :]
                self.send(b"PONG\r\n")
                continue
            at = end + 2
            if line.startswith((b"MSG ", b"HMSG ")):
                at += int(line.split()[-1]) + 2
        while len(self.inbox) < size:
            self._need_more()
        data, self.inbox = self.inbox[:size], self.inbox[size:]
        return data

    def _need_more(self) -> None:
        assert self._more(), f"closed after {self.inbox[:200]!r}"

    def line(self) -> bytes:
        """The next line without its end; a PING of the server is answered and passed over."""
        while (end := self.inbox.find(b"\r\n")) < 0:
            self._need_more()
        line, self.inbox = self.inbox[:end], self.inbox[end + 2 :]
        if line == b"PING":
            self.send(b"PONG\r\n")
            return self.line()
        return line

    def settle(self) -> None:
        """Everything sent so far was understood."""
        self.send(b"PING\r\n")
        assert self.line() == b"PONG"

    def rest(self) -> bytes:
        """Everything until the server closes the connection; fails when it does not."""
        while self._more():
            pass
        return self.inbox

    def end(self) -> None:
        """Say that nothing more will come, and go on listening."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Hang up with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()


class HealthyPair:
    """A publisher and a subscriber that exchange small messages; leaving the block asks whether they always could.

    `worst_s` is the longest that the server was allowed to work on other things before a message went through. How long
    it waited for the processor meanwhile is left out: that is for the machine to say.
    """

    def __init__(self, server: ServerProcess, worst_s: float = 2.0) -> None:
        self._server = server
        self._subscriber = Peer(server)
        self._subscriber.send(b"SUB healthy.pair 1\r\n")
        self._subscriber.settle()
        self._publisher = Peer(server)
        self._allowed_s = worst_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._exchange)
        self._failure = ""
        self.count = 0
        self.worst_s = 0.0

    def _exchange(self) -> None:
        try:
            while not self._ended.is_set():
                text = b"%08d" % self.count
                begin = self._server.cpu_s()
                self._publisher.send(b"PUB healthy.pair 8\r\n" + text + b"\r\n")
                assert self._subscriber.line() == b"MSG healthy.pair 1 8"
                assert self._subscriber.line() == text
                self.worst_s = max(self.worst_s, self._server.cpu_s() - begin)
                self.count += 1
                time.sleep(0.001)
        except (AssertionError, OSError) as error:
            self._failure = repr(error)

    def __enter__(self) -> HealthyPair:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(2 * PATIENCE_S)
        self._publisher.close()
        self._subscriber.close()
        if kind is None:
            assert not self._failure, f"the healthy pair broke off: {self._failure}"
            assert self.count > 0
            assert self.worst_s < self._allowed_s, (
                f"a message of the healthy pair waited for {self.worst_s:.3f} s of work"
            )


def eventually(holds: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Ask again and again until it holds."""
    ends = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True
