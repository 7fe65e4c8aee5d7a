"""JetStream at rest and after a crash: idle streams and consumers, opening after kill -9, memory per message."""

from __future__ import annotations

import argparse
import time

from natsd.kernel._native_jetload import publish_acked

from bench.jetstream import Api, frames_of, inbox_connection, subjects_of
from bench.load import Sample, Settings
from bench.question import Case, Row, main
from bench.servers import Kind, Server

SETTLE_S = 2.0


def cases(options: argparse.Namespace) -> list[Case]:
    if options.quick:
        return [idle_case(100), consumers_case(1_000), open_case(200_000, 1_000)]
    return [
        idle_case(1_000),
        consumers_case(10_000),
        open_case(1_000_000, 1_000),
        open_case(1_000_000, 1_000_000),
        open_case(10_000_000, 1_000),
    ]


def idle_case(streams: int) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server, Api(server) as api:
            time.sleep(SETTLE_S)
            before = server.resident_bytes()
            for at in range(streams):
                api.create_stream(f"BENCH{at}", [f"js.{at}.>"])
                api.create_consumer(f"BENCH{at}", durable_name="pull", ack_policy="explicit", deliver_policy="all")
            time.sleep(SETTLE_S)
            cpu_s = server.cpu_seconds()
            time.sleep(5 * SETTLE_S)
            cpu_s = server.cpu_seconds() - cpu_s
            return [Sample(cpu_s / (5 * SETTLE_S) * 1e6), Sample((server.resident_bytes() - before) / streams)]

    return Case(
        [
            Row(f"processor time per second, {streams:,} idle streams with a consumer each", "us"),
            Row(f"memory per idle stream with a consumer, {streams:,} of them", "B"),
        ],
        measure,
    )


def consumers_case(consumers: int) -> Case:
    """What many consumers of one stream cost its publishers."""

    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            with Api(server) as api:
                api.create_stream("BENCH", ["js.>"])
                began = time.monotonic()
                for at in range(consumers):
                    api.create_consumer(
                        "BENCH", durable_name=f"c{at}", ack_policy="explicit", deliver_policy="all",
                        filter_subject=f"js.{at % 1000:07d}",
                    )  # fmt: skip
                created_s = time.monotonic() - began
            block, ends = frames_of(subjects_of(1_000), 128)
            with inbox_connection(server) as connection:
                sent, first, last = publish_acked(connection.fileno(), block, ends, 500, messages=20_000)
        return [Sample(created_s), Sample(sent / ((last - first) / 1e9))]

    return Case(
        [
            Row(f"time to create {consumers:,} consumers of one stream", "s"),
            Row(f"publish async, file, 128 B, 500 in flight, {consumers:,} consumers", "/s", more_is_better=True),
        ],
        measure,
    )


def open_case(messages: int, subjects: int) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            with Api(server) as api:
                api.create_stream("BENCH", ["js.>"])
                before = server.resident_bytes()
                block, ends = frames_of(subjects_of(subjects), 128)
                with inbox_connection(server) as connection:
                    publish_acked(connection.fileno(), block, ends, 4_000, messages=messages)
                time.sleep(SETTLE_S)
                grown, stored = server.resident_bytes() - before, server.stored_bytes()
            server.kill()
            began = time.monotonic()
            server.start()
            with Api(server) as api:
                found = api.ask("STREAM.INFO.BENCH")["state"]["messages"]
                opened_s = time.monotonic() - began
        if found != messages:
            raise RuntimeError(f"{messages} messages were acknowledged, {found} are there after the crash")
        return [Sample(opened_s), Sample(grown / messages), Sample(stored / messages)]

    about = f"{messages:,} messages of 128 B, {subjects:,} subjects"
    return Case(
        [
            Row(f"exec to ready after kill -9, {about}", "s"),
            Row(f"memory per message, {about}", "B"),
            Row(f"disk per message, {about}", "B"),
        ],
        measure,
    )


if __name__ == "__main__":
    main(__doc__, cases)
