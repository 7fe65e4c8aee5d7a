"""`nats kv add`, `edit`, `info` and `compact`: buckets as a whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.nats.app import DURATION, Leaf, force_flag, json_flag
from natsd.cli.nats.buckets.bucket import (
    bucket_flags,
    changes,
    edited,
    out_bucket,
    show_metadata_and_cluster,
    storage_flag,
    storage_of,
)
from natsd.cli.nats.limits import SIZE_LIMIT
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.stream_show import STORAGE, limit_words
from natsd.cli.nats.targets import KV_PREFIX, BucketName, choose_bucket, jetstream
from natsd.cli.prompt import confirm
from natsd.cli.times import NEVER_NS, local_time
from natsd.cli.values import comma, ibytes, short_duration
from natsd.client.key_value import MOST_HISTORY, Bucket, bucket_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])
    Answer = dict[str, Any]

MARKER_AGE_NS = 30 * 60 * 1_000_000_000


def bucket_argument(function: F) -> F:
    """A BUCKET that has to be given."""
    return click.argument("bucket", type=BucketName(KV_PREFIX))(function)


_flags = bucket_flags(
    "Values",
    click.option("--history", type=click.IntRange(1, MOST_HISTORY), help="Values kept of each key (1)."),
    click.option("--marker-ttl", type=DURATION, help="Keys may have times of their own; markers stay so long."),
    click.option("--max-value-size", type=SIZE_LIMIT, help="Bytes of a value at most."),
    click.option("--republish-source", metavar="SUBJECT", default="", help="Publish these again once stored."),
    click.option("--republish-destination", metavar="SUBJECT", help="Under this subject."),
    click.option("--republish-headers", is_flag=True, help="Only their headers."),
    click.option("--source", "sources", type=BucketName(KV_PREFIX), multiple=True, help="Take in other buckets."),
)


def _changes(values: Answer) -> Answer:
    """What the flags given say, as a part of a stream's configuration."""
    out = changes(values, (("history", "max_msgs_per_subject"), ("max_value_size", "max_msg_size")))
    if values["marker_ttl"]:
        out |= {"allow_msg_ttl": True, "subject_delete_marker_ttl": values["marker_ttl"]}
    if values["republish_destination"]:
        out["republish"] = {"src": values["republish_source"], "dest": values["republish_destination"]}
        if values["republish_headers"]:
            out["republish"]["headers_only"] = True
    elif values["republish_source"] or values["republish_headers"]:
        raise click.UsageError("--republish-source and --republish-headers need --republish-destination")
    return out


def _source(name: str, bucket: str) -> Answer:
    """Another bucket as a source: its keys come in under the name of ours."""
    origin = name.removeprefix(KV_PREFIX)
    return {"name": KV_PREFIX + origin, "subject_transforms": [{"src": f"$KV.{origin}.>", "dest": f"$KV.{bucket}.>"}]}


