"""`nats object put`, `get` and `del`: files in and out of a bucket."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.draft import Draft
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.app import SIZE, Leaf, force_flag, json_flag, split_header
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import OBJECT_PREFIX, BucketName, jetstream
from natsd.cli.progress import Progress
from natsd.cli.prompt import confirm
from natsd.cli.times import local_time
from natsd.cli.values import SECOND, ibytes, short_duration
from natsd.client.object_store import CHUNK_BYTES, ObjectNotFound, ObjectStore

if TYPE_CHECKING:
    from typing import Any

    Answer = dict[str, Any]

# Smaller ones are there before a bar is.
SHORTEST_BAR_BYTES = 20480


@click.command("put", cls=Leaf, help="Store a file, or what is piped in with --name.")
@click.argument("bucket", type=BucketName(OBJECT_PREFIX))
@click.argument("file", type=click.Path(exists=True, dir_okay=False), required=False)
@click.option("--name", metavar="NAME", default="", help="Name of the object, where it is not that of the file.")
@click.option("--description", metavar="TEXT", default="", help="What it is.")
@click.option("-H", "--header", "headers", metavar="K:V", multiple=True, help="Add a header; may be repeated.")
@click.option("--chunk-size", type=SIZE, default=CHUNK_BYTES, metavar="SIZE", help="Size of the pieces (128KiB).")
@click.option("--progress/--no-progress", default=True, help="Draw a progress bar (default).")
@force_flag
@json_flag
@click.pass_obj
def put(
    settings: Settings,
    bucket: str,
    file: str | None,
    name: str,
    description: str,
    headers: tuple[str, ...],
    chunk_size: int,
    progress: bool,
    force: bool,
    as_json: bool,
) -> None:
    if not file and not name:
        raise click.UsageError("--name is required when reading from stdin")
    if chunk_size < 1:
        raise click.UsageError("--chunk-size is at least 1")
    meta: Answer = {"name": name or os.path.normpath(file or "")}
    if description:
        meta["description"] = description
    if headers:
        meta["headers"] = {}
        for key, value in map(split_header, headers):
            meta["headers"].setdefault(key, []).append(value)
    with jetstream(settings) as js:
        store = ObjectStore(js, bucket)
        if not force and not _may_replace(store, meta["name"]):
            return
        most = int(js.connection.info.get("max_payload") or 0)
        if most:
            chunk_size = min(chunk_size, most)
        source = open(file, "rb") if file else sys.stdin.buffer
        with source:
            size = os.fstat(source.fileno()).st_size if file else 0
            bar = Progress([size], show=ibytes) if progress and not as_json and size > SHORTEST_BAR_BYTES else None
            found = store.put(source, meta, chunk_size, None if bar is None else lambda done: bar.update(0, done))
            if bar is not None:
                bar.finish()
    if as_json:
        console.out_json(found)
    else:
        console.out_text("\n" + render_object(found))


def _may_replace(store: ObjectStore, name: str) -> bool:
    try:
        found = store.describe(name)
    except ObjectNotFound:
        return True
    console.out_text(render_object(found) + "\n")
    return confirm(f"Replace existing file {store.name} > {name}")


@click.command("get", cls=Leaf, help="Fetch an object into a file of its name; --output - for stdout.")
@click.argument("bucket", type=BucketName(OBJECT_PREFIX))
@click.argument("file")
@click.option("-O", "--output", metavar="FILE", default="", help="Another file.")
@click.option("--progress/--no-progress", default=True, help="Draw a progress bar (default).")
@force_flag
@json_flag
@click.pass_obj
def get(settings: Settings, bucket: str, file: str, output: str, progress: bool, force: bool, as_json: bool) -> None:
    if as_json and output == "-":
        raise click.UsageError("--json and --output - exclude each other, both write to stdout")
    with jetstream(settings) as js:
        store = ObjectStore(js, bucket)
        found = store.describe(file)
        if output == "-":
            store.get(found, console.out)
            return
        path = os.path.abspath(output or os.path.basename(str(found["name"])))
        if os.path.isdir(path) or not os.path.basename(path):
            raise CommandFailed(f"{path} is a directory, name a file with --output", USAGE)
        if not force and os.path.exists(path) and not confirm(f"Replace existing target file {path}"):
            return
        size = int(found.get("size") or 0)
        bar = Progress([size], show=ibytes) if progress and not as_json and size > SHORTEST_BAR_BYTES else None
        started = time.monotonic_ns()
        _fetch(store, found, path, bar)
        took = time.monotonic_ns() - started
    if as_json:
        console.out_json({**found, "file": path, "duration": took})
        return
    speed = f" average {ibytes(size / (took / 1e9))}/s" if took > 2 * SECOND else ""
    console.out_text(f"Wrote: {ibytes(size)} to {path} in {short_duration(took)}{speed}\n")


def _fetch(store: ObjectStore, found: Answer, path: str, bar: Progress | None) -> None:
    done = 0
    with Draft(path, 0o666) as draft:

        def write(chunk: bytes) -> None:
            nonlocal done
            draft.file.write(chunk)
            done += len(chunk)
            if bar is not None:
                bar.update(0, done)

        store.get(found, write)
    if bar is not None:
        bar.finish()


@click.command("del", cls=Leaf, help="Delete an object; without FILE the bucket and all that is in it.")
@click.argument("bucket", type=BucketName(OBJECT_PREFIX))
@click.argument("file", required=False)
@force_flag
@json_flag
@click.pass_obj
def delete(settings: Settings, bucket: str, file: str | None, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        store = ObjectStore(js, bucket)
        if file is None:
            question = f"Delete bucket {bucket} and all its files?"
        else:
            question = f"Delete {ibytes(store.describe(file).get('size') or 0)} byte file {bucket} > {file}?"
        agreed = force or confirm(question)
        if agreed and file is None:
            js.delete_stream(store.stream)
        elif agreed and file is not None:
            store.delete(file)
        left = ObjectStore(js, bucket).info if agreed and file is not None else None
    if as_json:
        console.out_json({"bucket": bucket, **({"name": file} if file is not None else {}), "deleted": agreed})
    elif not agreed:
        console.out_text("Skipping delete\n")
    elif left is not None:
        from natsd.cli.nats.buckets.object_bucket import render_bucket

        console.out_text(f"Removed {bucket} > {file}\n" + render_bucket(bucket, left))


def render_object(found: Answer) -> str:
    """The block of an object."""
    from base64 import urlsafe_b64decode

    block = Block(f"Object information for {found.get('bucket', '')} > {found['name']}")
    block.row_if("Description", found.get("description"))
    block.row("Size", ibytes(found.get("size") or 0))
    block.row("Modification Time", local_time(found.get("mtime") or ""))
    block.row("Chunks", int(found.get("chunks") or 0))
    kind, _, digest = str(found.get("digest") or "").partition("=")
    if digest:
        block.row("Digest", f"{kind} {urlsafe_b64decode(digest + '=' * (-len(digest) % 4)).hex()}")
    block.row_if("Deleted", found.get("deleted"))
    pairs = [f"{key}: {value}" for key, values in (found.get("headers") or {}).items() for value in values]
    for number, pair in enumerate(pairs):
        block.row("" if number else "Headers", pair)
    if metadata := found.get("metadata"):
        block.section("Metadata")
        for key, value in sorted(metadata.items()):
            block.row(key, value)
    return block.render()
