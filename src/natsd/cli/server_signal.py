"""`nats-server --signal command[=pid]`: find running servers and send them the signal of a command."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from natsd.base.log import quote

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "nats-server"
SIGNALS = {
    "ldm": signal.SIGUSR2,
    "quit": signal.SIGINT,
    "reload": signal.SIGHUP,
    "reopen": signal.SIGUSR1,
    "stop": signal.SIGKILL,
    "term": signal.SIGTERM,
}


class SignalError(Exception):
    """The command could not be carried out; the text may have several lines."""


def send(request: str, kill: Callable[[int, int], None] = os.kill, folder: str = "/proc") -> None:
    """Carry out `command` or `command=pid`.

    pid: a number; a file with one; `12*` for every server whose number begins so, `*` for all; nothing for the only
    one that runs. Raises SignalError.
    """
    command, _, where = request.partition("=")
    start, many = where, False
    if where:
        start = _read(where)
        start, many = start.removesuffix("*"), start.endswith("*")
        if start and not (start.isascii() and start.isdigit()):
            raise SignalError(f"invalid pid: {start}")
    if start and not many:
        pids = [int(start)]
    else:
        pids = running(folder)
        if len(pids) > 1 and not many:
            raise SignalError("\n".join([f"multiple {PROGRAM} processes running:", *map(str, pids)]))
        if not pids:
            raise SignalError(f"no {PROGRAM} processes running")
    number = SIGNALS.get(command)
    if number is None:
        raise SignalError(f"unknown signal {quote(command)}")
    failures = []
    for pid in pids:
        if not str(pid).startswith(start):
            continue
        try:
            kill(pid, number)
        except (OSError, OverflowError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "no such process"
            failures.append(f"signal {quote(command)} {pid}: {why.lower()}")
    if failures:
        raise SignalError("\n" + "\n".join(failures))


def _read(where: str) -> str:
    """A pid as it was given, or as a file has it."""
    try:
        with open(where, encoding="ascii", errors="replace") as file:
            return file.read(64).strip()
    except (OSError, ValueError):
        return where


def running(folder: str = "/proc") -> list[int]:
    """The servers that run, by their numbers, this process left out. Raises SignalError where that cannot be told."""
    try:
        names = os.listdir(folder)
    except OSError:
        raise SignalError("unable to resolve pid, try providing one") from None
    numbers = sorted(int(name) for name in names if name.isascii() and name.isdigit())
    return [number for number in numbers if number != os.getpid() and is_server(f"{folder}/{number}")]


def is_server(process: str) -> bool:
    """Whether a process is a server: the Go one by its name, ours by the script or the module that Python runs."""
    try:
        with open(f"{process}/cmdline", "rb") as file:
            words = file.read(4096).split(b"\0")[:-1]
    except OSError:
        return False  # it has ended meanwhile
    names = [os.path.basename(word) for word in words]
    if not names:
        return False
    if names[0] == PROGRAM.encode():
        return True
    if not names[0].startswith((b"python", b"pypy")):
        return False
    at = 1
    while at < len(words) and words[at].startswith(b"-") and words[at] != b"-m":
        at += 2 if words[at] in (b"-X", b"-W") else 1
    if words[at : at + 1] == [b"-m"]:
        return words[at + 1 : at + 2] == [b"natsd"]
    return names[at : at + 1] == [PROGRAM.encode()]
