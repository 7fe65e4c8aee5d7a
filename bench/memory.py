"""Memory (RSS) of an idle connection and of a subscription, and the time to make a million subscriptions."""

from __future__ import annotations

import argparse
import resource
import time

from bench.load import Sample, Settings
from bench.question import Case, Row, main
from bench.servers import Kind, Server, expect

SETTLE_S = 1.0


def cases(options: argparse.Namespace) -> list[Case]:
    return [
        connections_case(1_000 if options.quick else 5_000),
        subscriptions_case(100_000 if options.quick else 1_000_000),
    ]


def connections_case(count: int) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with Server(kind, settings.server_cpu) as server:
            # The first connections load what every server loads once.
            first = [server.connect() for _ in range(10)]
            time.sleep(SETTLE_S)
            before = server.resident_bytes()
            began = time.monotonic()
            connections = [server.connect() for _ in range(count)]
            elapsed_s = time.monotonic() - began
            time.sleep(SETTLE_S)
            grown = server.resident_bytes() - before
            for connection in first + connections:
                connection.close()
        return [
            Sample(before),
            Sample(grown / count, resident_before=before),
            Sample(elapsed_s),
        ]

    return Case(
        [
            Row("memory of a server with 10 connections", "B"),
            Row(f"memory per idle connection, {count:,} connections", "B"),
            Row(f"time to open and greet {count:,} connections one after the other", "s"),
        ],
        measure,
    )


def subscriptions_case(count: int) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        lines = [b"SUB bench.%d %d\r\n" % (i, i) for i in range(1, count + 1)]
        blocks = [b"".join(lines[at : at + 2000]) for at in range(0, count, 2000)]
        with Server(kind, settings.server_cpu) as server:
            connection = server.connect()
            time.sleep(SETTLE_S)
            before = server.resident_bytes()
            cpu_s = server.cpu_seconds()
            began = time.monotonic()
            for block in blocks:
                connection.sendall(block)
            connection.sendall(b"PING\r\n")
            expect(connection, b"PONG\r\n")
            elapsed_s = time.monotonic() - began
            cpu_s = server.cpu_seconds() - cpu_s
            time.sleep(SETTLE_S)
            grown = server.resident_bytes() - before
            connection.close()
        return [Sample(grown / count), Sample(elapsed_s, server_cpu_s=cpu_s)]

    return Case(
        [
            Row(f"memory per subscription, {count:,} subjects on one connection", "B"),
            Row(f"time to make {count:,} subscriptions on one connection", "s"),
        ],
        measure,
    )


if __name__ == "__main__":
    main(__doc__, cases)
