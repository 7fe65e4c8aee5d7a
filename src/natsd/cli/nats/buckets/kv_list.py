"""`nats kv ls` and `watch`: buckets, keys, and changes as they come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import Leaf, json_flag
from natsd.cli.nats.buckets.bucket import show_buckets
from natsd.cli.nats.buckets.kv_bucket import bucket_argument
from natsd.cli.nats.buckets.kv_value import OPERATIONS, document_of, printable
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import KV_PREFIX, BucketName, jetstream
from natsd.cli.stop import take_interrupts
from natsd.cli.table import show_table
from natsd.cli.times import local_time
from natsd.client.key_value import PUT, Bucket

if TYPE_CHECKING:
    from typing import Any

    Answer = dict[str, Any]

_GREEN, _RED, _PLAIN = "\033[32m", "\033[31m", "\033[0m"


@click.command("ls", cls=Leaf, help="List buckets, or the keys of one that have a value.")
@click.argument("bucket", type=BucketName(KV_PREFIX), required=False)
@click.argument("key", metavar="[KEY]", default=">")
@click.option("-n", "--names", "only_names", is_flag=True, help="Print names only.")
@click.option("-v", "--verbose", is_flag=True, help="Show more of each key.")
@click.option("--display-value", is_flag=True, help="With --verbose: the values too.")
@json_flag
@click.pass_obj
def ls(
    settings: Settings,
    bucket: str | None,
    key: str,
    only_names: bool,
    verbose: bool,
    display_value: bool,
    as_json: bool,
) -> None:
    with jetstream(settings) as js:
        if bucket is None:
            buckets = [info for info in js.streams()[0] if info["config"]["name"].startswith(KV_PREFIX)]
            show_buckets(buckets, KV_PREFIX, "Key-Value", only_names, as_json, with_values=True)
            return
        store = Bucket(js, bucket)
        if not verbose:
            keys = store.keys(key)
            if as_json:
                console.out_json(list(keys))
                return
            is_empty = True
            for name in keys:
                is_empty = False
                console.out_text(f"{name}\n")
            if is_empty and not only_names:
                console.out_text("No keys found in bucket\n")
            return
        with store.entries(key, headers_only=not display_value) as entries:
            present = [entry for entry in entries.present() if entry.operation == PUT]
    if as_json:
        documents = [document_of(entry) for entry in present]
        if not display_value:
            documents = [{name: value for name, value in one.items() if name != "value"} for one in documents]
        console.out_json(documents)
        return
    if not present:
        console.out_text("No keys found in bucket\n")
        return
    headers = ("Key", "Created", "Delta", "Revision", *(("Value",) if display_value else ()))
    rows = [
        (
            entry.key,
            local_time(entry.created_ns),
            "0",
            str(entry.revision),
            *((" ".join(printable(entry.value).split("\n")),) if display_value else ()),
        )
        for entry in present
    ]
    show_table(f"Contents for bucket '{bucket}'", headers, rows, right="  rr")


@click.command("watch", cls=Leaf, help="Show the values there are and changes as they come.")
@bucket_argument
@click.argument("key", metavar="[KEY]", default=">")
@click.option("--history", is_flag=True, help="All values there are, not only the newest.")
@click.option("--deletes/--no-deletes", default=True, help="Show deletes too (default).")
@click.option("--updates", is_flag=True, help="Only what comes from now on.")
@click.option("--revision", type=click.IntRange(min=0), default=0, help="Begin at this revision.")
@click.option("--count", type=click.IntRange(min=0), default=0, help="Stop after so many.")
@json_flag
@click.pass_obj
def watch(
    settings: Settings,
    bucket: str,
    key: str,
    history: bool,
    deletes: bool,
    updates: bool,
    revision: int,
    count: int,
    as_json: bool,
) -> None:
    take_interrupts()
    green, red, plain = (_GREEN, _RED, _PLAIN) if console.is_terminal(1) else ("", "", "")
    seen = 0
    with (
        jetstream(settings) as js,
        Bucket(js, bucket).entries(key, history=history, updates_only=updates, revision=revision) as entries,
    ):
        while not count or seen < count:
            entry = entries.next()
            if entry is None or (entry.operation != PUT and not deletes):
                continue
            seen += 1
            if as_json:
                console.out_text(json.dumps(document_of(entry), ensure_ascii=False) + "\n")
            else:
                word = OPERATIONS.get(entry.operation, entry.operation)
                head = f"[{local_time(entry.created_ns)}] {green if entry.operation == PUT else red}{word}{plain}"
                console.out_text(f"{head} {entry.bucket} > {entry.key}")
                console.out(b": " + entry.value + b"\n" if entry.operation == PUT else b"\n")
            console.flush()
