"""`nats pub` end to end: from exec of the command to its exit, one small message.

natsd's command is measured against natsd's server; Go's against Go's, where a Go `nats` is on PATH.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time

from bench.load import Sample, Settings
from bench.question import Case, Row, main
from bench.servers import Kind, Server

OURS = "import sys; from natsd.cli.nats_main import main; sys.argv[0] = 'nats'; sys.exit(main())"


def cases(options: argparse.Namespace) -> list[Case]:
    launches = 5 if options.quick else 20

    def measure(kind: Kind, settings: Settings) -> list[Sample | None]:
        command = [_go_command()] if kind.go else [sys.executable, "-c", OURS]
        if command[0] is None:
            return [None]
        with Server(kind, settings.server_cpu) as server:
            words = [word for word in command if word] + ["--server", server.url, "pub", "bench", "hello"]
            times_ms = [launch(words, kind.full_environment()) for _ in range(launches)]
        return [Sample(statistics.median(times_ms), slowest_ms=max(times_ms))]

    return [Case([Row("nats pub, exec to exit", "ms")], measure)]


def _go_command() -> str | None:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = shutil.which("nats", path=folder)
        if path:
            with open(path, "rb") as program:
                if program.read(4) == b"\x7fELF":
                    return path
    return None


def launch(words: list[str], environment: dict[str, str]) -> float:
    began = time.monotonic()
    done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    elapsed_ms = (time.monotonic() - began) * 1000
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return elapsed_ms


if __name__ == "__main__":
    main(__doc__, cases)
