"""Spoils backups that Go servers made and feeds them to their readers in random pieces: taken, or refused in words."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from natsd.jetstream.backups import archive, tarball
from natsd.jetstream.backups.backup import BackupError, Reader
from natsd.jetstream.backups.packing import Unpacker

DATA = Path(__file__).parent.parent / "jetstream" / "data"
NAMES = sorted(path.relative_to(DATA).as_posix() for path in DATA.glob("*/*"))


@cache
def load(name: str) -> bytes:
    """A backup, unpacked."""
    unpacker = Unpacker()
    unpacker.feed((DATA / name / "stream.tar.s2").read_bytes())
    return b"".join(iter(unpacker.take, None))


def read_all(whole: bytes, size: int) -> int:
    """Feed a backup in pieces of a size; how many parts it has. Raises BackupError."""
    reader: Reader = archive.Reader() if whole.startswith(archive.MAGIC) else tarball.Reader()
    parts = 0
    for at in range(0, len(whole), size):
        reader.feed(whole[at : at + size])
        while reader.take() is not None:
            parts += 1
    return parts


def run(seed: int) -> None:
    """One spoilt backup."""
    rng = random.Random(seed)
    spoilt = bytearray(load(rng.choice(NAMES)))
    # What matters most stands at the beginning.
    reach = rng.choice([64, 2048, len(spoilt)])
    for _ in range(rng.randrange(1, 6)):
        spoilt[rng.randrange(min(reach, len(spoilt)))] = rng.randrange(256)
    if rng.random() < 0.3:
        at = rng.randrange(len(spoilt))
        spoilt[at:at] = rng.randbytes(rng.randrange(600))
    try:
        read_all(bytes(spoilt), rng.choice([100, 5000, 1 << 20]))
    except BackupError as error:
        assert str(error)
