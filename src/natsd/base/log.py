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
BACKUP_DATE = "%Y.%m.%d.%H.%M.%S"
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
    """A sink that appends to a file, made when missing. Raises OSError when it cannot be opened.

    limit: the size in bytes above which the file is moved away and begun anew, 0 for never; max_files: how many files
    there may be then, the one in use among them, 0 for any number.
    """

    __slots__ = ("limit", "max_files", "path", "tell", "wall_ns", "_rotating", "_size", "_threshold")

    def __init__(self, path: str, limit: int = 0, max_files: int = 0) -> None:
        super().__init__(self._open(path))
        self.path = path
        self.limit = limit
        self.max_files = max_files
        self.wall_ns: Callable[[], int] = time.time_ns
        self.tell: Callable[[str, str], None] = lambda label, text: None
        """Called with a label and a text about the file itself."""
        self._size = os.fstat(self.fd).st_size
        self._threshold = limit
        self._rotating = False

    @staticmethod
    def _open(path: str) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def write(self, line: bytes) -> None:
        super().write(line)
        self._size += len(line)
        if 0 < self._threshold < self._size and not self._rotating:
            self._rotating = True
            try:
                self._rotate()
            finally:
                self._rotating = False

    def _rotate(self) -> None:
        second, ns = divmod(self.wall_ns(), 1_000_000_000)
        backup = f"{self.path}.{time.strftime(BACKUP_DATE, time.localtime(second))}.{ns:09d}"
        try:
            os.rename(self.path, backup)
            self.reopen()
        except OSError as error:
            # Whatever the trouble is, the file in use takes more; the next attempt comes when it has doubled.
            self._threshold = self._size * 2
            why = (error.strerror or str(error)).lower()
            self.tell("ERR", f"Unable to rotate logfile ({why}), will attempt next rotation at size {self._threshold}")
            return
        self._threshold = self.limit
        self.tell("INF", f"Rotated log, backup saved as {quote(backup)}")
        if self.max_files > 0:
            self._purge()

    def _purge(self) -> None:
        folder, base = os.path.split(self.path)
        try:
            backups = sorted(name for name in os.listdir(folder or ".") if is_backup(base, name))
            for name in backups[: max(0, len(backups) - (self.max_files - 1))]:
                os.remove(os.path.join(folder, name))
                self.tell("INF", f"Purged log file {quote(name)}")
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            self.tell("ERR", f"Unable to remove old log files ({why}), will attempt next rotation")

    def reopen(self) -> None:
        """Open the path again, after somebody moved the file away; on OSError the old file stays in use."""
        fd = self._open(self.path)
        self.close()
        self.fd = fd
        self._size = os.fstat(fd).st_size

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def is_backup(base: str, name: str) -> bool:
    """Whether a file's name is that of a log file `base` that was moved away."""
    if not name.startswith(base + "."):
        return False
    date, _, ns = name[len(base) + 1 :].rpartition(".")
    if not (ns.isascii() and ns.isdigit()):
        return False
    try:
        time.strptime(date, BACKUP_DATE)
    except ValueError:
        return False
    return True


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
    not local time; `pid` 0 leaves the prefix out. A sink with a method `enter` gets label and text instead of lines.
    `debugging` and `tracing` say whether `debug` and `trace` write anything, so that a caller can save the work of
    composing the text.
    """

    __slots__ = (
        "debugging",
        "tracing",
        "sink",
        "_enter",
        "_wall_ns",
        "_prefix",
        "_labels",
        "_logtime",
        "_to_date",
        "_second",
        "_stamp",
    )

    sink: Sink
    _enter: Callable[[str, str], None] | None
    _labels: dict[str, str]

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
        self._wall_ns = wall_ns
        self._prefix = f"[{pid}] " if pid else ""
        self.debugging = debug
        self.tracing = trace
        self.use(sink, logtime=logtime, utc=utc, colors=colors)

    def use(self, sink: Sink, *, logtime: bool, utc: bool, colors: bool) -> None:
        """Write to another sink, or in another layout, from now on. The old sink is not closed."""
        self.sink = sink
        self._enter = getattr(sink, "enter", None)
        if isinstance(sink, LogFile):
            sink.tell = self._write
            sink.wall_ns = self._wall_ns
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
        if self._enter is not None:
            self._enter(label, clean(text))
            return
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
