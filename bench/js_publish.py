"""JetStream publishing with acknowledgements: a window in flight, one at a time, many streams, many clients.

natsd acknowledges what is on disk; the Go server at its default what it has handed to the system.
"""

from __future__ import annotations

import argparse
import time
from array import array
from collections.abc import Sequence

from natsd.kernel._native_jetload import publish_acked
from natsd.kernel._native_load import request

from bench.jetstream import Api, frames_of, go_always, inbox_connection, ours_seldom, subjects_of
from bench.load import Act, Crew, Prepare, Sample, Settings
from bench.question import Case, Row, main, sizes_of
from bench.servers import Kind, Server, machine_busy_seconds

SIZES = (16, 128, 1024, 16384)


def cases(options: argparse.Namespace) -> list[Case]:
    sizes = sizes_of(options, SIZES)
    found = [
        publish_case(size, window, 1_000, always=size == 128 or (window == 4_000 and size < 16_384))
        for window in (500, 4_000)
        for size in sizes
    ]
    found += [publish_case(size, 4_000, 1_000, storage="memory") for size in sizes if size in (16, 128, 1024)]
    if 128 in sizes:
        many = 100_000 if options.quick else 1_000_000
        found += [publish_case(128, 4_000, count) for count in (1, many)]
        found += [keys_case(100_000), streams_case(64), clients_case(8), latency_case(500 if options.quick else 3_000)]
    return found


def publish_case(size: int, window: int, subjects: int, *, storage: str = "file", always: bool = False) -> Case:
    title = f"publish async, {storage}, {size} B, {window:,} in flight, {subjects:,} subjects"

    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            with Api(server) as api:
                api.create_stream("BENCH", ["js.>"], storage)
            return [publish(server, [subjects_of(subjects)], size, window, settings)]

    return Case([Row(title, "/s", more_is_better=True)], measure, also=go_always if always else None)


def keys_case(keys: int) -> Case:
    """Overwriting the values of a key-value bucket."""

    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            with Api(server) as api:
                api.create_stream(
                    "KV_BENCH", ["$KV.BENCH.>"], max_msgs_per_subject=1, discard="new", allow_rollup_hdrs=True,
                    deny_delete=True, allow_direct=True,
                )  # fmt: skip
            subjects = subjects_of(keys, b"$KV.BENCH.")
            block, ends = frames_of(subjects, 128)
            with inbox_connection(server) as connection:
                publish_acked(connection.fileno(), block, ends, 4_000, messages=keys)
            return [publish(server, [subjects], 128, 4_000, settings)]

    return Case([Row(f"KV overwrite, file, 128 B, 4,000 in flight, {keys:,} keys", "/s", more_is_better=True)], measure)


def streams_case(streams: int) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            with Api(server) as api:
                for at in range(streams):
                    api.create_stream(f"BENCH{at}", [f"js.{at:07d}"])
            return [publish(server, [subjects_of(streams)], 128, 4_000, settings)]

    title = f"publish async, file, 128 B, 4,000 in flight, {streams} streams in turn"
    return Case([Row(title, "/s", more_is_better=True)], measure)


def clients_case(clients: int) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            with Api(server) as api:
                api.create_stream("BENCH", ["js.>"])
            each = [subjects_of(100, b"js.%d." % at) for at in range(clients)]
            return [publish(server, each, 128, 500, settings)]

    title = f"publish async, file, 128 B, {clients} clients with 500 in flight each"
    return Case([Row(title, "/s", more_is_better=True)], measure)


def publish(server: Server, clients: Sequence[list[bytes]], size: int, window: int, settings: Settings) -> Sample:
    """Acknowledged messages per second of clients that each publish on their subjects for a while."""
    with Crew(1, settings.generator_cpu) as crew:
        members = [
            crew.hire(_publishing(server, subjects, size, window, b"_INBOX.%d" % at))
            for at, subjects in enumerate(clients)
        ]
        for seconds in (settings.warm_s, settings.seconds):
            cpu_s, machine_s = server.cpu_seconds(), machine_busy_seconds()
            for member in members:
                crew.order(member, seconds)
            answers = [crew.answer(member) for member in members]
            cpu_s, machine_s = server.cpu_seconds() - cpu_s, machine_busy_seconds() - machine_s
    generator_s = sum(each for _, each in answers)
    messages = sum(sent for (sent, _, _), _ in answers)
    elapsed_s = (max(last for (_, _, last), _ in answers) - min(first for (_, first, _), _ in answers)) / 1e9
    return Sample(
        messages / elapsed_s,
        messages=messages,
        server_ns_per_message=cpu_s / messages * 1e9,
        server_cores=cpu_s / elapsed_s,
        generator_cores=generator_s / elapsed_s,
        others_cores=max(0.0, machine_s - cpu_s - generator_s) / elapsed_s,
    )


def _publishing(server: Server, subjects: list[bytes], size: int, window: int, inbox: bytes) -> Prepare:
    def prepare() -> Act:
        block, ends = frames_of(subjects, size, inbox=inbox)
        connection = inbox_connection(server, inbox + b".*")
        place = 0

        def act(seconds: float) -> tuple[int, int, int]:
            nonlocal place
            deadline_ns = time.monotonic_ns() + int((seconds * 5 + 60) * 1e9)
            result: tuple[int, int, int] = publish_acked(
                connection.fileno(), block, ends, window, duration_ns=int(seconds * 1e9), deadline_ns=deadline_ns,
                start=place,
            )  # fmt: skip
            place += result[0]
            return result

        return act

    return prepare


def latency_case(count: int) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            with Api(server) as api:
                api.create_stream("BENCH", ["js.>"])
            with inbox_connection(server) as connection:
                frame = b"PUB js.0000001 _INBOX.bench.1 128\r\n%b\r\n" % (b"x" * 128)
                for amount in (count // 10, count):
                    latencies_ns = array("q", bytes(8 * amount))
                    request(connection.fileno(), frame, latencies_ns, time.monotonic_ns() + 120_000_000_000)
            disk_ns = server.disk_latencies_ns(len(latencies_ns))
        p50, p99 = (_percentile_us(latencies_ns, part) for part in (50, 99))
        return [Sample(p50), Sample(p99), Sample(_percentile_us(disk_ns, 50))]

    def also(kind: Kind) -> Kind | None:
        return go_always(kind) or ours_seldom(kind)

    rows = [Row(f"publish one at a time, file, 128 B, {part}", "us") for part in ("p50", "p99")]
    return Case([*rows, Row("write and sync of 200 B on the bare disk right after that, p50", "us")], measure, also)


def _percentile_us(values_ns: Sequence[int], part: int) -> float:
    return sorted(values_ns)[len(values_ns) * part // 100] / 1000


if __name__ == "__main__":
    main(__doc__, cases)
