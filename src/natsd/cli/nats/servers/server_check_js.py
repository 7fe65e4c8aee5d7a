"""`nats server check jetstream`, `stream`, `consumer`, `kv` and `message`: health of what is stored."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import click

from natsd.cli.check import Check
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.app import DURATION, StreamName
from natsd.cli.nats.servers.server_check import CheckLeaf, finish
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import KV_PREFIX, BucketName, ConsumerName, jetstream
from natsd.cli.times import NEVER_NS, since_ns
from natsd.cli.values import MS, SECOND, short_duration
from natsd.client.bucket import BucketNotFound
from natsd.client.jetstream import MESSAGE_NOT_FOUND, ApiError
from natsd.client.key_value import Bucket, KeyNotFound
from natsd.client.stored import payload_of, time_of

if TYPE_CHECKING:
    from typing import Any

    Answer = dict[str, Any]


@click.command("jetstream", cls=CheckLeaf, help="Use of what an account may have, and the replicas of its streams.")
@click.option("--mem-warn", type=int, default=75, help="Memory in % of the limit (75).")
@click.option("--mem-critical", type=int, default=90, help="Memory in % of the limit (90).")
@click.option("--store-warn", type=int, default=75, help="Disk in % of the limit (75).")
@click.option("--store-critical", type=int, default=90, help="Disk in % of the limit (90).")
@click.option("--streams-warn", type=int, default=-1, help="Streams in % of the limit (not checked).")
@click.option("--streams-critical", type=int, default=-1, help="Streams in % of the limit (not checked).")
@click.option("--consumers-warn", type=int, default=-1, help="Consumers in % of the limit (not checked).")
@click.option("--consumers-critical", type=int, default=-1, help="Consumers in % of the limit (not checked).")
@click.option("--replicas/--no-replicas", default=True, help="Look at the replicas too (default).")
@click.option("--replica-seen-critical", type=DURATION, default=5 * SECOND, help="A replica was not seen (5s).")
@click.option("--replica-lag-critical", type=int, default=200, help="Operations a replica is behind (200).")
@click.pass_context
def account(
    ctx: click.Context, /, replicas: bool, replica_seen_critical: int, replica_lag_critical: int, **limits: int
) -> None:
    settings: Settings = ctx.obj
    check = Check("jetstream", "JetStream")
    with jetstream(settings) as js:
        try:
            info = js.account_info()
            streams = js.streams()[0] if replicas else []
        except ApiError as problem:
            check.criticals.append(f"JetStream not available: {problem}")
            finish(ctx, check)
            return
    most = info.get("limits") or {}
    for name, flag, key, limit in (
        ("memory", "mem", "memory", "max_memory"),
        ("storage", "store", "storage", "max_storage"),
        ("streams", "streams", "streams", "max_streams"),
        ("consumers", "consumers", "consumers", "max_consumers"),
    ):
        _judge_use(check, name, int(info.get(key) or 0), int(most.get(limit) or 0), limits, flag)
    if replicas:
        _judge_replicas(check, streams, replica_seen_critical, replica_lag_critical)
    finish(ctx, check)


def _judge_use(check: Check, name: str, used: int, most: int, limits: dict[str, int], flag: str) -> None:
    share = used * 100 // most if most > 0 else 0
    warn, critical = limits[f"{flag}_warn"], limits[f"{flag}_critical"]
    check.note(name, used, "B" if name in ("memory", "storage") else "")
    check.note(f"{name}_pct", share, "%", max(0, warn), max(0, critical))
    if 0 <= critical <= warn:
        check.criticals.append(f"{name}: invalid thresholds")
    elif share > 100:
        check.criticals.append(f"{name}: exceed server limits")
    elif 0 <= critical < share:
        check.criticals.append(f"{share}% {name}")
    elif 0 <= warn < share:
        check.warnings.append(f"{share}% {name}")
    else:
        check.fine.append(f"{share}% {name}")


def _judge_replicas(check: Check, streams: list[Answer], seen_ns: int, lag: int) -> None:
    counts = dict.fromkeys(("ok", "no_leader", "missing_replicas", "lagged", "not_seen", "fail"), 0)
    for info in streams:
        counts[_replica_state(info, seen_ns, lag)] += 1
    for name, count in counts.items():
        check.note(f"replicas_{name}", count)
    unhealthy = sum(counts.values()) - counts["ok"]
    if unhealthy:
        check.criticals.append(f"{unhealthy} unhealthy streams")
    else:
        check.fine.append(f"{counts['ok']} healthy streams")


def _replica_state(info: Answer, seen_ns: int, lag: int) -> str:
    wanted = int(info["config"].get("num_replicas") or 1)
    cluster = info.get("cluster") or {}
    if wanted == 1:
        return "ok"
    if not cluster:
        return "fail"
    if not cluster.get("leader"):
        return "no_leader"
    replicas = cluster.get("replicas") or ()
    if len(replicas) != wanted - 1:
        return "missing_replicas"
    for replica in replicas:
        if replica.get("offline"):
            return "fail"
        if seen_ns and int(replica.get("active") or 0) > seen_ns:
            return "not_seen"
        if lag and int(replica.get("lag") or 0) > lag:
            return "lagged"
    return "ok"


@click.command("stream", cls=CheckLeaf, help="Messages, sources and replicas of a stream.")
@click.option("--stream", type=StreamName(), required=True, help="The stream.")
@click.option("--lag-critical", type=int, default=0, help="Messages a mirror or source is behind.")
@click.option("--seen-critical", type=DURATION, default=0, help="A mirror or source was not seen for so long.")
@click.option("--min-sources", type=int, default=0, help="Sources at least.")
@click.option("--max-sources", type=int, default=0, help="Sources at most.")
@click.option("--peer-expect", type=int, default=0, help="Servers that keep it.")
@click.option("--peer-lag-critical", type=int, default=0, help="Operations a server is behind.")
@click.option("--peer-seen-critical", type=DURATION, default=0, help="A server was not seen for so long.")
@click.option("--msgs-warn", type=int, default=0, help="No more messages than this.")
@click.option("--msgs-critical", type=int, default=0, help="No more messages than this.")
@click.option("--subjects-warn", type=int, default=0, help="Subjects; a critical limit above it is a most.")
@click.option("--subjects-critical", type=int, default=0, help="Subjects.")
@click.pass_context
def stream(ctx: click.Context, /, stream: str, **limits: int) -> None:
    settings: Settings = ctx.obj
    check = Check("stream", stream)
    with jetstream(settings) as js:
        info = _load(check, lambda: js.stream_info(stream))
    if info is not None:
        if (info["config"].get("mirror")) is not None:
            _judge_mirror(check, info, limits)
        else:
            _judge_sources(check, info, limits)
        _judge_subjects(check, int(info["state"].get("num_subjects") or 0), limits)
        _judge_messages(check, int(info["state"].get("messages") or 0), limits)
        _judge_peers(check, info, limits)
    finish(ctx, check)


def _load(check: Check, ask: Any) -> Answer | None:
    try:
        found: Answer = ask()
    except ApiError as problem:
        check.criticals.append(f"could not load info: {problem}")
        return None
    return found


def _judge_mirror(check: Check, info: Answer, limits: dict[str, int]) -> None:
    mirror = info.get("mirror") or {}
    lag, active = int(mirror.get("lag") or 0), int(mirror.get("active") or 0)
    check.note("lag", lag, "", 0, limits["lag_critical"])
    check.note("active", active / 1e9, "s", 0, limits["seen_critical"] / 1e9)
    bad = []
    if limits["lag_critical"] and lag >= limits["lag_critical"]:
        bad.append(f"Mirror Lag {lag}")
    if limits["seen_critical"] and active >= limits["seen_critical"]:
        bad.append(f"Mirror Seen {'never' if active >= NEVER_NS else short_duration(active)}")
    check.criticals += bad
    if not bad:
        check.fine.append(f"Mirror {info['config']['mirror'].get('name', '')}")


def _judge_sources(check: Check, info: Answer, limits: dict[str, int]) -> None:
    sources = info.get("sources") or []
    count = len(sources)
    check.note("sources", count, "", limits["min_sources"], limits["max_sources"])
    is_bad = count < limits["min_sources"] or (limits["max_sources"] and count > limits["max_sources"])
    (check.criticals if is_bad else check.fine).append(f"{count} sources")
    if not limits["lag_critical"] and not limits["seen_critical"]:
        return
    for name, key, word, limit in (
        ("lagged", "lag", "current", limits["lag_critical"]),
        ("inactive", "active", "active", limits["seen_critical"]),
    ):
        bad = sum(1 for one in sources if limit and int(one.get(key) or 0) >= limit)
        check.note(f"sources_{name}", bad)
        if bad:
            check.criticals.append(f"{bad} sources are {name}")
        else:
            check.fine.append(f"{count} sources {word}")


def _judge_subjects(check: Check, count: int, limits: dict[str, int]) -> None:
    warn, critical = limits["subjects_warn"], limits["subjects_critical"]
    if not warn and not critical:
        return
    check.note("subjects", count, "", warn, critical)
    is_most = warn < critical
    for limit, found in ((critical, check.criticals), (warn, check.warnings)):
        if limit and (count >= limit if is_most else count <= limit):
            found.append(f"{count} subjects")
            return
    check.fine.append(f"{count} subjects")


def _judge_messages(check: Check, count: int, limits: dict[str, int]) -> None:
    warn, critical = limits["msgs_warn"], limits["msgs_critical"]
    if not warn and not critical:
        return
    check.note("messages", count, "", warn, critical)
    for limit, found in ((critical, check.criticals), (warn, check.warnings)):
        if limit and count <= limit:
            found.append(f"{count} messages")
            return
    check.fine.append(f"{count} messages")


def _judge_peers(check: Check, info: Answer, limits: dict[str, int]) -> None:
    cluster = info.get("cluster") or {}
    is_clustered = bool(cluster) and int(info["config"].get("num_replicas") or 1) > 1
    expected = limits["peer_expect"]
    if not is_clustered and not expected:
        return
    if not is_clustered:
        check.criticals.append("Stream is not clustered")
        return
    if not cluster.get("leader"):
        check.criticals.append("No leader")
        return
    replicas = cluster.get("replicas") or []
    if expected and len(replicas) + 1 != expected:
        check.criticals.append(f"Expected {expected} replicas got {len(replicas) + 1}")
        return
    check.fine.append(f"{len(replicas) + 1} peers")
    offline = sum(1 for one in replicas if one.get("offline"))
    if offline:
        check.criticals.append(f"{offline} replicas offline")
    for key, limit, bad_word, word in (
        ("lag", limits["peer_lag_critical"], "lagged", "replicas are current"),
        ("active", limits["peer_seen_critical"], "inactive", "replicas are active"),
    ):
        if limit:
            bad = sum(1 for one in replicas if int(one.get(key) or 0) > limit)
            (check.criticals if bad else check.fine).append(f"{bad} replicas {bad_word}" if bad else word)


@click.command("consumer", cls=CheckLeaf, help="What waits at a consumer, and when something last happened.")
@click.option("--stream", type=StreamName(), required=True, help="Its stream.")
@click.option("--consumer", type=ConsumerName(), required=True, help="The consumer.")
@click.option("--outstanding-ack-critical", type=int, default=-1, help="Messages that wait for an ack.")
@click.option("--waiting-critical", type=int, default=-1, help="Waiting pull requests.")
@click.option("--unprocessed-critical", type=int, default=-1, help="Messages still to come.")
@click.option("--last-delivery-critical", type=DURATION, default=0, help="Time since the last delivery.")
@click.option("--last-ack-critical", type=DURATION, default=0, help="Time since the last ack.")
@click.option("--redelivery-critical", type=int, default=-1, help="Messages delivered again.")
@click.option("--pinned", is_flag=True, help="All of its groups have to be pinned to a client.")
@click.pass_context
def consumer(ctx: click.Context, /, stream: str, consumer: str, pinned: bool, **limits: int) -> None:
    settings: Settings = ctx.obj
    check = Check("consumer", f"{stream}_{consumer}")
    with jetstream(settings) as js:
        info = _load(check, lambda: js.consumer_info(stream, consumer))
    if info is None:
        finish(ctx, check)
        return
    for name, key, flag, words in (
        ("ack_pending", "num_ack_pending", "outstanding_ack_critical", "Ack Pending"),
        ("pull_waiting", "num_waiting", "waiting_critical", "Waiting Pulls"),
        ("pending", "num_pending", "unprocessed_critical", "Unprocessed Messages"),
        ("redelivered", "num_redelivered", "redelivery_critical", "Redelivered Messages"),
    ):
        value, limit = int(info.get(key) or 0), limits[flag]
        check.note(name, value, "", 0, max(0, limit))
        if limit > 0:
            (check.criticals if value >= limit else check.fine).append(f"{words}: {value}")
    for name, part, flag, words in (
        ("last_delivery", "delivered", "last_delivery_critical", "deliveries"),
        ("last_ack", "ack_floor", "last_ack_critical", "acks"),
    ):
        _judge_last(check, str((info.get(part) or {}).get("last_active") or ""), limits[flag], name, words)
    if pinned:
        groups = info.get("priority_groups") or []
        count = sum(1 for group in groups if group.get("pinned_client_id"))
        if (info.get("config") or {}).get("priority_policy") != "pinned_client":
            check.criticals.append("Not pinned client priority mode")
        else:
            text = f"{count} / {len(groups)} pinned clients"
            (check.fine if groups and count == len(groups) else check.criticals).append(text)
    check.fine.append(f"consumer {stream} > {consumer}")
    finish(ctx, check)


def _judge_last(check: Check, last: str, limit_ns: int, name: str, words: str) -> None:
    passed = since_ns(last)
    if passed != NEVER_NS:
        check.note(name, passed / 1e9, "s", 0, limit_ns / 1e9)
    if not limit_ns:
        return
    if passed == NEVER_NS:
        check.criticals.append(f"No {words}")
    elif passed >= limit_ns:
        check.criticals.append(f"{name.replace('_', ' ').capitalize()} {short_duration(passed)} ago")
    else:
        check.fine.append(f"{name.replace('_', ' ').capitalize()} {short_duration(passed)} ago")


@click.command("kv", cls=CheckLeaf, help="A bucket, how many values it holds, and whether a key has one.")
@click.option("--bucket", type=BucketName(KV_PREFIX), required=True, help="The bucket.")
@click.option("--values-critical", type=int, default=-1, help="Values; below the warning it is a least.")
@click.option("--values-warn", type=int, default=-1, help="Values.")
@click.option("--key", help="This key has to have a value.")
@click.pass_context
def kv(ctx: click.Context, bucket: str, values_critical: int, values_warn: int, key: str | None) -> None:
    settings: Settings = ctx.obj
    check = Check("kv", bucket)
    with jetstream(settings) as js:
        try:
            found = Bucket(js, bucket)
        except BucketNotFound:
            check.criticals.append(f"bucket {bucket} not found")
            finish(ctx, check)
            return
        check.fine.append(f"bucket {bucket}")
        state = found.info.get("state") or {}
        values = int(state.get("messages") or 0)
        check.note("values", values, "", max(0, values_warn), max(0, values_critical))
        if key is not None:
            try:
                found.get(key)
                check.fine.append(f"key {key} found")
            except KeyNotFound:
                check.criticals.append(f"key {key} not found")
    is_least = values_critical < values_warn
    limits = ((values_critical, check.criticals), (values_warn, check.warnings))
    bad = next(
        (into for limit, into in limits if limit > -1 and (values <= limit if is_least else values >= limit)), None
    )
    if bad is not None:
        bad.append(f"{values} values")
    elif max(values_warn, values_critical) > -1:
        check.fine.append(f"{values} values")
    check.note("bytes", int(state.get("bytes") or 0), "B")
    check.note("replicas", int(found.info["config"].get("num_replicas") or 1))
    finish(ctx, check)


@click.command("message", cls=CheckLeaf, help="Age and content of the last message of a subject.")
@click.option("--stream", type=StreamName(), required=True, help="Its stream.")
@click.option("--subject", default=">", help="The subject (any).")
@click.option("--age-warn", type=DURATION, default=0, help="Warn when it is older.")
@click.option("--age-critical", type=DURATION, default=0, help="Critical when it is older.")
@click.option("--content", default=".", metavar="RE", help="The payload has to match this.")
@click.option("--body-timestamp", is_flag=True, help="Its age is that of the Unix time in the payload.")
@click.pass_context
def message(
    ctx: click.Context, stream: str, subject: str, age_warn: int, age_critical: int, content: str, body_timestamp: bool
) -> None:
    settings: Settings = ctx.obj
    check = Check("message", "Stream Message")
    try:
        pattern = re.compile(content.encode("utf-8", "surrogateescape"))
    except re.error as problem:
        raise CommandFailed(f"invalid regular expression {content!r}: {problem}", USAGE) from None
    with jetstream(settings) as js:
        try:
            raw = js.get_message(stream, last_by_subj=subject)
        except ApiError as problem:
            is_none = problem.err_code == MESSAGE_NOT_FOUND
            check.criticals.append("no message found" if is_none else f"msg load failed: {problem}")
            finish(ctx, check)
            return
    payload, _ = payload_of(raw)
    at = time_of(str(raw.get("time", "")))
    if body_timestamp:
        if not payload.strip().isdigit():
            check.criticals.append("invalid timestamp body")
            finish(ctx, check)
            return
        at = int(payload.strip()) * SECOND
    age = max(0, time.time_ns() - at)
    check.note("age", round(age / MS) / 1000, "s", age_warn / 1e9, age_critical / 1e9)
    check.note("size", len(payload), "B")
    text = f"{short_duration(age)} old"
    if age_critical and age > age_critical:
        check.criticals.append(text)
    elif age_warn and age > age_warn:
        check.warnings.append(text)
    if pattern.search(payload) is None:
        check.criticals.append("does not match regex: " + content)
    if not check.criticals and not check.warnings:
        check.fine.append("Valid message")
    finish(ctx, check)
