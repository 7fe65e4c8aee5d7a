"""A few deaths of a server under load; `make crash` has it die more often."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from .cycles import Cycles

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_that_is_killed_under_load_keeps_what_it_promised(tmp_path: Path) -> None:
    cycles = Cycles(tmp_path, Random(1), shortest_s=1.0)
    cycles.run(2)
    while not cycles.ledger.total_acked:  # the server of a busy machine may not have come to it in two lives
        cycles.run(cycles.count + 1)
    assert cycles.count >= 2
