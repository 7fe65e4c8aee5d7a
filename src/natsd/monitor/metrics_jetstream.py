"""The part of /metrics about JetStream: by account, by stream and by consumer, with the exporter's names and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.jetstream.consumers.consumer_info import info as consumer_info
from natsd.monitor.document import CHUNK, PAUSE
from natsd.monitor.metrics_text import render_sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from natsd.jetstream.home import Home
    from natsd.jetstream.streams.stream import Stream
    from natsd.monitor.view import StorageView

    Sample = tuple[Mapping[str, str], tuple[int, ...]]

ACCOUNT = ("max_memory", "max_storage", "memory_used", "storage_used")
STREAM = ("total_messages", "total_bytes", "first_seq", "last_seq", "consumer_count", "subject_count")
CONSUMER = (
    "delivered_consumer_seq",
    "delivered_stream_seq",
    "ack_floor_consumer_seq",
    "ack_floor_stream_seq",
    "num_ack_pending",
    "num_redelivered",
    "num_waiting",
    "num_pending",
)


def jetstream_metrics(storage: StorageView, labels: Mapping[str, str]) -> Iterator[str]:
    """The metrics in pieces of bounded work. labels: those of the server."""
    server = {**labels, "cluster": "", "domain": storage.options.domain}
    leader = labels["server_name"]
    accounts: list[Sample] = []
    streams: list[Sample] = []
    consumers: list[Sample] = []
    for home in list(storage.jetstream.homes.values()):
        mine = {**server, "account": home.name, "account_id": home.name, "account_name": home.name}
        accounts.append((mine, _of_account(home)))
        for stream in list(home.streams.values()):
            of_stream = {**mine, "stream_name": stream.name, "stream_leader": leader, "is_stream_leader": "true"}
            streams.append((of_stream, _of_stream(stream)))
            for name, consumer in list(stream.consumers.items()):
                of_consumer = {**of_stream, "consumer_name": name, "consumer_leader": leader}
                consumers.append(({**of_consumer, "is_consumer_leader": "true"}, _of_consumer(consumer)))
            if (len(streams) + len(consumers)) % CHUNK == 0:
                yield PAUSE
    for kind, names, samples in (
        ("account", ACCOUNT, accounts),
        ("stream", STREAM, streams),
        ("consumer", CONSUMER, consumers),
    ):
        for at, name in enumerate(names):
            metric = f"jetstream_{kind}_{name}"
            yield f"# TYPE {metric} gauge\n"
            for start in range(0, len(samples), CHUNK):
                some = samples[start : start + CHUNK]
                yield "".join(render_sample(metric, own, values[at]) for own, values in some)


def _of_account(home: Home) -> tuple[int, ...]:
    limits, used = home.limits, home.used
    return (limits.max_memory, limits.max_storage, used["memory"], used["file"])


def _of_stream(stream: Stream) -> tuple[int, ...]:
    state = stream.store.state
    return (state.msgs, state.bytes, state.first_seq, state.last_seq, len(stream.consumers), state.num_subjects)


def _of_consumer(consumer: Any) -> tuple[int, ...]:
    page = consumer_info(consumer, dynamic=False)
    delivered, floor = page["delivered"], page["ack_floor"]
    places = (delivered["consumer_seq"], delivered["stream_seq"], floor["consumer_seq"], floor["stream_seq"])
    return (*places, page["num_ack_pending"], page["num_redelivered"], page["num_waiting"], page["num_pending"])
