"""A disk that says no: whichever system call fails, nothing is acknowledged falsely, the store says why it stopped, and
what was acknowledged is there when it is opened again."""

from __future__ import annotations

import errno
import os
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from natsd.store import FORM, Log, _plain_log, file
from natsd.store.contract import Limits, StoreError
from natsd.store.file import FileStore
from natsd.store.memory import MemoryStore

from .operations import operation, perform, seen
from .test_crash import ROUNDS, moments

if TYPE_CHECKING:
    from pathlib import Path

SHORT = 0
SEGMENT_BYTES = 4096
STEPS = 40


class Faults:
    """The plain log's system calls, of which one fails. Native logs count their own."""

    def __init__(self, at: int, error: int) -> None:
        self._at = at
        self._error = error
        self._count = 0

    def due(self) -> bool:
        self._count += 1
        return self._count == self._at

    def raise_if_due(self) -> None:
        if self.due() and self._error != SHORT:
            raise OSError(self._error, os.strerror(self._error))

    def system(self) -> Any:
        """In place of the module `os`."""
        faults = self

        class System:
            def __getattr__(self, name: str) -> Any:
                return getattr(os, name)

            def open(self, path: str, flags: int, mode: int = 0o777) -> int:
                if flags & os.O_RDWR:
                    faults.raise_if_due()
                return os.open(path, flags, mode)

            def pwrite(self, fd: int, data: memoryview, at: int) -> int:
                if faults.due():
                    if faults._error != SHORT:
                        raise OSError(faults._error, os.strerror(faults._error))
                    data = data[: len(data) // 2 + 1]
                return os.pwrite(fd, data, at)

            def fsync(self, fd: int) -> None:
                faults.raise_if_due()
                os.fsync(fd)

            def rename(self, old: str, new: str) -> None:
                faults.raise_if_due()
                os.rename(old, new)

            def unlink(self, path: str) -> None:
                faults.raise_if_due()
                os.unlink(path)

        return System()

    def disk(self) -> Any:
        """In place of `Disk`: the helper process may come back with an error."""
        faults = self

        class Disk(_plain_log.Disk):
            def answers(self, wait_s: float = 0) -> list[tuple[bytes, int, int]]:
                found = super().answers(wait_s)
                return [(what, place, faults._error if faults.due() else 0) for what, place, _ in found]

        return Disk


@pytest.mark.parametrize(
    "error", [errno.ENOSPC, errno.EIO, errno.EINTR, SHORT], ids=["full", "broken", "signal", "short"]
)
@pytest.mark.parametrize("seed", range(2 * ROUNDS))
def test_whatever_call_fails_no_acknowledgement_is_false(
    seed: int, error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Random(seed)
    at = chance.randint(1, 40 + 10 * seed)
    with monkeypatch.context() as faulty:
        if FORM == "native":
            faulty.setattr(file, "Log", partial(Log, fault_at=at, fault=error))
            store = FileStore(tmp_path / "store", segment_bytes=SEGMENT_BYTES)
        else:
            faults = Faults(at, SHORT if error == errno.EINTR else error)  # Python goes on after a signal by itself
            faulty.setattr(_plain_log, "os", faults.system())
            faulty.setattr(_plain_log, "Disk", faults.disk())
            store = FileStore(tmp_path / "store", segment_bytes=SEGMENT_BYTES)
        safe, states = live(store, chance)
        if store.failure:
            assert error not in (errno.EINTR, SHORT)
            assert os.strerror(error) in store.failure
            assert str(tmp_path) in store.failure
            durable = store.durable
            with pytest.raises(StoreError, match=os.strerror(error)):
                store.create("A/new", b"", Limits())
            store.settle()
            assert store.durable == durable
        else:
            assert seen(store) == states[-1]
            safe = len(states) - 1
        store.close()
    again = FileStore(tmp_path / "store", segment_bytes=SEGMENT_BYTES)
    assert seen(again) in states[safe:]
    assert not again.damage
    again.close()


def live(store: FileStore, chance: Random) -> tuple[int, list[dict[str, Any]]]:
    """Do something until the store has enough of it: how many states were acknowledged, and all of them."""
    model = MemoryStore()
    states = [seen(model)]
    handed_in = [(0, 0)]
    told: list[str] = []
    store.on_failed = told.append
    for now in range(1, STEPS):
        given = operation(chance, now)
        given[3][1] = 1.0  # bytes are counted otherwise in memory
        for piece in moments(model, given):
            taken = perform(model, piece)
            states.append(seen(model))
            if not taken:
                break
        try:
            perform(store, given)
        except StoreError:
            break
        handed_in.append((store.position, len(states) - 1))
        if chance.random() < 0.7:
            store.wait(60)
            store.settle()
    if not store.failure:
        store.wait(60)
    assert told == [store.failure] * bool(store.failure)
    return max(count for position, count in handed_in if position <= store.durable), states


def test_a_file_system_that_is_full_stops_the_store_and_gives_everything_back(tmp_path: Path) -> None:
    """The limit on a file's size is the one full disk that any user can have."""
    import resource
    import signal

    store = FileStore(tmp_path, segment_bytes=1 << 20)
    stream = store.create("A/s", b"{}", Limits())
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    safe = 0
    try:
        with pytest.raises(StoreError, match="too large"):
            for n in range(1, 10_000):
                stream.append([(b"a", None, None, b"x" * 1000)], n)
                store.wait(60)
                if store.durable >= store.position:
                    safe = n
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    store.close()
    assert safe > 200
    again = FileStore(tmp_path, segment_bytes=1 << 20)
    assert safe <= again.streams()["A/s"][1].state.msgs <= safe + 1
    assert not again.damage
    again.close()
