"""Start-up: from exec to the line `Server is ready` in the log."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time

from bench.load import Sample, Settings
from bench.question import Case, Row, main
from bench.servers import Kind


def cases(options: argparse.Namespace) -> list[Case]:
    launches = 3 if options.quick else 10

    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        times_ms = [launch(kind) for _ in range(launches)]
        return [Sample(statistics.median(times_ms), slowest_ms=max(times_ms))]

    return [Case([Row("start-up, exec to ready", "ms")], measure)]


def launch(kind: Kind) -> float:
    began = time.monotonic()
    process = subprocess.Popen(
        [*kind.command, "-a", "127.0.0.1", "-p", "-1"],
        env=kind.full_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if b"Server is ready" in line:
                return (time.monotonic() - began) * 1000
        raise RuntimeError(f"{kind.name} ended before it was ready")
    finally:
        process.terminate()
        process.stderr.close()
        process.wait(60)


if __name__ == "__main__":
    main(__doc__, cases)
