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
    assert cycles.count == 2
    assert cycles.ledger.total_acked > 0
