"""Request and reply: the round trip of one request at a time, requester and responder in C."""

from __future__ import annotations

import argparse
import socket
import time
from array import array
from collections.abc import Callable

from natsd.kernel._native_load import Tally, request, respond

from bench.load import GOAL, Act, Crew, Prepare, Sample, Settings
from bench.question import Case, Row, main, sizes_of
from bench.servers import Kind, Server, expect


def cases(options: argparse.Namespace) -> list[Case]:
    def case(size: int) -> Case:
        rows = [Row(f"request-reply {part}, {size} B", "us") for part in ("p50", "p99")]

        def measure(kind: Kind, settings: Settings) -> list[Sample]:
            with Server(kind, settings.server_cpu) as server:
                return round_trips(server, size, 5_000 if options.quick else 20_000, settings)

        return Case(rows, measure)

    return [case(size) for size in sizes_of(options, [16])]


def round_trips(server: Server, size: int, count: int, settings: Settings) -> list[Sample]:
    """p50 and p99 in microseconds after a warm-up of a tenth as many requests."""

    def connect(subject: bytes) -> socket.socket:
        connection = server.connect()
        connection.sendall(b"SUB %b 1\r\nPING\r\n" % subject)
        expect(connection, b"PONG\r\n")
        return connection

    frame = b"PUB bench.service _INBOX.bench.1 %d\r\n%b\r\n" % (size, b"q" * size)
    with Crew(1, settings.generator_cpu) as crew:
        responder = crew.hire(responding(crew.tally, lambda: connect(b"bench.service"), size))
        requester = crew.hire(requesting(lambda: connect(b"_INBOX.bench.*"), frame))
        return time_requests(crew, requester, responder, count, server.cpu_seconds)


def time_requests(
    crew: Crew, requester: int, responder: int, count: int, server_cpu_seconds: Callable[[], float]
) -> list[Sample]:
    crew.tally[GOAL] = -1
    crew.order(responder, 0)
    crew.order(requester, count // 10)
    crew.answer(requester)
    cpu_s = server_cpu_seconds()
    crew.order(requester, count)
    latencies_ns = sorted(crew.answer(requester)[0])
    cpu_s = server_cpu_seconds() - cpu_s
    crew.tally[GOAL] = 0
    crew.answer(responder)
    return [
        Sample(latencies_ns[len(latencies_ns) * part // 100] / 1000, server_us_per_request=cpu_s / count * 1e6)
        for part in (50, 99)
    ]


def responding(tally: Tally, connect: Callable[[], socket.socket], size: int, verb: bytes = b"PUB ") -> Prepare:
    """A process that answers requests until the run is over."""

    def prepare() -> Act:
        connection = connect()
        return lambda _: respond(connection.fileno(), b"a" * size, tally, GOAL, verb)

    return prepare


def requesting(connect: Callable[[], socket.socket], frame: bytes) -> Prepare:
    """A process that makes as many requests as it is told and gives back their nanoseconds."""

    def prepare() -> Act:
        connection = connect()

        def act(count: float) -> list[int]:
            latencies_ns = array("q", bytes(8 * int(count)))
            request(connection.fileno(), frame, latencies_ns, time.monotonic_ns() + 60_000_000_000)
            return latencies_ns.tolist()

        return act

    return prepare


if __name__ == "__main__":
    main(__doc__, cases)
