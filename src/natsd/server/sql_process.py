"""The processes that run SQL queries for JetStream: natsd.sql.child at the other end of a socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from natsd.base.clock import MS_NS

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from natsd.base.clock import Timers

PROGRAM = "from natsd.sql.child import main; main()"
READ_BYTES = 256 << 10
REAP_NS = 20 * MS_NS


def environment() -> dict[str, str]:
    """What the process needs to find what we find, and nothing else."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PYTHONHOME") if name in os.environ}
    # An editable install may be found by other means than the path.
    home = str(Path(__file__).resolve().parents[2])
    return {**kept, "PYTHONPATH": os.pathsep.join([home, *(path for path in sys.path if path)])}


class SqlProcess:
    """One of them. What it says comes to `on_bytes`; on_end is called when it ended by itself."""

    __slots__ = ("_left", "_loop", "_on_bytes", "_on_end", "_process", "_socket", "_timers", "_unsent")

    def __init__(
        self,
        loop: AbstractEventLoop,
        timers: Timers,
        left: set[subprocess.Popen[bytes]],
        on_bytes: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        """left: processes that have not ended, as far as we know. Raises OSError."""
        self._loop = loop
        self._timers = timers
        self._left = left
        self._on_bytes = on_bytes
        self._on_end = on_end
        self._unsent = bytearray()
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)
            self._process = subprocess.Popen(
                # Without site: it imports four modules of ours and little else.
                [sys.executable, "-S", "-c", PROGRAM],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment(),
                # Ctrl-C at a terminal is for the server.
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        left.add(self._process)
        self._socket: socket.socket | None = ours
        loop.add_reader(ours.fileno(), self._on_readable)

    def send(self, data: bytes) -> None:
        sock = self._socket
        if sock is None:
            return
        if self._unsent:
            self._unsent += data
            return
        sent = 0
        try:
            sent = sock.send(data)
        except BlockingIOError:
            pass
        except OSError:
            # Its end is seen when we read.
            return
        if sent < len(data):
            self._unsent += data[sent:]
            self._loop.add_writer(sock.fileno(), self._on_writable)

    def _on_writable(self) -> None:
        sock = self._socket
        if sock is None:
            return
        try:
            del self._unsent[: sock.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()
        if not self._unsent:
            self._loop.remove_writer(sock.fileno())

    def _on_readable(self) -> None:
        sock = self._socket
        if sock is None:
            return
        try:
            data = sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._on_bytes(data)
            return
        self._let_go()
        self._on_end()

    def kill(self) -> None:
        """End it, and hear nothing of it any more."""
        if self._socket is not None:
            self._process.kill()
            self._let_go()

    def _let_go(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
            sock.close()
        self._reap()

    def _reap(self) -> None:
        """Take note of its end, which comes soon, without waiting for it."""
        if self._process.poll() is not None:
            self._left.discard(self._process)
        else:
            self._timers.schedule(REAP_NS, self._reap)


class SqlProcesses:
    """Starts them."""

    __slots__ = ("_left", "_loop", "_timers")

    def __init__(self, loop: AbstractEventLoop, timers: Timers) -> None:
        self._loop = loop
        self._timers = timers
        self._left: set[subprocess.Popen[bytes]] = set()

    def start(self, on_bytes: Callable[[bytes], None], on_end: Callable[[], None]) -> SqlProcess:
        """Raises OSError."""
        if find_spec("apsw") is None:
            raise OSError("the library apsw is not installed")
        if not sys.executable:
            raise OSError("there is no Python to start")
        return SqlProcess(self._loop, self._timers, self._left, on_bytes, on_end)

    def close(self) -> None:
        """Leave none of them behind."""
        for process in self._left:
            process.kill()
            process.wait()
        self._left.clear()
