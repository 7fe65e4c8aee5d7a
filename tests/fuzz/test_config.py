"""A bounded run of the configuration fuzzer."""

from __future__ import annotations

import os
import time

from tests.fuzz import config

SECONDS = float(os.environ.get("NATSD_FUZZ_SECONDS", "3"))


def test_any_text_is_a_configuration_or_refused() -> None:
    # Some texts the same in every run, then new ones; the seed stands in the failure.
    for seed in range(300):
        config.run(seed)
    seed = first = time.time_ns() % 1_000_000_000
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        config.run(seed)
        seed += 1
    assert seed > first
