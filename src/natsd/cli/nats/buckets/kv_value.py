"""`nats kv put`, `get`, `create`, `update`, `del`, `purge`, `history` and `revert`: values of keys."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import DURATION, Leaf, force_flag, json_flag
from natsd.cli.nats.buckets.kv_bucket import bucket_argument
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import KV_PREFIX, BucketName, jetstream
from natsd.cli.prompt import confirm
from natsd.cli.table import show_table
from natsd.cli.times import local_time, render_time
from natsd.cli.values import comma
from natsd.client.key_value import Bucket

if TYPE_CHECKING:
    from typing import Any

    from natsd.client.key_value import Entry

SHOWN_BYTES = 120
OPERATIONS = {"PUT": "PUT", "DEL": "DELETE", "PURGE": "PURGE"}


def _value(text: str | None) -> bytes:
    """The value of an argument, or what is piped in."""
    if text is not None:
        return os.fsencode(text)
    if console.is_terminal(0):
        return b""
    chunks = []
    while chunk := os.read(0, 1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def _done(bucket: str, key: str, value: bytes, revision: int, as_json: bool) -> None:
    if as_json:
        console.out_json({"bucket": bucket, "key": key, "revision": revision})
    else:
        console.out(value + b"\n")


@click.command("put", cls=Leaf, help="Set the value of a key, to what is piped in where VALUE is not given.")
@bucket_argument
@click.argument("key")
@click.argument("value", required=False)
@json_flag
@click.pass_obj
def put(settings: Settings, bucket: str, key: str, value: str | None, as_json: bool) -> None:
    raw = _value(value)
    with jetstream(settings) as js:
        _done(bucket, key, raw, Bucket(js, bucket).put(key, raw), as_json)


@click.command("create", cls=Leaf, help="Set the value of a key that has none. Exit code 1 where it has one.")
@bucket_argument
@click.argument("key")
@click.argument("value", required=False)
@click.option("--ttl", type=DURATION, default=0, metavar="DURATION", help="The value goes after this time.")
@json_flag
@click.pass_obj
def create(settings: Settings, bucket: str, key: str, value: str | None, ttl: int, as_json: bool) -> None:
    raw = _value(value)
    with jetstream(settings) as js:
        _done(bucket, key, raw, Bucket(js, bucket).create(key, raw, ttl), as_json)


@click.command("update", cls=Leaf, help="Set a value if the key still has this revision.")
@bucket_argument
@click.argument("key")
@click.argument("value")
@click.argument("revision", type=click.IntRange(min=0))
@json_flag
@click.pass_obj
def update(settings: Settings, bucket: str, key: str, value: str, revision: int, as_json: bool) -> None:
    raw = os.fsencode(value)
    with jetstream(settings) as js:
        _done(bucket, key, raw, Bucket(js, bucket).update(key, raw, revision), as_json)


@click.command("get", cls=Leaf, help="Show the value of a key. Exit code 1 where it has none.")
@bucket_argument
@click.argument("key")
@click.option("--revision", type=click.IntRange(min=0), default=0, help="The value it had then.")
@click.option("--raw", is_flag=True, help="Print the value and nothing else, no line break either.")
@json_flag
@click.pass_obj
def get(settings: Settings, bucket: str, key: str, revision: int, raw: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        found = Bucket(js, bucket)
        entry = found.get_revision(key, revision) if revision else found.get(key)
    if as_json:
        console.out_json(document_of(entry))
        return
    if raw:
        console.out(entry.value)
        return
    created = local_time(entry.created_ns)
    console.out_text(f"{entry.bucket} > {entry.key} revision: {entry.revision} created @ {created}\n\n")
    text = printable(entry.value)
    if len(text) > SHOWN_BYTES:
        console.out_text(f"Showing first {SHOWN_BYTES} bytes of {comma(len(text))}, use --raw for full data\n\n")
    console.out_text(f"{text[:SHOWN_BYTES]}\n\n")


def printable(value: bytes) -> str:
    """A value as text, as base64 where it is not printable."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return b64encode(value).decode()
    return text if all(char.isprintable() or char in "\n\r\t" for char in text) else b64encode(value).decode()


