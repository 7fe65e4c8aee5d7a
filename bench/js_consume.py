"""JetStream consuming: an ordered push consumer, pull requests, direct gets, acknowledgements on a work queue."""

from __future__ import annotations

import argparse
import json
import time
from array import array

from natsd.kernel._native_jetload import fetch_all, publish_acked
from natsd.kernel._native_load import Tally, receive, request

from bench.jetstream import Api, frames_of, inbox_connection, subjects_of
from bench.load import Sample, Settings
from bench.question import Case, Row, main
from bench.servers import Kind, Server, expect


def cases(options: argparse.Namespace) -> list[Case]:
    count = 100_000 if options.quick else 500_000
    return [
        ordered_case(count),
        fetch_case(count, "none"),
        fetch_case(count, "explicit"),
        get_case("direct get by sequence, 128 B, p50", b"$JS.API.DIRECT.GET.BENCH", {"seq": 500}),
        get_case(
            "KV get (direct get of the last of a subject), 128 B, p50", b"$JS.API.DIRECT.GET.BENCH.js.0000500", None
        ),
        watch_case(100_000),
        work_queue_case(50_000 if options.quick else 100_000),
    ]


def fill(server: Server, count: int, subjects: int = 1_000, **fields: object) -> None:
    """A stream BENCH with so many messages of 128 B."""
    with Api(server) as api:
        api.create_stream("BENCH", ["js.>"], allow_direct=True, **fields)
    block, ends = frames_of(subjects_of(subjects), 128)
    with inbox_connection(server) as connection:
        publish_acked(connection.fileno(), block, ends, 4_000, messages=count)


def ordered_case(count: int) -> Case:
    """As clients' ordered consumers ask for it: push, no acknowledgements, heartbeats; flow control is left out."""

    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            fill(server, count)
            with inbox_connection(server, b"_INBOX.push") as connection, Api(server) as api:
                tally = Tally(bytearray(128))
                tally[1] = count
                began = time.monotonic_ns()
                api.create_consumer(
                    "BENCH", deliver_subject="_INBOX.push", ack_policy="none", max_deliver=1, mem_storage=True,
                    num_replicas=1, deliver_policy="all", replay_policy="instant",
                )  # fmt: skip
                deadline_ns = began + 120_000_000_000
                _, _, _, last = receive([connection.fileno()], tally, 0, 1, deadline_ns)
        return [Sample(count / ((last - began) / 1e9))]

    return Case([Row(f"ordered consume, file, 128 B, {count:,} messages", "/s", more_is_better=True)], measure)


def fetch_case(count: int, policy: str) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            fill(server, count)
            with Api(server) as api:
                api.create_consumer(
                    "BENCH", durable_name="pull", ack_policy=policy, max_ack_pending=-1, deliver_policy="all",
                    replay_policy="instant",
                )  # fmt: skip
            body = json.dumps({"batch": 500, "expires": 30_000_000_000}).encode()
            pull = b"PUB $JS.API.CONSUMER.MSG.NEXT.BENCH.pull _INBOX.bench.pull %d\r\n%b\r\n" % (len(body), body)
            with inbox_connection(server) as connection:
                deadline_ns = time.monotonic_ns() + 120_000_000_000
                first, last = fetch_all(connection.fileno(), pull, 500, count, deadline_ns)
        return [Sample(count / ((last - first) / 1e9))]

    title = f"pull, batches of 500, acknowledgement {policy}, file, 128 B, {count:,} messages"
    return Case([Row(title, "/s", more_is_better=True)], measure)


def get_case(title: str, subject: bytes, body: object) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        payload = b"" if body is None else json.dumps(body).encode()
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            fill(server, 20_000)
            frame = b"PUB %b _INBOX.bench.get %d\r\n%b\r\n" % (subject, len(payload), payload)
            with inbox_connection(server) as connection:
                for amount in (500, 5_000):
                    latencies_ns = array("q", bytes(8 * amount))
                    request(connection.fileno(), frame, latencies_ns, time.monotonic_ns() + 60_000_000_000)
        return [Sample(sorted(latencies_ns)[len(latencies_ns) // 2] / 1000)]

    return Case([Row(title, "us")], measure)


def watch_case(keys: int) -> Case:
    """What a watcher of a whole bucket gets first: the last value of every key."""

    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            fill(server, keys, keys, max_msgs_per_subject=1)
            with inbox_connection(server, b"_INBOX.push") as connection, Api(server) as api:
                tally = Tally(bytearray(128))
                tally[1] = keys
                began = time.monotonic_ns()
                api.create_consumer(
                    "BENCH", deliver_subject="_INBOX.push", ack_policy="none", max_deliver=1, mem_storage=True,
                    num_replicas=1, deliver_policy="last_per_subject", filter_subject="js.>", replay_policy="instant",
                )  # fmt: skip
                _, _, _, last = receive([connection.fileno()], tally, 0, 1, began + 120_000_000_000)
        return [Sample(keys / ((last - began) / 1e9))]

    return Case([Row(f"KV watch of {keys:,} keys, file, 128 B", "/s", more_is_better=True)], measure)


def work_queue_case(count: int) -> Case:
    """Fetch and acknowledge everything; it ends when the stream is empty."""

    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu, jetstream=True) as server:
            fill(server, count, retention="workqueue")
            body = json.dumps({"batch": 500, "expires": 30_000_000_000}).encode()
            pull = b"PUB $JS.API.CONSUMER.MSG.NEXT.BENCH.pull _INBOX.bench.pull %d\r\n%b\r\n" % (len(body), body)
            with inbox_connection(server) as connection, Api(server) as api:
                api.create_consumer(
                    "BENCH", durable_name="pull", ack_policy="explicit", max_ack_pending=-1, deliver_policy="all",
                    replay_policy="instant",
                )  # fmt: skip
                began = time.monotonic_ns()
                taken, rest = 0, b""
                while taken < count:
                    connection.sendall(pull)
                    wanted = taken + 500
                    while taken < wanted:
                        data = connection.recv(1 << 18)
                        if not data:
                            raise ConnectionError("the server hung up")
                        rest += data
                        acks = []
                        lines = rest.split(b"\r\n")
                        at = 0
                        # MSG line and payload alternate, but for a PING; the last piece is unfinished.
                        while at < len(lines) - 2:
                            if lines[at] == b"PING":
                                acks.append(b"PONG\r\n")
                                at += 1
                                continue
                            acks.append(b"PUB %b 0\r\n\r\n" % lines[at].split(b" ")[3])
                            taken += 1
                            at += 2
                        rest = b"\r\n".join(lines[at:])
                        connection.sendall(b"".join(acks))
                connection.sendall(b"PING\r\n")
                expect(connection, b"PONG\r\n")
                while api.ask("STREAM.INFO.BENCH")["state"]["messages"]:
                    time.sleep(0.005)
                elapsed_s = (time.monotonic_ns() - began) / 1e9
        return [Sample(count / elapsed_s)]

    title = f"work queue: fetch, acknowledge, remove {count:,} messages, file, 128 B (client in Python)"
    return Case([Row(title, "/s", more_is_better=True)], measure)


if __name__ == "__main__":
    main(__doc__, cases)
