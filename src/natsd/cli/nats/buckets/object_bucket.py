"""`nats object add`, `edit`, `info`, `ls`, `seal` and `watch`: buckets of objects as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.nats.app import Leaf, force_flag, json_flag
from natsd.cli.nats.buckets.bucket import (
    bucket_flags,
    changes,
    edited,
    out_bucket,
    show_buckets,
    show_metadata_and_cluster,
    storage_flag,
    storage_of,
)
from natsd.cli.nats.buckets.object_file import render_object
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.stream_show import STORAGE, limit_words
from natsd.cli.nats.targets import OBJECT_PREFIX, BucketName, choose_bucket, jetstream
from natsd.cli.prompt import confirm
from natsd.cli.stop import take_interrupts
from natsd.cli.table import show_table
from natsd.cli.times import local_time
from natsd.cli.values import comma, ibytes, short_duration
from natsd.client.object_store import ObjectStore, bucket_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])
    Answer = dict[str, Any]


_flags = bucket_flags("Objects")


@click.command("add", cls=Leaf, help="Make a bucket.")
@click.argument("bucket")
@_flags
@storage_flag
@json_flag
@click.pass_obj
def add(settings: Settings, /, bucket: str, storage: str, as_json: bool, **values: Any) -> None:
    config = bucket_config(bucket, **changes(values), storage=storage_of(storage))
    with jetstream(settings) as js:
        js.create_stream(config)
        _show(ObjectStore(js, bucket), as_json)


@click.command("edit", cls=Leaf, help="Change a bucket.")
@click.argument("bucket", type=BucketName(OBJECT_PREFIX))
@_flags
@json_flag
@click.pass_obj
def edit(settings: Settings, /, bucket: str, as_json: bool, **values: Any) -> None:
    given = changes(values)
    with jetstream(settings) as js:
        js.update_stream(edited(ObjectStore(js, bucket).info, given))
        _show(ObjectStore(js, bucket), as_json)


@click.command("info", cls=Leaf, help="Show a bucket, or an object of it.")
@click.argument("bucket", type=BucketName(OBJECT_PREFIX), required=False)
@click.argument("file", required=False)
@json_flag
@click.pass_obj
def info(settings: Settings, bucket: str | None, file: str | None, as_json: bool) -> None:
    with jetstream(settings) as js:
        store = ObjectStore(js, choose_bucket(js, bucket, OBJECT_PREFIX))
        if file is None:
            _show(store, as_json)
            return
        found = store.describe(file)
    if as_json:
        console.out_json(found)
    else:
        console.out_text(render_object(found))


@click.command("ls", cls=Leaf, help="List buckets, or the objects of one.")
@click.argument("bucket", type=BucketName(OBJECT_PREFIX), required=False)
@click.option("-n", "--names", "only_names", is_flag=True, help="Print names only.")
@json_flag
@click.pass_obj
def ls(settings: Settings, bucket: str | None, only_names: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        if bucket is None:
            buckets = [one for one in js.streams()[0] if one["config"]["name"].startswith(OBJECT_PREFIX)]
            show_buckets(buckets, OBJECT_PREFIX, "Object Store", only_names, as_json, with_values=False)
            return
        found = ObjectStore(js, bucket).objects()
    if as_json:
        console.out_json([one["name"] for one in found] if only_names else found)
    elif only_names:
        console.out_text("".join(f"{one['name']}\n" for one in found))
    elif not found:
        console.out_text("No entries found\n")
    else:
        rows = [(str(one["name"]), ibytes(one.get("size") or 0), local_time(one["mtime"])) for one in found]
        show_table("Bucket Contents", ("Name", "Size", "Time"), rows)


@click.command("seal", cls=Leaf, help="Seal a bucket: no object can be added, replaced or deleted any more.")
@click.argument("bucket", type=BucketName(OBJECT_PREFIX))
@force_flag
@json_flag
@click.pass_obj
def seal(settings: Settings, bucket: str, force: bool, as_json: bool) -> None:
    question = f"Really seal Bucket {bucket}, sealed buckets can not be unsealed or modified"
    if not force and not confirm(question):
        return
    with jetstream(settings) as js:
        js.update_stream(edited(ObjectStore(js, bucket).info, {"sealed": True}))
        if not as_json:
            console.out_text(f"{bucket} has been sealed\n")
        _show(ObjectStore(js, bucket), as_json)


@click.command("watch", cls=Leaf, help="Show the objects there are and changes as they come.")
@click.argument("bucket", type=BucketName(OBJECT_PREFIX))
@click.option("--count", type=click.IntRange(min=0), default=0, help="Stop after so many.")
@json_flag
@click.pass_obj
def watch(settings: Settings, bucket: str, count: int, as_json: bool) -> None:
    take_interrupts()
    with jetstream(settings) as js:
        for seen, found in enumerate(ObjectStore(js, bucket).watch(), 1):
            if as_json:
                console.out_text(json.dumps(found, ensure_ascii=False) + "\n")
            elif found.get("deleted"):
                console.out_text(f"[{local_time(found['mtime'])}] DEL {bucket} > {found['name']}\n")
            else:
                size, chunks = ibytes(found.get("size") or 0), comma(found.get("chunks") or 0)
                line = f"PUT {bucket} > {found['name']}: {size} bytes in {chunks} chunks"
                console.out_text(f"[{local_time(found['mtime'])}] {line}\n")
            console.flush()
            if seen == count:
                return


def _show(store: ObjectStore, as_json: bool) -> None:
    if as_json:
        out_bucket(store.name, store.info)
    else:
        console.out_text(render_bucket(store.name, store.info))


def render_bucket(name: str, found: Answer) -> str:
    """The block of a bucket."""
    config, state = found["config"], found.get("state") or {}
    block = Block(f"Information for Object Store Bucket {name} created {local_time(str(found.get('created', '')))}")
    block.section("Configuration")
    block.row("Bucket Name", name)
    block.row_if("Description", config.get("description"))
    block.row("Replicas", int(config.get("num_replicas") or 1))
    block.row("TTL", limit_words(config.get("max_age"), short_duration))
    block.row("Sealed", bool(config.get("sealed")))
    block.row("Size", ibytes(state.get("bytes") or 0))
    block.row("Maximum Bucket Size", limit_words(config.get("max_bytes"), ibytes))
    block.row("Storage", STORAGE.get(config.get("storage", "file"), ""))
    block.row("Backing Store Kind", "JetStream")
    block.row("JetStream Stream", str(config.get("name", "")))
    show_metadata_and_cluster(block, found)
    return block.render()
