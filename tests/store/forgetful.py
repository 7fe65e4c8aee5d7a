"""A disk that forgets: it notes what a log does to it, and makes the directory that a crash at any point may leave.

What was not synced may be there, or not, or in part (by sectors of 512 bytes), whatever the order it was written in.
Renames and new files that no sync of the directory covers may be undone.
"""

from __future__ import annotations

import os
import struct
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from natsd.store import FORM, Log, _plain_log, file

if TYPE_CHECKING:
    from random import Random

    import pytest

SECTOR = 512


class Step(NamedTuple):
    """what: write, sync, create, rename, unlink, sync directory."""

    what: str
    name: str = ""
    data: bytes = b""
    at: int = 0
    other: str = ""


class Disk:
    """In place of `_plain_log.Disk`: no helper process; syncs are done when they are asked after."""

    chance: Random
    steps: list[Step]

    def __init__(self, directory: str, sync_interval_s: float) -> None:
        self._directory = directory
        self._names: dict[int, str] = {}
        self._unsynced: set[str] = set()
        self._unsynced_directory = False
        self._asked: list[tuple[bytes, int]] = []
        self._pipe = os.pipe()

    def fileno(self) -> int:
        return self._pipe[0]

    def open(self, name: str) -> int:
        path = os.path.join(self._directory, name)
        if not os.path.exists(path):
            self.steps.append(Step("create", name))
            self._unsynced_directory = True
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._names[fd] = name
        return fd

    def write(self, fd: int, data: bytes, at: int) -> None:
        os.pwrite(fd, data, at)
        self.steps.append(Step("write", self._names[fd], bytes(data), at))
        self._unsynced.add(self._names[fd])

    def rename(self, old: str, new: str) -> None:
        os.rename(os.path.join(self._directory, old), os.path.join(self._directory, new))
        self.steps.append(Step("rename", old, other=new))
        self._unsynced_directory = True

    def unlink(self, name: str) -> None:
        os.unlink(os.path.join(self._directory, name))
        self.steps.append(Step("unlink", name))

    def sync_directory(self) -> None:
        self.steps.append(Step("sync directory"))
        self._unsynced_directory = False

    def patch(self, name: str, data: bytes, at: int) -> None:
        fd = self.open(name)
        self.write(fd, data, at)
        os.close(fd)
        self._sync(name)

    def put(self, name: str, data: bytes) -> None:
        fd = self.open("coming-checkpoint")
        os.ftruncate(fd, 0)
        self.write(fd, data, 0)
        os.close(fd)
        self._sync("coming-checkpoint")
        self.rename("coming-checkpoint", name)
        self.sync_directory()

    def _sync(self, name: str) -> None:
        self.steps.append(Step("sync", name))
        self._unsynced.discard(name)

    def ask(self, what: bytes, place: int) -> None:
        self._asked.append((what, place))

    def answers(self, wait_s: float = 0) -> list[tuple[bytes, int, int]]:
        if not self._asked or (not wait_s and self.chance.random() < 0.6):
            return []
        for name in sorted(self._unsynced):
            self._sync(name)
        if self._unsynced_directory:
            self.sync_directory()
        asked, self._asked = self._asked, []
        return [(what, place, 0) for what, place in asked]

    def close(self) -> None:
        for fd in self._pipe:
            os.close(fd)


class Watch:
    """Has every log that is opened from here on note its steps. Works with both forms."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, chance: Random, path: Path) -> None:
        self._steps: list[Step] = []
        self._trace = -1
        if FORM == "plain":
            kind = type("Disk", (Disk,), {"chance": chance, "steps": self._steps})
            monkeypatch.setattr(_plain_log, "Disk", kind)
        else:
            self._trace = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
            monkeypatch.setattr(file, "Log", partial(Log, trace=self._trace))

    def count(self) -> int:
        """A number that says how much is noted by now; see `steps`."""
        return len(self._steps) if self._trace < 0 else os.fstat(self._trace).st_size

    def steps(self) -> list[tuple[int, Step]]:
        """Every step, and the count when it was noted."""
        if self._trace < 0:
            return list(enumerate(self._steps, 1))
        data = os.pread(self._trace, self.count(), 0)
        found = []
        at = 0
        while at < len(data):
            what, name_bytes, other_bytes, place, size = NOTE.unpack_from(data, at)
            at += NOTE.size
            name = data[at : at + name_bytes].decode()
            at += name_bytes
            other = data[at : at + other_bytes].decode()
            at += other_bytes
            found.append((at + size, Step(NOTES[chr(what)], name, data[at : at + size], place, other)))
            at += size
        return found


NOTE = struct.Struct("=III4xQQ")
NOTES = {"c": "create", "w": "write", "s": "sync", "d": "sync directory", "r": "rename", "u": "unlink"}


class File:
    """Bytes that are on disk for certain, and writes that may be."""

    def __init__(self, content: bytes = b"") -> None:
        self.synced = bytearray(content)
        self.writes: list[tuple[int, bytes]] = []

    def sync(self) -> None:
        for at, data in self.writes:
            apply(self.synced, at, data)
        self.writes = []

    def after_crash(self, chance: Random) -> bytes:
        content = bytearray(self.synced)
        share = chance.choice((0.0, 0.5, 0.9, 1.0))
        writes = list(self.writes)
        if chance.random() < 0.5:
            chance.shuffle(writes)
        for at, data in writes:
            for sector in range(at // SECTOR, (at + len(data) - 1) // SECTOR + 1):
                low, high = max(at, sector * SECTOR), min(at + len(data), (sector + 1) * SECTOR)
                if chance.random() < share:
                    apply(content, low, data[low - at : high - at])
        return bytes(content)


def apply(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def crash(steps: list[Step], directory: Path, chance: Random, before: dict[str, bytes] | None = None) -> None:
    """Make in `directory` what may be left when the machine stops after these steps. before: the files there were, all
    of them on disk for certain."""
    names = {name: File(content) for name, content in (before or {}).items()}
    synced = dict(names)
    pending: list[tuple[Step, File]] = []
    for step in steps:
        if step.what == "write":
            names[step.name].writes.append((step.at, step.data))
        elif step.what == "sync":
            names[step.name].sync()
        elif step.what == "sync directory":
            synced = dict(names)
            pending = []
        else:
            changed = File() if step.what == "create" else names[step.name]
            change(names, step, changed)
            pending.append((step, changed))
    for step, changed in pending[: chance.randint(0, len(pending))]:
        change(synced, step, changed)
    directory.mkdir()
    for name, left in synced.items():
        Path(directory, name).write_bytes(left.after_crash(chance))


def change(names: dict[str, File], step: Step, changed: File) -> None:
    if step.what != "create":
        names.pop(step.name, None)
    if step.what != "unlink":
        names[step.other or step.name] = changed
