"""A full disk, as a limit any user can set, and as a small file system where the system lets us make one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .full import Disk, can_mount, check

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_may_not_grow_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acked, there = check(Disk(tmp_path, real=False), "File too large")
    assert 1000 < acked <= there


def test_a_disk_that_is_full_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    real = can_mount(tmp_path)
    disk = Disk(tmp_path, real=real)
    try:
        acked, there = check(disk, "No space left on device" if real else "File too large")
    finally:
        disk.close()
    assert 1000 < acked <= there
