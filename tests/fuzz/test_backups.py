"""Bounded runs of the fuzzers of backups and their blocks; `make fuzz-asan` runs the blocks under AddressSanitizer."""

from __future__ import annotations

import os
import time

import pytest

from tests.fuzz import backups, blocks

SECONDS = float(os.environ.get("NATSD_FUZZ_SECONDS", "3"))


def test_native_and_plain_form_agree_on_random_blocks() -> None:
    pytest.importorskip("natsd.store._native_s2", reason="the native store is not built here")
    for seed in range(500):
        blocks.run(seed)
    seed = first = time.time_ns() % 1_000_000_000
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        blocks.run(seed)
        seed += 1
    assert seed > first


def test_every_spoilt_backup_is_taken_or_refused_with_a_reason() -> None:
    for name in backups.NAMES:
        assert backups.read_all(backups.load(name), 1000) > 1
    for seed in range(60):
        backups.run(seed)
    seed = first = time.time_ns() % 1_000_000_000
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        backups.run(seed)
        seed += 1
    assert seed > first