@click.command("add", cls=Leaf, help="Make a bucket.")
@click.argument("bucket")
@_flags
@storage_flag
@click.option("--mirror", type=BucketName(KV_PREFIX), help="It is a copy of this bucket.")
@click.option("--mirror-domain", metavar="DOMAIN", help="The domain that bucket is in.")
@json_flag
@click.pass_obj
def add(
    settings: Settings,
    /,
    bucket: str,
    storage: str,
    mirror: str | None,
    mirror_domain: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    given = _changes(values) | {"storage": storage_of(storage)}
    if mirror:
        given["mirror"] = {"name": KV_PREFIX + mirror.removeprefix(KV_PREFIX)}
        if mirror_domain:
            given["mirror"]["external"] = {"api": f"$JS.{mirror_domain}.API"}
    if values["sources"]:
        given["sources"] = [_source(name, bucket) for name in values["sources"]]
    config = bucket_config(bucket, **given)
    with jetstream(settings) as js:
        js.create_stream(config)
        _show(Bucket(js, bucket), as_json)


@click.command("edit", cls=Leaf, help="Change a bucket.")
@bucket_argument
@_flags
@click.option("--no-mirror", is_flag=True, help="It is no mirror any more.")
@json_flag
@click.pass_obj
def edit(settings: Settings, /, bucket: str, no_mirror: bool, as_json: bool, **values: Any) -> None:
    given = _changes(values)
    with jetstream(settings) as js:
        config = edited(Bucket(js, bucket).info, given)
        if values["sources"]:
            config["sources"] = [*(config.get("sources") or ()), *(_source(name, bucket) for name in values["sources"])]
        if no_mirror and config.pop("mirror", None) is not None:
            config.setdefault("subjects", [f"$KV.{bucket}.>"])
        js.update_stream(config)
        _show(Bucket(js, bucket), as_json)


@click.command("info", cls=Leaf, help="Show a bucket.")
@click.argument("bucket", type=BucketName(KV_PREFIX), required=False)
@json_flag
@click.pass_obj
def info(settings: Settings, bucket: str | None, as_json: bool) -> None:
    with jetstream(settings) as js:
        _show(Bucket(js, choose_bucket(js, bucket, KV_PREFIX)), as_json)


@click.command("compact", cls=Leaf, help="Remove what is left of deleted keys; markers of the last 30 minutes stay.")
@bucket_argument
@force_flag
@json_flag
@click.pass_obj
def compact(settings: Settings, bucket: str, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        found = Bucket(js, bucket)
        question = f"Purge all historic values and audit trails for deleted keys in bucket {bucket}?"
        agreed = force or confirm(question)
        count = found.compact(MARKER_AGE_NS, time.time_ns()) if agreed else 0
    if as_json:
        console.out_json({"bucket": bucket, "keys": count})
    elif not agreed:
        console.out_text("Skipping delete\n")


def _show(bucket: Bucket, as_json: bool) -> None:
    if as_json:
        out_bucket(bucket.name, bucket.info)
    else:
        console.out_text(render_bucket(bucket.name, bucket.info))


def render_bucket(name: str, info: Answer) -> str:
    """The block of a bucket."""
    config, state = info["config"], info.get("state") or {}
    block = Block(f"Information for Key-Value Store Bucket {name} created {local_time(str(info.get('created', '')))}")
    block.section("Configuration")
    block.row("Bucket Name", name)
    block.row("History Kept", int(config.get("max_msgs_per_subject") or 1))
    block.row("Values Stored", int(state.get("messages") or 0))
    block.row("Compressed", config.get("compression", "none") != "none")
    marker_ttl = int(config.get("subject_delete_marker_ttl") or 0)
    block.row("Per-Key TTL Supported", marker_ttl > 0)
    if marker_ttl:
        block.row("Limit Marker TTL", short_duration(marker_ttl))
    block.row("Backing Store Kind", "JetStream")
    block.row_if("Description", config.get("description"))
    block.row("Bucket Size", ibytes(state.get("bytes") or 0))
    block.row("Maximum Bucket Size", limit_words(config.get("max_bytes"), ibytes))
    block.row("Maximum Value Size", limit_words(config.get("max_msg_size"), ibytes))
    block.row("Maximum Age", limit_words(config.get("max_age"), short_duration))
    block.row("JetStream Stream", str(config.get("name", "")))
    block.row("Storage", STORAGE.get(config.get("storage", "file"), ""))
    if republish := config.get("republish"):
        label = "Republishing Headers" if republish.get("headers_only") else "Republishing"
        block.row(label, f"{republish.get('src', '')} to {republish.get('dest', '')}")
    if info.get("mirror"):
        block.section("Mirror Information")
        block.row("Origin Bucket", str(config["mirror"].get("name", "")).removeprefix(KV_PREFIX))
        _show_origin(block, config["mirror"], info["mirror"])
    if info.get("sources"):
        block.section("Sources Information")
        for source in info["sources"]:
            block.row("Source Bucket", str(source.get("name", "")).removeprefix(KV_PREFIX))
            _show_origin(block, source, source)
    show_metadata_and_cluster(block, info)
    return block.render()


def _show_origin(block: Block, config: Answer, state: Answer) -> None:
    block.row_if("External API", (config.get("external") or {}).get("api"))
    active = int(state.get("active") or 0)
    block.row("Last Seen", short_duration(active) if 0 < active < NEVER_NS else "never")
    block.row("Lag", comma(int(state.get("lag") or 0)))