def document_of(entry: Entry) -> dict[str, Any]:
    """An entry as JSON; a value that is no text is base64 under another key."""
    document: dict[str, Any] = {
        "bucket": entry.bucket,
        "key": entry.key,
        "revision": entry.revision,
        "operation": OPERATIONS.get(entry.operation, entry.operation),
        "created": render_time(entry.created_ns),
    }
    try:
        document["value"] = entry.value.decode()
    except UnicodeDecodeError:
        document["value_base64"] = b64encode(entry.value).decode()
    return document


@click.command("del", cls=Leaf, help="Delete a key; without KEY the bucket and all that is in it.")
@bucket_argument
@click.argument("key", required=False)
@force_flag
@json_flag
@click.pass_obj
def delete(settings: Settings, bucket: str, key: str | None, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        found = Bucket(js, bucket)
        what = f"key {bucket} > {key}" if key else f"bucket {bucket}"
        agreed = force or confirm(f"Delete {what}?")
        if agreed and key:
            found.delete(key)
        elif agreed:
            js.delete_stream(found.stream)
    if as_json:
        console.out_json({"bucket": bucket, **({"key": key} if key else {}), "deleted": agreed})
    elif not agreed:
        console.out_text("Skipping delete\n")


@click.command("purge", cls=Leaf, help="Delete a key and its history.")
@bucket_argument
@click.argument("key")
@click.option("--ttl", type=DURATION, default=0, metavar="DURATION", help="The marker goes after this time.")
@force_flag
@json_flag
@click.pass_obj
def purge(settings: Settings, bucket: str, key: str, ttl: int, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        found = Bucket(js, bucket)
        agreed = force or confirm(f"Purge key {bucket} > {key}?")
        if agreed:
            found.purge(key, ttl)
    if as_json:
        console.out_json({"bucket": bucket, "key": key, "purged": agreed})
    elif not agreed:
        console.out_text("Skipping purge\n")


@click.command("history", cls=Leaf, help="Show all that is known of a key, the oldest first.")
@bucket_argument
@click.argument("key")
@json_flag
@click.pass_obj
def history(settings: Settings, bucket: str, key: str, as_json: bool) -> None:
    with jetstream(settings) as js:
        _show_history(Bucket(js, bucket), key, as_json)


def _show_history(bucket: Bucket, key: str, as_json: bool) -> None:
    found = bucket.history(key)
    if as_json:
        console.out_json([document_of(entry) for entry in found])
        return
    rows = [
        (
            entry.key,
            str(entry.revision),
            OPERATIONS.get(entry.operation, entry.operation),
            local_time(entry.created_ns),
            comma(len(entry.value)),
            _short(entry.value),
        )
        for entry in found
    ]
    show_table(
        f"History for {bucket.name} > {key}", ("Key", "Revision", "Op", "Created", "Length", "Value"), rows, right=" r"
    )


def _short(value: bytes) -> str:
    text = printable(value)
    text = f"{text[:15]}...{text[-15:]}" if len(text) > 40 else text
    return " ".join(text.split("\n"))


@click.command("revert", cls=Leaf, help="Set a value that a key had before, by its revision.")
@click.argument("bucket", type=BucketName(KV_PREFIX))
@click.argument("key")
@click.argument("revision", type=click.IntRange(min=1))
@click.option("-f", "--force/--no-force", default=False, help="Do not ask.")
@json_flag
@click.pass_obj
def revert(settings: Settings, bucket: str, key: str, revision: int, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        found = Bucket(js, bucket)
        known = found.history(key)
        if len(known) <= 1:
            raise CommandFailed("cannot revert key in a bucket where history=1")
        entry = found.get_revision(key, revision)
        if not force:
            console.out_text(f"Revision: {entry.revision}\n\n{_short(entry.value)}\n\n")
            if not confirm(f"Really revert to revision {revision}"):
                return
        found.update(key, entry.value, known[-1].revision)
        _show_history(found, key, as_json)
