"""A stream that comes back from a backup, in chunks that a client sends to a subject of its own.

1. Until it is whole it is no stream: nobody can see it, and its name is kept free. The store knows it as unfinished;
   one that is found so at the start of a server is thrown away.
2. The configuration is that of the request; the messages keep their sequences and times.
3. Every chunk is answered by an empty message, the empty chunk at the end by what STREAM.CREATE answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from natsd.base.clock import SECOND_NS
from natsd.jetstream import archive, sourcing
from natsd.jetstream.consumer_create import restore_consumers
from natsd.jetstream.dates import render_date
from natsd.jetstream.errors import ApiError
from natsd.jetstream.packing import Unpacker
from natsd.jetstream.request import TYPE_PREFIX
from natsd.jetstream.stream import Stream
from natsd.jetstream.stream_config import load_config, save_config
from natsd.kernel import Subscription
from natsd.store.contract import Limits, StoreError
from natsd.subjects.valid import is_valid_literal

if TYPE_CHECKING:
    from natsd.base.clock import Timer
    from natsd.jetstream.home import Home
    from natsd.jetstream.stream_config import StreamConfig

    Delivered = tuple[bytes, bytes | None, bytes | None, bytes]

STALLED_NS = 5 * SECOND_NS


class Restore:
    """One restore. Raises ApiError where the store cannot."""

    def __init__(self, home: Home, config: StreamConfig) -> None:
        self._home = home
        self._config = config
        self._unpacker = Unpacker()
        self._reader = archive.Reader()
        self._stream: Stream | None = None
        self._error: ApiError | None = None
        self._last_seq = 0
        self._msgs = 0
        self._bytes = 0
        self._done = False
        self._began_ns = home.clock.wall_ns()
        self._timer: Timer | None = None
        name = config.name.encode()
        self.subject = b"$JS.SNAPSHOT.RESTORE.%b.%b" % (name, home.advisories.new_id().encode())
        self._sub = Subscription(self.subject, b"", handler=self._take)

    def start(self) -> None:
        """Take chunks from now on."""
        home = self._home
        home.restoring.add(self._config.name)
        home.sublist.insert(self._sub)
        self._wait()
        event = {"stream": self._config.name, "client": {"acc": home.name}}
        home.advise(f"STREAM.RESTORE_CREATE.{self._config.name}", "restore_create", event)

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._home.timers.schedule(STALLED_NS, self._on_silence)

    def _on_silence(self) -> None:
        self._timer = None
        self._end(None, self._failed(f"restore for stream '{self._config.name}' is stalled"))

    def _failed(self, text: object) -> ApiError:
        return ApiError("STREAM_RESTORE", err=text)

    def _take(self, batch: list[Delivered]) -> None:
        for _, reply, _, payload in batch:
            if self._done:
                return
            if not reply:
                self._end(None, self._failed("a chunk of a restore has to have a reply subject"))
                return
            self._wait()
            self._bytes += len(payload)
            try:
                if not payload:
                    self._finish(reply)
                    return
                for kind, body in self._reader.feed(self._unpacker.feed(payload)):
                    self._take_frame(kind, body)
            except (archive.ArchiveError, StoreError, ValueError) as error:
                self._end(reply, self._failed(error))
                return
            except ApiError as error:
                self._end(reply, error)
                return
            self._home.publish(reply, None, None, b"")

    def _take_frame(self, kind: int, body: Any) -> None:
        if (kind == archive.HEAD) == (self._stream is not None):
            raise archive.ArchiveError("its frames are in no order")
        if kind == archive.HEAD:
            self._begin(body)
            return
        stream = self._stream
        assert stream is not None
        if kind == archive.MESSAGES:
            for seq, subject, header, payload, time_ns in body:
                if seq <= stream.store.last_seq or not is_valid_literal(subject):
                    raise archive.ArchiveError(f"message {seq} is out of order or has no valid subject")
                stream.publishing.store_mirrored(seq, (subject, None, header, payload), time_ns)
            self._msgs += len(body)
        elif kind == archive.CONSUMER:
            store = self._home.commits(self._config.storage).store
            store.configure_consumer(stream.key, body.name, body.config)
            for at, record in enumerate(body.records):
                stream.store.save_consumer(body.name, record, checkpoint=at == 0)
        elif body.msgs != self._msgs:
            raise archive.ArchiveError(f"it has {self._msgs} messages and should have {body.msgs}")

    def _begin(self, head: archive.Head) -> None:
        home, config = self._home, self._config
        if head.first_seq < 0 or not 0 <= head.last_seq < 1 << 63 or head.first_seq > head.last_seq + 1:
            raise archive.ArchiveError("its sequences cannot be")
        try:
            _, created_ns = load_config(head.config)
        except msgspec.DecodeError as error:
            raise archive.ArchiveError(f"its configuration has no sense: {error}") from None
        self._last_seq = head.last_seq
        saved = save_config(config, created_ns, unfinished=True)
        first = max(head.first_seq, 1)
        store = home.commits(config.storage).store.create(home.key_of(config.name), saved, Limits(), first)
        self._stream = Stream(home, config, store, created_ns)

    def _finish(self, reply: bytes) -> None:
        home, stream = self._home, self._stream
        if stream is None or not self._reader.finished:
            raise archive.ArchiveError("it ends too early")
        if stream.store.last_seq < self._last_seq:
            stream.store.skip(self._last_seq)
        config = self._config
        if any(home.subjects.meets(subject) for subject in config.subjects):
            raise ApiError("STREAM_SUBJECT_OVERLAP")
        home.commits(config.storage).store.configure(stream.key, save_config(config, stream.created_ns))
        home.add_stream(stream)
        stream.open(recovering=True)
        restore_consumers(stream)
        sourcing.on_created(stream)
        home.advisories.tell_of_stream(stream.name, "create")
        home.log.notice(f"Completed restore of {self._msgs:,} messages for stream '{home.name} > {stream.name}'")
        self._end(reply, None)

    def _end(self, reply: bytes | None, error: ApiError | None) -> None:
        self._done = True
        home, stream = self._home, self._stream
        home.restoring.discard(self._config.name)
        home.sublist.remove(self._sub)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        page: dict[str, Any] = {"type": TYPE_PREFIX + "stream_create_response"}
        if error is None and stream is not None:
            page |= stream.info()
        elif error is not None:
            page["error"] = error.as_dict()
            home.log.warn(f"Restore of stream '{home.name} > {self._config.name}' failed: {error.description}")
            if stream is not None:
                stream.expiry.stop()
                home.commits(self._config.storage).store.delete(stream.key)
        event = {
            "stream": self._config.name,
            "start": render_date(self._began_ns),
            "end": render_date(home.clock.wall_ns()),
            "bytes": self._bytes,
            "client": {"acc": home.name},
        }
        home.advise(f"STREAM.RESTORE_COMPLETE.{self._config.name}", "restore_complete", event)
        if reply:
            to, answer = reply, msgspec.json.encode(page)
            home.commits(self._config.storage).after(lambda: home.send(to, answer))
