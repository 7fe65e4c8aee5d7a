"""`python -m tests.crash --cycles 500 [--seconds N] [--seed N] [--directory D]`: see `cycles`."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from random import Random

from natsd.store import FORM

from .cycles import Cycles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        cycles = Cycles(directory, Random(options.seed))
        started = time.monotonic()
        try:
            cycles.run(options.cycles, options.seconds)
        except BaseException:
            print(f"seed {options.seed}, cycle {cycles.count}")
            raise
    ledger = cycles.ledger
    print(
        f"{FORM}: {cycles.count} kills in {time.monotonic() - started:.0f} s, seed {options.seed}: "
        f"{ledger.sent} sent, {ledger.total_acked} acknowledged, {ledger.sent_batches} batches, "
        f"{ledger.total_confirmed} consumer acknowledgements "
        "confirmed; none lost, none twice"
    )


if __name__ == "__main__":
    main()
