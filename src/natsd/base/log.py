"""The log: one line per entry, in the layout that people and wrappers know from `nats-server`.

`[pid] YYYY/MM/DD HH:MM:SS.uuuuuu [INF] text`. Text can come from a peer (names, subjects, payloads), so nothing in it
may end a line or drive a terminal. When to log what, and leaving the process after a fatal entry, is the caller's.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Sink(Protocol):
        """Where finished lines go."""

        def write(self, line: bytes) -> None: ...

        def close(self) -> None: ...


LABELS = {"INF": "32", "DBG": "36", "WRN": "0;93", "ERR": "31", "FTL": "31", "TRC": "33"}
"""Every label with its colour, as the parameters of an SGR sequence."""

FILE_MODE = 0o640
WIDE_SPACES = "\u00a0\u2002\u2003\u2009\u202f\u3000"
"""Spaces that Python does not call printable, although they only stand between words."""


def clean(text: str) -> str:
    """`text` on one line: control characters, line separators and undecodable bytes as visible escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in WIDE_SPACES else char.encode("unicode_escape").decode() for char in text
    )


def quote(text: str) -> str:
    """`text` in double quotes on one line, the way log lines and errors show something a user or a peer wrote."""
    return '"' + clean(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


class Descriptor:
    """A sink that writes to an open file descriptor it does not own, such as standard error."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def write(self, line: bytes) -> None:
        # A log that nobody can read any more (closed pipe, full disk) must not stop the server.
        try:
            written = os.write(self.fd, line)
            while written < len(line):
                line = line[written:]
                written = os.write(self.fd, line)
        except OSError:
            pass

    def close(self) -> None:
        pass

    def is_terminal(self) -> bool:
        try:
            return os.isatty(self.fd)
        except OSError:
            return False


class LogFile(Descriptor):
    """A sink that appends to a file, made when missing. Raises OSError when it cannot be opened."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        super().__init__(self._open(path))
        self.path = path

    @staticmethod
    def _open(path: str) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def reopen(self) -> None:
        """Open the path again, after somebody moved the file away; on OSError the old file stays in use."""
        fd = self._open(self.path)
        self.close()
        self.fd = fd

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Nowhere:
    """A sink that forgets: the log of a server inside another program, unless it is given one."""

    __slots__ = ()

    def write(self, line: bytes) -> None:
        pass

    def close(self) -> None:
        pass


class Log:
    """Renders entries and hands each, as one line of UTF-8, to its sink.

    `wall_ns` is the wall clock in nanoseconds since the epoch. Without `logtime` lines carry no time, with `utc` it is
    not local time; `pid` 0 leaves the prefix out. `debugging` and `tracing` say whether `debug` and `trace` write
    anything, so that a caller can save the work of composing the text.
    """

    __slots__ = (
        "debugging",
        "tracing",
        "sink",
        "_wall_ns",
        "_prefix",
        "_labels",
        "_logtime",
        "_to_date",
        "_second",
        "_stamp",
    )

    def __init__(
        self,
        sink: Sink,
        wall_ns: Callable[[], int],
        *,
        pid: int = 0,
        debug: bool = False,
        trace: bool = False,
        logtime: bool = True,
        utc: bool = False,
        colors: bool = False,
    ) -> None:
        self.sink = sink
        self.debugging = debug
        self.tracing = trace
        self._wall_ns = wall_ns
        self._prefix = f"[{pid}] " if pid else ""
        self._labels = {
            name: f"[\x1b[{color}m{name}\x1b[0m] " if colors else f"[{name}] " for name, color in LABELS.items()
        }
        self._logtime = logtime
        self._to_date = time.gmtime if utc else time.localtime
        self._second = -1
        self._stamp = ""

    def info(self, text: str) -> None:
        self._write("INF", text)

    notice = info

    def warn(self, text: str) -> None:
        self._write("WRN", text)

    def error(self, text: str) -> None:
        self._write("ERR", text)

    def fatal(self, text: str) -> None:
        self._write("FTL", text)

    def debug(self, text: str) -> None:
        if self.debugging:
            self._write("DBG", text)

    def trace(self, text: str) -> None:
        if self.tracing:
            self._write("TRC", text)

    def close(self) -> None:
        self.sink.close()

    def _write(self, label: str, text: str) -> None:
        line = f"{self._prefix}{self._time() if self._logtime else ''}{self._labels[label]}{clean(text)}\n"
        self.sink.write(line.encode())

    def _time(self) -> str:
        second, ns = divmod(self._wall_ns(), 1_000_000_000)
        if second != self._second:
            # The date and time of day are worked out once a second, not once a line.
            self._stamp = time.strftime("%Y/%m/%d %H:%M:%S", self._to_date(second))
            self._second = second
        return f"{self._stamp}.{ns // 1000:06d} "


def silent() -> Log:
    """A log that writes nothing."""
    return Log(Nowhere(), lambda: 0)
