"""A stream that comes back from a backup, in chunks that a client sends to a subject of its own.

1. Until it is whole it is no stream: nobody can see it, and its name is kept free. The store knows it as unfinished;
   one that is found so at the start of a server is thrown away.
2. The configuration is that of the request; the messages keep their sequences and times.
3. Every chunk is answered by an empty message, the empty chunk at the end by what STREAM.CREATE answers.
4. A chunk may stand for a thousand times its size. So the work goes in turns of TURN_BYTES or TURN_NS, waits for the
   disk after DISK_BYTES, and ends where a limit of the account or the server is passed.
5. Nothing expires before the stream is whole: a marker that says so would take the sequence of a message to come.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from natsd.base.clock import SECOND_NS
from natsd.jetstream import headers
from natsd.jetstream.api.request import TYPE_PREFIX
from natsd.jetstream.backups import archive, backup, tarball
from natsd.jetstream.backups.backup import BackupError
from natsd.jetstream.backups.packing import Unpacker
from natsd.jetstream.consumers.consumer_create import check_restored, restore_consumers
from natsd.jetstream.dates import render_date
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams import sourcing
from natsd.jetstream.streams.stream import Stream
from natsd.jetstream.streams.stream_config import save_config
from natsd.jetstream.streams.ttl import NEVER, parse_ttl
from natsd.kernel import Subscription
from natsd.store.contract import Limits, StoreError
from natsd.subjects.valid import is_valid_literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.base.clock import Timer
    from natsd.jetstream.backups.backup import Part
    from natsd.jetstream.home import Home
    from natsd.jetstream.streams.stream_config import StreamConfig
    from natsd.store.contract import Message, Published

    Delivered = tuple[bytes, bytes | None, bytes | None, bytes]

STALLED_NS = 5 * SECOND_NS
DISK_NS = 60 * SECOND_NS
"""A disk that is not done by then has failed."""
TURN_BYTES, TURN_NS = 256 * 1024, 5_000_000
DISK_BYTES = 16 << 20
MOST_AHEAD = 32 << 20
"""So many bytes a client may send that were not answered."""
PART_COST = 4096
"""What a part costs at least, in bytes of a turn."""
MOST_AT_ONCE = 1000
MOST_KNOWN = 1 << 14
MORE_BYTES = 1 << 20
"""What a stored message may be longer than a published one: headers of mirrors and sources."""
HUNGRY = -1


class Restore:
    """One restore. Raises ApiError where the store cannot."""

    def __init__(self, home: Home, config: StreamConfig) -> None:
        self._home = home
        self._config = config
        self._unpacker = Unpacker()
        self._reader: backup.Reader | None = None
        self._stream: Stream | None = None
        self._last_seq = 0
        self._subjects: set[bytes] = set()  # some that were looked at and are valid
        self._consumers: set[str] = set()
        self._ended = False  # the end of the backup was seen
        self._chunks: deque[tuple[bytes | None, bytes]] = deque()
        self._ahead = 0  # bytes of them
        self._reply: bytes | None = None  # of the chunk at hand
        self._working = False
        self._undurable = 0
        self._bytes = 0
        self._done = False
        self._began_ns = home.clock.wall_ns()
        self._timer: Timer | None = None
        self._steps = self._work()
        name = config.name.encode()
        self.subject = b"$JS.SNAPSHOT.RESTORE.%b.%b" % (name, home.advisories.new_id().encode())
        self._sub = Subscription(self.subject, b"", handler=self._take)

    def start(self) -> None:
        """Take chunks from now on."""
        home = self._home
        home.restoring[self._config.name] = self
        home.changes += 1
        home.sublist.insert(self._sub)
        self._wait()
        event = {"stream": self._config.name, "client": {"acc": home.name}}
        home.advise(f"STREAM.RESTORE_CREATE.{self._config.name}", "restore_create", event)

    def close(self) -> None:
        """The account loses JetStream, or the server stops: what came so far is thrown away, at the next start at
        the latest."""
        self._done = True
        self._home.sublist.remove(self._sub)
        if self._timer is not None:
            self._timer.cancel()

    # Chunks.

    def _wait(self, delay_ns: int = STALLED_NS) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._home.timers.schedule(delay_ns, self._on_silence)

    def _on_silence(self) -> None:
        self._timer = None
        self._end(None, self._failed(f"restore for stream '{self._config.name}' is stalled"))

    def _failed(self, text: object) -> ApiError:
        return ApiError("STREAM_RESTORE", err=text)

    def _take(self, batch: list[Delivered]) -> None:
        for _, reply, _, payload in batch:
            if self._done:
                return
            self._ahead += len(payload)
            if self._ahead > MOST_AHEAD:
                self._end(reply, self._failed("more was sent than answered, by far"))
                return
            self._chunks.append((reply, payload))
        if not self._working:
            self._working = True
            self._next_chunk()

    def _next_chunk(self) -> None:
        while self._chunks and not self._done:
            self._reply, payload = self._chunks.popleft()
            if not self._reply:
                self._end(None, self._failed("a chunk of a restore has to have a reply subject"))
                return
            self._ahead -= len(payload)
            self._bytes += len(payload)
            if not payload:
                self._guard(self._finish)
                return
            self._unpacker.feed(payload)
            if not self._turn():
                return
        self._working = False
        if not self._done:
            self._wait()

    def _turn(self) -> bool:
        """Work on what is there; whether that was all, and the chunk is answered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left, clock = TURN_BYTES, self._home.clock
        end_ns = clock.now_ns() + TURN_NS
        while left > 0 and clock.now_ns() < end_ns:
            done = self._guard(self._steps.__next__)
            if done is None:
                return False
            if done == HUNGRY:
                assert self._reply is not None
                self._home.publish(self._reply, None, None, b"")
                return True
            left -= done
            self._undurable += done
        if self._undurable > DISK_BYTES:
            self._undurable = 0
            self._wait(DISK_NS)
            self._home.commits(self._config.storage).after(self._later, self._give_up)
        else:
            self._later()
        return False

    def _give_up(self, text: str) -> None:
        """The disk has failed."""
        if not self._done:
            self._end(self._reply, self._failed(text))

    def _later(self) -> None:
        self._home.timers.schedule(0, self._go_on)

    def _go_on(self) -> None:
        if not self._done and self._turn():
            self._next_chunk()

    def _guard(self, step: Any) -> Any:
        """What a step gives; None where it ended the restore."""
        try:
            return step()
        except (StoreError, ValueError) as error:
            self._end(self._reply, self._failed(error))
        except ApiError as error:
            self._end(self._reply, error)
        return None

    # Parts.

    def _work(self) -> Iterator[int]:
        """Use up what came: gives the bytes of each step, HUNGRY where there is nothing to work on."""
        while True:
            block = self._unpacker.take()
            if block is None:
                yield HUNGRY
                continue
            if not block:
                yield TURN_BYTES
                continue
            reader = self._reader
            if reader is None:
                most = self._home.sublist.road.max_payload + MORE_BYTES
                kind = archive.Reader if block.startswith(archive.MAGIC) else tarball.Reader
                reader = self._reader = kind(most)
            reader.feed(block)
            yield len(block) + PART_COST
            while (part := reader.take()) is not None:
                yield from self._take_part(part)

    def _take_part(self, part: Part) -> Iterator[int]:
        if isinstance(part, backup.Head):
            self._begin(part)
            yield PART_COST
            return
        stream = self._stream
        if isinstance(part, backup.Gone) and not part.ranges:
            yield PART_COST
            return
        if stream is None:
            raise BackupError("its parts are in no order")
        if isinstance(part, list):
            yield self._store(stream, part) + PART_COST
        elif isinstance(part, backup.Gone):
            for first, last in part.ranges:
                yield from self._remove(stream, first, last)
            yield PART_COST
        elif isinstance(part, backup.Consumer):
            self._add_consumer(stream, part)
            yield len(part.config) + PART_COST
        else:
            self._last_seq = part.last_seq
            self._ended = True

    def _begin(self, head: backup.Head) -> None:
        home, config = self._home, self._config
        if head.name and head.name != config.name:
            raise BackupError("stream names do not match")
        created_ns = head.created_ns or self._began_ns
        self._check_room(head.bytes)
        saved = save_config(config, created_ns, unfinished=True)
        first = max(head.first_seq, 1)
        store = home.commits(config.storage).store.create(home.key_of(config.name), saved, Limits(), first)
        self._stream = Stream(home, config, store, created_ns)

    def _check_room(self, more: int) -> None:
        """Whether account and server have room for so many bytes more. Raises ApiError."""
        home, storage = self._home, self._config.storage
        server = home.jetstream
        if not home.has_room_for(storage, more) or server.used[storage] + more > server.max_bytes(storage):
            raise ApiError("MEMORY_RESOURCES_EXCEEDED" if storage == "memory" else "STORAGE_RESOURCES_EXCEEDED")

    def _store(self, stream: Stream, messages: list[Message]) -> int:
        """Store messages; returns the bytes. Nothing of them expires before the stream is whole."""
        home, store, known = self._home, stream.store, self._subjects
        now = home.clock.wall_ns()
        most = stream.config.max_msg_size if stream.config.max_msg_size >= 0 else 1 << 62
        last = store.last_seq
        size = 0
        for seq, subject, header, payload, time_ns in messages:
            if seq <= last:
                raise BackupError(f"message {seq} is out of order")
            if subject not in known:
                self._learn(subject, seq)
            length = len(payload) if header is None else len(header) + len(payload)
            if length > most:
                raise ApiError("STREAM_MESSAGE_EXCEEDS_MAXIMUM")
            size += length + len(subject)
            message = (subject, None, header, payload)
            if header is not None and headers.TTL in header and stream.config.allow_msg_ttl:
                self._store_mortal(stream, seq, message, time_ns, now)
            else:
                store.append_at(seq, message, time_ns)
            last = seq
        stream.count_bytes()
        self._check_room(0)
        if home.jetstream.failed and self._config.storage == "file":
            raise ApiError("STREAM_STORE_FAILED", err=home.jetstream.failed)
        return size

    def _learn(self, subject: bytes, seq: int) -> None:
        """Note that a subject is valid: most have many messages."""
        if not is_valid_literal(subject):
            raise BackupError(f"message {seq} has no valid subject")
        if len(self._subjects) >= MOST_KNOWN:
            self._subjects.clear()
        self._subjects.add(subject)

    def _store_mortal(self, stream: Stream, seq: int, message: Published, time_ns: int, now: int) -> None:
        """Store a message with a time to live. Where that is over, only its sequence is kept."""
        store, header = stream.store, message[2]
        value = headers.value_of(header, headers.TTL) if header is not None else None
        ttl_s = parse_ttl(value) if value else 0
        if not ttl_s:
            store.append_at(seq, message, time_ns)
            return
        expires_ns = 0 if ttl_s == NEVER else time_ns + ttl_s * SECOND_NS
        if 0 < expires_ns <= now:
            store.skip(seq)
            return
        store.skip(seq - 1)
        store.append_ttl(message, time_ns, expires_ns)

    def _remove(self, stream: Stream, first: int, last: int) -> Iterator[int]:
        last = min(last, stream.store.last_seq)
        at = max(first, stream.store.first_seq)
        while 0 < at <= last:
            found, at = stream.store.scan(at, last, [], MOST_AT_ONCE, MOST_AT_ONCE)
            if found:
                stream.store.remove([seq for seq, _, _ in found])
                yield len(found) * 64
        stream.count_bytes()

    def _add_consumer(self, stream: Stream, part: backup.Consumer) -> None:
        name, store = part.name, self._home.commits(self._config.storage).store
        if name in self._consumers:
            raise BackupError(f"consumer {name!r} is in it twice")
        saved, tracks = check_restored(stream, part, len(self._consumers))
        record = backup.record_of(part.progress, tracks) if part.progress is not None else None
        self._consumers.add(name)
        store.configure_consumer(stream.key, name, saved)
        if record is not None:
            stream.store.save_consumer(name, record, checkpoint=True)

    # The end.

    def _finish(self) -> None:
        home, stream = self._home, self._stream
        if stream is None or not self._ended or not self._unpacker.is_empty:
            raise BackupError("it ends too early")
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
        msgs = stream.store.state.msgs
        home.log.notice(f"Completed restore of {msgs:,} messages for stream '{home.name} > {stream.name}'")
        self._end(self._reply, None)

    def _end(self, reply: bytes | None, error: ApiError | None) -> None:
        self._done = True
        home, stream = self._home, self._stream
        home.restoring.pop(self._config.name, None)
        home.sublist.remove(self._sub)
        self._chunks.clear()
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
                home.use(self._config.storage, -stream.counted_bytes)
                stream.counted_bytes = 0
                with suppress(StoreError):  # a disk that has failed takes no deletion either; who asked is told why
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
            self._answer(reply, page)

    def _answer(self, reply: bytes, page: dict[str, Any]) -> None:
        """Once all of it is on disk; where it can never be, as an error."""
        home, answer = self._home, msgspec.json.encode(page)

        def refuse(text: str) -> None:
            error = page.get("error") or self._failed(text).as_dict()
            home.send(reply, msgspec.json.encode({"type": page["type"], "error": error}))

        home.commits(self._config.storage).after(lambda: home.send(reply, answer), refuse)
