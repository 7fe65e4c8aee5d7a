"""`nats stream backup` and `restore`: a stream in a directory, as backup.json and stream.tar.s2."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.draft import Draft
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import SIZE, StreamName, json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.configuration import read_config
from natsd.cli.nats.streams.stream_show import show_stream
from natsd.cli.nats.targets import StreamLeaf, jetstream
from natsd.cli.progress import Progress
from natsd.cli.values import MS, comma, ibytes, quote, short_duration
from natsd.client.errors import Timeout
from natsd.client.jetstream import STREAM_NOT_FOUND, ApiError, check_name, read_answer, status_of

if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from natsd.client.jetstream import JetStream

    Answer = dict[str, Any]

META_FILE, DATA_FILE = "backup.json", "stream.tar.s2"
CHUNK_BYTES = 131072
RESTORE_CHUNK_BYTES = 65536
SHORTEST_SILENCE_S = 5.0
# A health check reads everything before the first chunk; a restore writes everything after the last.
LONG_S = 3600.0


@click.command("backup", cls=StreamLeaf, help="Save a stream in a directory. Streams in memory cannot be saved.")
@click.argument("stream", type=StreamName())
@click.argument("target", type=click.Path(file_okay=False))
@click.option("--progress/--no-progress", default=True, help="Draw a progress bar (default).")
@click.option("--check", is_flag=True, help="Check the stream before.")
@click.option("--consumers/--no-consumers", default=True, help="Save its consumers too (default).")
@click.option("--chunk-size", type=SIZE, default=CHUNK_BYTES, metavar="SIZE", help="Size of the pieces (128KiB).")
@click.option("--window-size", type=SIZE, default=0, metavar="SIZE", help="Bytes on their way at most.")
@json_flag
@click.pass_obj
def backup(
    settings: Settings,
    stream: str,
    target: str,
    progress: bool,
    check: bool,
    consumers: bool,
    chunk_size: int,
    window_size: int,
    as_json: bool,
) -> None:
    os.makedirs(target, 0o700, exist_ok=True)
    with jetstream(settings) as js:
        request: Answer = {"no_consumers": not consumers, "jsck": check, "chunk_size": chunk_size}
        if window_size:
            request["window_size"] = window_size
        saver = _Saver(js, stream, request, LONG_S if check else max(SHORTEST_SILENCE_S, settings.timeout_s))
        result = saver.run(target, progress, as_json)
    if as_json:
        console.out_json(result)


class _Saver:
    """Takes the chunks of one snapshot and acknowledges each."""

    def __init__(self, js: JetStream, stream: str, request: Answer, silence_s: float) -> None:
        self._js = js
        self._stream = stream
        self._request = request
        self._silence_s = silence_s
        self.chunks = 0
        self.bytes = 0
        self.meter = S2Meter()

    def run(self, target: str, draw: bool, quiet: bool) -> Answer:
        connection = self._js.connection
        inbox = connection.subscribe(connection.new_inbox())
        answer = self._js.call(
            f"STREAM.SNAPSHOT.{check_name(self._stream)}", {"deliver_subject": inbox.subject, **self._request}
        )
        expected = int((answer.get("state") or {}).get("bytes") or 0)
        if not quiet:
            console.out_text(f"Starting backup of Stream {quote(self._stream)} with {ibytes(expected)}\n\n")
            if self._request["jsck"]:
                console.out_text("Health Check was requested, this can take a long time without progress reports\n\n")
            console.flush()
        bar = Progress([max(1, expected)], show=ibytes) if draw and not quiet else None
        started = time.monotonic_ns()
        # The data gets its name when it is whole, and the metadata comes last: half a backup is none.
        with Draft(os.path.join(target, DATA_FILE)) as draft:
            self._receive(inbox, draft.file, bar)
        meta = {"config": answer.get("config"), "state": answer.get("state")}
        from natsd.cli.nats.streams.configuration import write_config

        write_config(os.path.join(target, META_FILE), meta)
        took = (time.monotonic_ns() - started) // MS * MS
        if bar is not None:
            bar.update(0, max(1, expected))
            bar.finish()
        if not quiet:
            console.out_text(
                f"\nReceived {ibytes(self.bytes)} compressed data in {comma(self.chunks)} chunks for stream "
                f"{quote(self._stream)} in {short_duration(took)}, {ibytes(self.meter.total)} uncompressed \n"
            )
        return {
            "stream": self._stream,
            "target": target,
            "chunks": self.chunks,
            "bytes": self.bytes,
            "uncompressed_bytes": self.meter.total,
            "duration": took,
            **meta,
        }

    def _receive(self, inbox: Any, file: BinaryIO, bar: Progress | None) -> None:
        connection = self._js.connection
        while True:
            message = inbox.next(self._silence_s)
            if message is None:
                raise Timeout(f"nats: timeout: no data of the backup for {self._silence_s:g} s")
            if not message.payload:
                status = status_of(message)
                if status and status != 204:
                    raise CommandFailed(f"the backup failed: {dict(message.headers).get('Description', status)}")
                return
            if message.reply_bytes:
                # The server waits for this before it sends on, so it comes before the slow part.
                connection.respond(message)
            file.write(message.payload)
            self.chunks += 1
            self.bytes += len(message.payload)
            self.meter.feed(message.payload)
            if bar is not None:
                bar.update(0, self.meter.total)


class S2Meter:
    """How many bytes an S2 (or snappy) stream stands for, read from the heads of its blocks without unpacking them.

    A block begins with its kind and three bytes of length. Kinds 0 and 1 have a checksum of four bytes first; behind it
    kind 0 has the unpacked length as a varint, kind 1 the bytes themselves. What does not begin with a block of kind
    255 is no such stream and stands for itself.
    """

    __slots__ = ("_head", "_is_packed", "_skip", "total")

    def __init__(self) -> None:
        self.total = 0
        self._is_packed: bool | None = None
        self._head = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> None:
        if self._is_packed is None and data:
            self._is_packed = data[0] == 255
        if not self._is_packed:
            self.total += len(data)
            return
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            self._head.append(data[at])
            at += 1
            self._look()

    def _look(self) -> None:
        head = self._head
        if len(head) < 4:
            return
        length = int.from_bytes(head[1:4], "little")
        if head[0] == 1:
            self.total += max(0, length - 4)
        elif head[0] == 0 and length > 4:
            # Four bytes of checksum, then the varint.
            if len(head) < 9 or (head[-1] & 128 and len(head) < min(18, 4 + length)):
                return
            self.total += sum((byte & 127) << 7 * number for number, byte in enumerate(head[8:]))
        self._skip = length - (len(head) - 4)
        head.clear()


@click.command("restore", cls=StreamLeaf, help="Bring a stream back from a directory that backup wrote.")
@click.argument("directory", metavar="FILE", type=click.Path(exists=True, file_okay=False))
@click.option("--progress/--no-progress", default=True, help="Draw a progress bar (default).")
@click.option("--config", "config_file", metavar="FILE", help="Restore with another configuration.")
@click.option("--cluster", metavar="NAME", help="Place it in this cluster.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Place it on servers with these tags.")
@click.option("--replicas", type=click.IntRange(min=1), help="Copies in a cluster.")
@json_flag
@click.pass_obj
def restore(
    settings: Settings,
    directory: str,
    progress: bool,
    config_file: str | None,
    cluster: str | None,
    tags: tuple[str, ...],
    replicas: int | None,
    as_json: bool,
) -> None:
    meta = _read_meta(os.path.join(directory, META_FILE))
    name = str(meta["config"].get("name", ""))
    if config_file:
        config = read_config(config_file)
        if config.get("name") != name:
            raise CommandFailed("a stream cannot be restored under another name")
        meta["config"] = config
    if cluster or tags:
        placement = {"cluster": cluster or "", "tags": list(tags)}
        meta["config"]["placement"] = {key: value for key, value in placement.items() if value}
    if replicas:
        meta["config"]["num_replicas"] = replicas
    with jetstream(settings) as js:
        _must_be_new(js, name)
        if not as_json:
            console.out_text(f"Starting restore of Stream {quote(name)} from file {quote(directory)}\n\n")
            console.flush()
        started = time.monotonic_ns()
        _send(js, meta, name, os.path.join(directory, DATA_FILE), progress and not as_json)
        if not as_json:
            took = short_duration(time.monotonic_ns() - started)
            console.out_text(f"\nRestored stream {quote(name)} in {took}\n\n")
        show_stream(js.stream_info(name), as_json)


def _read_meta(path: str) -> Answer:
    with open(path, "rb") as file:
        raw = file.read()
    try:
        meta = json.loads(raw)
    except ValueError as problem:
        raise CommandFailed(f"{path} is not JSON: {problem}") from None
    if not isinstance(meta, dict) or not isinstance(meta.get("config"), dict):
        raise CommandFailed(f"{path} has no configuration of a stream in it")
    return meta


def _must_be_new(js: JetStream, name: str) -> None:
    try:
        js.stream_info(name)
    except ApiError as problem:
        if problem.err_code == STREAM_NOT_FOUND:
            return
        raise
    raise CommandFailed(f"Stream {quote(name)} already exist")


def _send(js: JetStream, meta: Answer, name: str, path: str, draw: bool) -> None:
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        bar = Progress([max(1, size)], show=ibytes) if draw else None
        target = str(js.call(f"STREAM.RESTORE.{check_name(name)}", meta)["deliver_subject"])
        sent = 0
        while chunk := file.read(RESTORE_CHUNK_BYTES):
            reply = js.connection.request(target, chunk, timeout_s=max(SHORTEST_SILENCE_S, js.timeout_s))
            if reply.payload:
                # An error comes as the answer to a chunk, everything fine as an empty one.
                read_answer(reply.payload)
            sent += len(chunk)
            if bar is not None:
                bar.update(0, sent)
        reply = js.connection.request(target, b"", timeout_s=LONG_S)
        read_answer(reply.payload)
        if bar is not None:
            bar.finish()
