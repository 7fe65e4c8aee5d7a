"""What the `nats` command prints: log lines with the time on stderr, bodies as bytes on stdout."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO


# Not sys.stdout.buffer: that one has no buffer at all under python -u.
_stdout: BinaryIO | None = None


def out(data: bytes) -> None:
    """Write bytes to stdout; they appear at the next flush. BrokenPipeError when nobody reads it or it is closed."""
    global _stdout
    if _stdout is None:
        if sys.stdout is None:
            raise BrokenPipeError
        sys.stdout.flush()
        _stdout = open(1, "wb", buffering=65536, closefd=False)
    _stdout.write(data)


def out_text(text: str) -> None:
    out(text.encode("utf-8", "surrogateescape"))


def out_json(document: object) -> None:
    """JSON as every command prints it."""
    import json

    out_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def flush() -> None:
    if _stdout is not None:
        _stdout.flush()


def forget() -> None:
    """Throw away what is not written yet: nobody reads it."""
    import os

    global _stdout
    _stdout = None
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.close(sink)


def log(text: str) -> None:
    """One line on stderr behind the local time, after everything written to stdout so far."""
    note(f"{time.strftime('%H:%M:%S')} {text}\n")


def note(text: str) -> None:
    """Text on stderr as it is."""
    flush()
    if sys.stderr is not None:
        try:
            sys.stderr.buffer.write(text.encode("utf-8", "surrogateescape"))
            sys.stderr.buffer.flush()
        except OSError:
            # Nobody reads our log; the work goes on.
            pass


def is_terminal(fd: int) -> bool:
    import os

    try:
        return os.isatty(fd)
    except OSError:
        return False


def rows(fd: int = 2, otherwise: int = 24) -> int:
    """Height of the terminal behind a descriptor."""
    import os

    try:
        return os.get_terminal_size(fd).lines or otherwise
    except OSError:
        return otherwise


def columns(fd: int = 2, otherwise: int = 80) -> int:
    """Width of the terminal behind a descriptor."""
    import os

    try:
        return os.get_terminal_size(fd).columns or otherwise
    except OSError:
        return otherwise
