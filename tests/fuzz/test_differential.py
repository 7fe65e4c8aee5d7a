"""A bounded run of the differential fuzzer; `make fuzz-asan` runs it longer and under AddressSanitizer."""

from __future__ import annotations

import os
import time

import pytest

from tests.fuzz import differential

SECONDS = float(os.environ.get("NATSD_FUZZ_SECONDS", "8"))


def test_native_and_plain_kernel_agree_on_random_streams_in_random_splits() -> None:
    if os.environ.get("NATSD_PLAIN") == "1":
        pytest.skip("NATSD_PLAIN=1 asks for the plain kernel alone; there is nothing to compare it with")
    pytest.importorskip("natsd.kernel._native_inbound", reason="the native kernel is not built here")
    # Some scenes the same in every run, then new ones; the seed stands in the failure.
    for seed in range(200):
        differential.run(seed)
    seed = first = time.time_ns() % 1_000_000_000
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        differential.run(seed)
        seed += 1
    assert seed > first
