"""`nats bench js` and `nats bench kv`: the flags, and what has to be there before a benchmark begins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import DURATION, SIZE, InnerGroup, Leaf, StreamName, Table
from natsd.cli.nats.bench.bench_clients import Pace
from natsd.cli.nats.bench.bench_core import (
    banner,
    bool_text,
    common,
    header_of,
    messages_of,
    payload_of,
    plan_of,
    rated,
    run_and_report,
    shares,
)
from natsd.cli.nats.bench.bench_js_clients import Asker, BatchGetter, BatchPublisher, PullReader, WindowPublisher
from natsd.cli.nats.limits import split_words
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import KV_PREFIX, BucketName, ConsumerName, jetstream
from natsd.cli.values import comma, ibytes, short_duration
from natsd.client.headers import render_headers
from natsd.client.jetstream import CONSUMER_NOT_FOUND, STREAM_NOT_FOUND, ApiError
from natsd.client.key_value import Bucket, bucket_config
from natsd.client.nuid import new_nuid

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from natsd.cli.nats.bench.bench_clients import Client
    from natsd.cli.nats.bench.bench_js_clients import Ask
    from natsd.client.jetstream import JetStream

    F = TypeVar("F", bound=Callable[..., Any])

_HERE = "natsd.cli.nats.bench.bench_js"
TABLE: Table = {
    "consume": (f"{_HERE}:consume", "Pull without waiting for the end of a request", ()),
    "fetch": (f"{_HERE}:fetch", "Pull request by request", ()),
    "get": (f"{_HERE}:get", "Direct get", ()),
    "ordered": (f"{_HERE}:ordered", "Read in order with a consumer for oneself", ()),
    "pub": (f"{_HERE}:pub", "Publish and wait for acks", ()),
}
PUB_TABLE: Table = {
    "async": (f"{_HERE}:publish_async", "With many acks outstanding", ()),
    "atomic": (f"{_HERE}:publish_atomic", "In batches, whole or not at all", ("batch",)),
    "sync": (f"{_HERE}:publish_sync", "One after the other", ()),
}
GET_TABLE: Table = {
    "batch": (f"{_HERE}:get_batch", "Many messages a request", ()),
    "sync": (f"{_HERE}:get_sync", "One after the other", ()),
}
KV_TABLE: Table = {
    "get": (f"{_HERE}:kv_get", "Get values", ()),
    "put": (f"{_HERE}:kv_put", "Put values", ()),
}
command = InnerGroup("js", table=TABLE, help="Measure JetStream.")
pub = InnerGroup("pub", table=PUB_TABLE, help="Measure publishing to a stream.")
get = InnerGroup("get", table=GET_TABLE, help="Measure direct get.")
kv = InnerGroup("kv", table=KV_TABLE, help="Measure a key-value bucket.")


def _run(settings: Settings, label: str, crew: list[Client], values: dict[str, Any], prefix: str) -> None:
    run_and_report(settings, label, crew, values["progress"], values["csv_file"], prefix, values["as_json"])


def stream_flag(function: F) -> F:
    kind = StreamName()
    return click.option("--stream", type=kind, default="benchstream", show_default=True, help="The stream.")(function)


def _publish_flags(function: F) -> F:
    for option in reversed(
        (
            click.option("--multisubject", is_flag=True, help="Publish to SUBJECT.<number>."),
            click.option("--multisubjectmax", type=click.IntRange(min=0), default=100000, help="Subjects (100000)."),
            click.option("--multisubjectrandomize", is_flag=True, help="Take the subjects at random."),
            click.option("--create", is_flag=True, help="Make the stream first."),
            click.option("--storage", type=click.Choice(["memory", "file"]), default="file", help="Where it is kept."),
            click.option("--replicas", type=click.IntRange(min=1), default=1, help="Copies in a cluster (1)."),
            click.option("--maxbytes", type=SIZE, default=1 << 30, metavar="SIZE", help="Bytes it holds (1GB)."),
            click.option("--dedup", is_flag=True, help="Give every message an id."),
            click.option("--dedupwindow", type=DURATION, default=120_000_000_000, help="Time ids are remembered (2m)."),
            click.option("--purge", is_flag=True, help="Empty the stream first."),
            click.option("--persistasync", is_flag=True, help="Let the stream persist later."),
        )
    ):
        function = option(function)
    return stream_flag(common(rated(function)))


def _prepare_stream(settings: Settings, subject: str, values: dict[str, Any]) -> None:
    with jetstream(settings) as js:
        name = values["stream"]
        if values["create"]:
            config: dict[str, Any] = {
                "name": name,
                "subjects": [f"{subject}.*" if values["multisubject"] else subject],
                "storage": values["storage"],
                "num_replicas": values["replicas"],
                "max_bytes": values["maxbytes"],
                "duplicate_window": values["dedupwindow"],
                "allow_direct": True,
                "allow_atomic": values.get("atomic", False),
            }
            if values["persistasync"]:
                config["persist_mode"] = "async"
            config = {key: value for key, value in config.items() if value is not False}
            try:
                js.stream_info(name)
            except ApiError as problem:
                if problem.err_code != STREAM_NOT_FOUND:
                    raise
                js.create_stream(config)
            else:
                js.update_stream(config)
        _ready(js, name, values["purge"], "--create makes it")


def _ready(js: JetStream, name: str, purge: bool, hint: str) -> None:
    try:
        js.stream_info(name)
    except ApiError as problem:
        if problem.err_code == STREAM_NOT_FOUND:
            raise ApiError(problem.code, problem.err_code, f"stream {name} not found, {hint}") from None
        raise
    if purge:
        js.purge_stream(name)


def _message(subject: str, values: dict[str, Any], header: bytes | None, payload: bytes, offset: int) -> Ask:
    """Each message of a client."""
    raw = os.fsencode(subject)
    most = values["multisubjectmax"] or 1 << 62
    digits = len(str(most)) if values["multisubjectmax"] else 0
    prefix = new_nuid(os.urandom)

    def message(number: int) -> tuple[bytes, bytes | None, bytes]:
        target = raw
        if values["multisubject"]:
            token = int.from_bytes(os.urandom(6), "little") if values["multisubjectrandomize"] else offset + number
            target = b"%b.%0*d" % (raw, digits, token % most)
        if values["dedup"]:
            identity = f"Nats-Msg-Id: {prefix}-{offset + number}\r\n\r\n".encode()
            return target, (header or render_headers([]))[:-2] + identity, payload
        return target, header, payload

    return message


def _publish(settings: Settings, label: str, subject: str, values: dict[str, Any], kind: str, batch: int) -> None:
    count = messages_of(values["msgs"], values["throughput"], values["duration_ns"])
    payload, header = payload_of(values["size"], values["payload_file"]), header_of(values["headers"])
    clients, rate = values["clients"], values["throughput"] / values["clients"]
    plan = plan_of(clients, count, len(payload), values["throughput"], values["duration_ns"])
    plan |= {
        "subject": f"{subject}.*" if values["multisubject"] else subject,
        "stream": values["stream"],
        "storage": values["storage"],
        "replicas": str(values["replicas"]),
        "max-bytes": ibytes(values["maxbytes"]),
        "multi-subject": bool_text(values["multisubject"]),
        "multi-subject-max": comma(values["multisubjectmax"]),
        "deduplication": bool_text(values["dedup"]),
        "dedup-window": short_duration(values["dedupwindow"]),
        "purge": bool_text(values["purge"]),
        "sleep": short_duration(values["sleep_ns"]),
    }
    if batch:
        plan["batch"] = comma(batch)
    banner(label, plan)
    _prepare_stream(settings, subject, {**values, "atomic": kind == "atomic"})
    crew: list[Client] = []
    offset = 0
    for number, share in enumerate(shares(count, clients), 1):
        console.log(f"[{number}] Starting {label}, publishing {comma(share)} messages")
        message = _message(subject, values, header, payload, offset)
        pace = Pace(values["sleep_ns"] / 1e9, rate)
        if kind == "sync":
            crew.append(Asker("Publishing", message, share, len(payload) or 1, settings.timeout_s, pace))
        else:
            publisher = BatchPublisher if kind == "atomic" else WindowPublisher
            crew.append(publisher(message, share, batch, len(payload), settings.timeout_s, pace))
        offset += share
    _run(settings, label, crew, values, "P")


@click.command("sync", cls=Leaf, help="Publish and wait for each ack.")
@click.argument("subject")
@_publish_flags
@click.pass_obj
def publish_sync(settings: Settings, /, subject: str, **values: Any) -> None:
    _publish(settings, "JetStream synchronous publisher", subject, values, "sync", 0)


@click.command("async", cls=Leaf, help="Publish with many acks outstanding.")
@click.argument("subject")
@_publish_flags
@click.option("--batch", type=click.IntRange(min=1), default=500, help="Acks outstanding at most (500).")
@click.pass_obj
def publish_async(settings: Settings, /, subject: str, batch: int, **values: Any) -> None:
    _publish(settings, "JetStream asynchronous publisher", subject, values, "async", batch)


@click.command("atomic", cls=Leaf, help="Publish in batches that are stored whole or not at all.")
@click.argument("subject")
@_publish_flags
@click.option("--batch", type=click.IntRange(1, 1000), default=500, help="Messages of a batch (500).")
@click.pass_obj
def publish_atomic(settings: Settings, /, subject: str, batch: int, **values: Any) -> None:
    _publish(settings, "JetStream atomic batch publisher", subject, values, "atomic", batch)


def _read_flags(function: F) -> F:
    for option in reversed(
        (
            click.option("--batch", type=click.IntRange(min=1), default=500, help="Messages of a request (500)."),
            click.option("--filter", "filters", metavar="SUBJECTS", multiple=True, help="Only these subjects."),
            click.option("--purge", is_flag=True, help="Empty the stream first."),
            click.option("--sleep", "sleep_ns", type=DURATION, default=0, help="Pause for each message."),
        )
    ):
        function = option(function)
    return stream_flag(common(function))


def _consumer_flags(function: F) -> F:
    for option in reversed(
        (
            click.option(
                "--consumer", type=ConsumerName(), default="nats-bench", show_default=True, help="The consumer."
            ),
            click.option(
                "--acks", type=click.Choice(["explicit", "none", "all"]), default="explicit", help="What is acked."
            ),
            click.option("--doubleack/--no-doubleack", default=False, help="Wait for the confirmation of acks."),
        )
    ):
        function = option(function)
    return _read_flags(function)


def _filter(filters: tuple[str, ...]) -> dict[str, Any]:
    subjects = split_words(filters)
    if len(subjects) == 1:
        return {"filter_subject": subjects[0]}
    return {"filter_subjects": subjects} if subjects else {}


@click.command("ordered", cls=Leaf, help="Each client reads all messages in order, with a consumer of its own.")
@_read_flags
@click.pass_obj
def ordered(
    settings: Settings, /, stream: str, batch: int, filters: tuple[str, ...], purge: bool, **values: Any
) -> None:
    label = "JetStream ordered ephemeral consumer"
    msgs, clients = values["msgs"], values["clients"]
    banner(label, {**plan_of(clients, msgs, values["size"]), "stream": stream, "batch": comma(batch)})
    crew: list[Client] = []
    with jetstream(settings) as js:
        _ready(js, stream, purge, "nats bench js pub --create makes it")
        for number in range(1, clients + 1):
            config = {"ack_policy": "none", "mem_storage": True, "inactive_threshold": 300_000_000_000}
            name = js.create_consumer(stream, {**config, **_filter(filters)})["name"]
            console.log(f"[{number}] Starting {label}, expecting {comma(msgs)} messages")
            target = f"{js.prefix}.CONSUMER.MSG.NEXT.{stream}.{name}"
            timeout_s = max(settings.timeout_s, 60.0)
            crew.append(PullReader(target, msgs, batch, timeout_s, pace=Pace(values["sleep_ns"] / 1e9)))
    _run(settings, label, crew, values, "S")


def _read(settings: Settings, label: str, stream: str, by_fetch: bool, values: dict[str, Any]) -> None:
    msgs, clients, batch, name = values["msgs"], values["clients"], values["batch"], values["consumer"]
    plan = {"stream": stream, "consumer": name, "batch": comma(batch), "acks": values["acks"]}
    plan |= {"double-acked": bool_text(values["doubleack"]), "purge": bool_text(values["purge"])}
    banner(label, {**plan_of(clients, msgs, values["size"]), **plan})
    ack = "" if values["acks"] == "none" else values["acks"]
    crew: list[Client] = []
    with jetstream(settings) as js:
        _ready(js, stream, values["purge"], "nats bench js pub --create makes it")
        config = {"durable_name": name, "name": name, "ack_policy": values["acks"], **_filter(values["filters"])}
        if ack:
            config["max_ack_pending"] = max(1000, 2 * batch * clients)
        if name == "nats-bench":
            # A benchmark begins with the first message, not where the one before ended.
            try:
                js.delete_consumer(stream, name)
            except ApiError as problem:
                if problem.err_code != CONSUMER_NOT_FOUND:
                    raise
        js.create_consumer(stream, config)
        target = f"{js.prefix}.CONSUMER.MSG.NEXT.{stream}.{name}"
    for number, share in enumerate(shares(msgs, clients), 1):
        console.log(f"[{number}] Starting {label}, expecting {comma(share)} messages")
        crew.append(
            PullReader(
                target,
                share,
                batch,
                max(settings.timeout_s, 60.0),
                ack=ack,
                double=values["doubleack"],
                by_fetch=by_fetch,
                pace=Pace(values["sleep_ns"] / 1e9),
            )
        )
    _run(settings, label, crew, values, "S")


@click.command("consume", cls=Leaf, help="Clients share a durable consumer and ask for more before they run dry.")
@_consumer_flags
@click.pass_obj
def consume(settings: Settings, /, stream: str, **values: Any) -> None:
    _read(settings, "JetStream durable consumer (callback)", stream, False, values)


@click.command("fetch", cls=Leaf, help="Clients share a durable consumer and fetch batch by batch.")
@_consumer_flags
@click.pass_obj
def fetch(settings: Settings, /, stream: str, **values: Any) -> None:
    _read(settings, "JetStream durable consumer (fetch)", stream, True, values)


@click.command("sync", cls=Leaf, help="Get messages by their number, one after the other.")
@stream_flag
@common
@click.option("--sleep", "sleep_ns", type=DURATION, default=0, help="Pause after each.")
@click.pass_obj
def get_sync(settings: Settings, /, stream: str, **values: Any) -> None:
    label = "JetStream synchronous getter"
    banner(label, {**plan_of(values["clients"], values["msgs"], values["size"]), "stream": stream})
    with jetstream(settings) as js:
        first = int((js.stream_info(stream).get("state") or {}).get("first_seq") or 1)
        target = f"{js.prefix}.DIRECT.GET.{stream}".encode()
    crew: list[Client] = []
    offset = first
    for number, share in enumerate(shares(values["msgs"], values["clients"]), 1):
        console.log(f"[{number}] Starting {label}, getting {comma(share)} messages")
        asked = _by_sequence(target, offset)
        pace = Pace(values["sleep_ns"] / 1e9)
        crew.append(Asker("Getting", asked, share, 0, settings.timeout_s, pace))
        offset += share
    _run(settings, label, crew, values, "S")


def _by_sequence(target: bytes, first: int) -> Ask:
    return lambda number: (target, None, b'{"seq":%d}' % (first + number))


@click.command("batch", cls=Leaf, help="Get messages in batches.")
@stream_flag
@common
@click.option("--batch", type=click.IntRange(min=1), default=500, help="Messages of a request (500).")
@click.option("--filter", "pattern", default=">", metavar="SUBJECT", help="Only these subjects.")
@click.option("--sleep", "sleep_ns", type=DURATION, default=0, help="Pause for each message.")
@click.pass_obj
def get_batch(settings: Settings, /, stream: str, batch: int, pattern: str, **values: Any) -> None:
    label = "JetStream batched direct getter"
    plan = plan_of(values["clients"], values["msgs"], values["size"])
    banner(label, {**plan, "stream": stream, "batch": comma(batch), "filter": pattern})
    with jetstream(settings) as js:
        js.stream_info(stream)
        target = f"{js.prefix}.DIRECT.GET.{stream}"
    crew: list[Client] = []
    for number in range(1, values["clients"] + 1):
        console.log(f"[{number}] Starting {label}, getting {comma(values['msgs'])} messages")
        pace = Pace(values["sleep_ns"] / 1e9)
        crew.append(BatchGetter(target, pattern, values["msgs"], batch, settings.timeout_s, pace))
    _run(settings, label, crew, values, "S")


def _bucket_flags(function: F) -> F:
    for option in (
        click.option("--randomize", type=click.IntRange(min=0), default=0, help="Keys at random below this."),
        click.option("--sleep", "sleep_ns", type=DURATION, default=0, help="Pause after each."),
        click.option(
            "--bucket", type=BucketName(KV_PREFIX), default="benchbucket", show_default=True, help="The bucket."
        ),
    ):
        function = option(function)
    return common(function)


def _keys(prefix: str, randomize: int, offset: int, value: bytes = b"") -> Ask:
    raw = os.fsencode(prefix)

    def ask(number: int) -> tuple[bytes, bytes | None, bytes]:
        key = int.from_bytes(os.urandom(6), "little") % randomize if randomize else offset + number
        return b"%b%d" % (raw, key), None, value

    return ask


@click.command("put", cls=Leaf, help="Put values, one after the other per client.")
@_bucket_flags
@click.option("--storage", type=click.Choice(["memory", "file"]), default="file", help="Where it is kept.")
@click.option("--replicas", type=click.IntRange(min=1), default=1, help="Copies in a cluster (1).")
@click.option("--maxbytes", type=SIZE, default=1 << 30, metavar="SIZE", help="Bytes it holds (1GB).")
@click.option("--history", type=click.IntRange(1, 64), default=1, help="Values kept of each key (1).")
@click.option("--purge", is_flag=True, help="Empty the bucket first.")
@click.option("--throughput", type=click.IntRange(min=0), default=0, help="Values a second, of all clients.")
@click.option("--duration", "duration_ns", type=DURATION, default=0, help="With --throughput: how long.")
@click.pass_obj
def kv_put(settings: Settings, /, bucket: str, **values: Any) -> None:
    label = "JetStream KV putter"
    count = messages_of(values["msgs"], values["throughput"], values["duration_ns"])
    clients, size = values["clients"], values["size"]
    plan = plan_of(clients, count, size, values["throughput"], values["duration_ns"])
    banner(label, {**plan, "bucket": bucket, "storage": values["storage"], "history": str(values["history"])})
    with jetstream(settings) as js:
        js.create_stream(
            bucket_config(
                bucket,
                history=values["history"],
                storage=values["storage"],
                num_replicas=values["replicas"],
                max_bytes=values["maxbytes"],
            )
        )
        if values["purge"]:
            js.purge_stream(KV_PREFIX + bucket)
    crew: list[Client] = []
    offset = 0
    for number, share in enumerate(shares(count, clients), 1):
        console.log(f"[{number}] Starting {label}, putting {comma(share)} messages")
        asked = _keys(f"$KV.{bucket}.", values["randomize"], offset, bytes(size))
        pace = Pace(values["sleep_ns"] / 1e9, values["throughput"] / clients)
        crew.append(Asker("Putting", asked, share, size or 1, settings.timeout_s, pace))
        offset += share
    _run(settings, label, crew, values, "P")


@click.command("get", cls=Leaf, help="Get values, one after the other per client.")
@_bucket_flags
@click.pass_obj
def kv_get(settings: Settings, /, bucket: str, **values: Any) -> None:
    label = "JetStream KV getter"
    banner(label, {**plan_of(values["clients"], values["msgs"], values["size"]), "bucket": bucket})
    with jetstream(settings) as js:
        Bucket(js, bucket)
        prefix = f"{js.prefix}.DIRECT.GET.{KV_PREFIX}{bucket}.$KV.{bucket}."
    crew: list[Client] = []
    offset = 0
    for number, share in enumerate(shares(values["msgs"], values["clients"]), 1):
        console.log(f"[{number}] Starting {label}, getting {comma(share)} messages")
        asked = _keys(prefix, values["randomize"], offset)
        crew.append(Asker("Getting", asked, share, 0, settings.timeout_s, Pace(values["sleep_ns"] / 1e9)))
        offset += share
    _run(settings, label, crew, values, "S")
