"""A backup on its way to a client: chunks that it acknowledges, never more on the way than its window.

The messages of the moment it began are in it; what is removed meanwhile may be missing. Nothing waits: a chunk leaves
when an acknowledgement made room for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from natsd.base.clock import SECOND_NS
from natsd.jetstream import headers
from natsd.jetstream.backups import archive
from natsd.jetstream.backups.backup import progress_of
from natsd.jetstream.backups.packing import pack
from natsd.jetstream.consumers.consumer_create import Saved
from natsd.jetstream.consumers.consumer_state import ConsumerState
from natsd.jetstream.dates import render_date
from natsd.kernel import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.base.clock import Timer
    from natsd.jetstream.api.snapshot_api import SnapshotRequest
    from natsd.jetstream.streams.stream import Stream
    from natsd.store.contract import Message

    Delivered = tuple[bytes, bytes | None, bytes | None, bytes]

CHUNK_BYTES = 128 * 1024
BLOCK_BYTES = 256 * 1024
WINDOW_BYTES = 8 << 20
LEAST_CHUNK, MOST_CHUNK = 1024, 1 << 20
LEAST_WINDOW, MOST_WINDOW = 1024, 32 << 20
ACK_TIMEOUT_NS = 5 * SECOND_NS
INTEREST_TIMEOUT_NS = 2 * SECOND_NS
LOOK_NS = SECOND_NS // 50


class Snapshot:
    """One backup of one stream."""

    def __init__(self, stream: Stream, request: SnapshotRequest) -> None:
        chunk = min(max(request.chunk_size or CHUNK_BYTES, LEAST_CHUNK), MOST_CHUNK)
        window = min(max(request.window_size or WINDOW_BYTES, LEAST_WINDOW), MOST_WINDOW)
        self._stream = stream
        self._deliver = request.deliver_subject.encode()
        self._chunk = chunk
        self._room = max(window, chunk) // chunk
        self._with_consumers = not request.no_consumers
        self._began_ns = stream.home.clock.wall_ns()
        self._entries = self._make_entries()
        self._data = bytearray()
        self._index = 0
        self._done = False
        self._timer: Timer | None = None
        self._acks = b"$JS.SNAPSHOT.ACK.%b.%b" % (stream.name.encode(), stream.home.advisories.new_id().encode())
        self._sub = Subscription(self._acks + b".>", b"", handler=self._on_acks)

    def start(self) -> None:
        """Begin to send, as soon as somebody listens to this very subject.

        Who asks with a wildcard for all his replies and subscribes to the subject when he has the answer, as natscli
        does, would lose the first chunks.
        """
        self._stream.home.sublist.insert(self._sub)
        self._look(INTEREST_TIMEOUT_NS)

    def _look(self, left_ns: int) -> None:
        """Send if somebody listens, or look again while there is time."""
        self._timer = None
        home = self._stream.home
        if left_ns <= 0 or any(sub.subject == self._deliver for sub in home.sublist.match(self._deliver)[0]):
            self._send()
        else:
            self._timer = home.timers.schedule(LOOK_NS, lambda: self._look(left_ns - LOOK_NS))

    def _make_entries(self) -> Iterator[bytes]:
        """The archive in pieces of about BLOCK_BYTES."""
        stream, now = self._stream, self._began_ns
        first, last = stream.store.state.first_seq, stream.visible_seq
        saved = {}
        if self._with_consumers:
            saved = stream.home.commits(stream.config.storage).store.consumer_configs(stream.key)
        # What is not safe yet is not in it, and was not promised to anybody.
        seen = {"first_seq": min(first, last + 1), "last_seq": last}
        yield archive.render_state(stream.state() | seen, len(saved), stream.created_ns, now)
        for name, config in saved.items():
            yield self._consumer(name, config)
        batch: list[bytes] = []
        size = 0
        for message in self._messages(first, last):
            entry = archive.render_message(message)
            batch.append(entry)
            size += len(entry)
            if size >= BLOCK_BYTES:
                yield b"".join(batch)
                batch, size = [], 0
        yield b"".join([*batch, archive.END])

    def _consumer(self, name: str, saved: bytes) -> bytes:
        stream = self._stream
        found = msgspec.json.decode(saved, type=Saved)
        state = ConsumerState(found.config.ack_policy != "none")
        for record in stream.store.consumer_records(name):
            state.apply(record)
        return archive.render_consumer(name, found.config.as_dict(), found.created, progress_of(state), self._began_ns)

    def _messages(self, seq: int, upto: int) -> Iterator[Message]:
        store = self._stream.store
        while seq <= upto and (message := store.next_match(seq, [], upto)) is not None:
            yield message
            seq = message[0] + 1

    def _on_acks(self, batch: list[Delivered]) -> None:
        self._room += len(batch)
        self._send()

    def _send(self) -> None:
        home = self._stream.home
        while self._room and not self._done:
            if not home.sublist.has_interest(self._deliver):
                self._finish(headers.status(408, b"No Interest"), "no interest")
                return
            if self._stream.closed:
                self._finish(headers.status(500, b"stream closed"), "stream closed")
                return
            while len(self._data) < self._chunk and (entries := next(self._entries, None)) is not None:
                self._data += pack(entries)
            chunk = bytes(self._data[: self._chunk])
            del self._data[: self._chunk]
            if not chunk:
                self._finish(b"NATS/1.0 204\r\n\r\n", "")
                return
            self._index += 1
            self._room -= 1
            reply = b"%b.%d.%d" % (self._acks, len(chunk), self._index)
            home.publish(self._deliver, reply, None, chunk)
        if not self._done:
            self._wait(ACK_TIMEOUT_NS)

    def _wait(self, delay_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._stream.home.timers.schedule(delay_ns, self._on_silence)

    def _on_silence(self) -> None:
        self._timer = None
        self._finish(headers.status(408, b"No Flow Response"), "no flow response")

    def _finish(self, status: bytes, error: str) -> None:
        if self._done:
            return
        self._done = True
        home, stream = self._stream.home, self._stream
        if self._timer is not None:
            self._timer.cancel()
        home.sublist.remove(self._sub)
        home.publish(self._deliver, None, status, b"")
        now = home.clock.wall_ns()
        event = {
            "stream": stream.name,
            "start": render_date(self._began_ns),
            "end": render_date(now),
            "client": {"acc": home.name},
        }
        if error:
            event["error"] = error
            home.log.warn(f"Snapshot of stream '{home.name} > {stream.name}' failed: {error}")
        home.advise(f"STREAM.SNAPSHOT_COMPLETE.{stream.name}", "snapshot_complete", event)


def tell_of_start(stream: Stream) -> None:
    """A backup begins."""
    event = {"stream": stream.name, "state": stream.state(), "client": {"acc": stream.home.name}}
    stream.home.advise(f"STREAM.SNAPSHOT_CREATE.{stream.name}", "snapshot_create", msgspec.to_builtins(event))
