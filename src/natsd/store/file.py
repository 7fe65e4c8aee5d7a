"""The store on disk: every stream and consumer of a directory in one log (see `records`), with indexes in memory.

1. What a call changes is a record of the log before anybody outside is told of it; the records in their order make the
   same state again. Evictions by limits are no records: the same limits make the same evictions.
2. A directory has one store at a time: LOCK is locked while it is open.
3. A checkpoint says which messages are live at a place, and holds all configurations and consumer states of then. It is
   written before any segment is used again, so what the log has lost by that is in it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from natsd.store import FileIndex, Log
from natsd.store.compaction import Compaction
from natsd.store.contract import Limits, StoreError
from natsd.store.records import (
    BEGUN,
    CONSUMER,
    CONSUMER_DELETED,
    CONSUMER_DELTA,
    CONSUMER_FORGOTTEN,
    CONSUMER_STATE,
    ENDED,
    LIMITED,
    PURGED,
    REMOVED,
    SEGMENT_BYTES,
    SKIPPED,
    STREAM,
    STREAM_DELETED,
    render_limits,
    render_ranges,
    runs_of,
)
from natsd.store.recovery import LOCK, Damage, Recovery

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.store.contract import Published, StreamStore

TOLD_AT_ONCE = 65536


class FileStream(FileIndex):
    """The messages of one stream and the saved state of its consumers."""

    def __init__(self, store: FileStore, number: int, key: str, first_seq: int = 1) -> None:
        super().__init__(store.log, number, first_seq)
        self.key = key
        self.config = b""
        self.limits = Limits()
        self.quiet = True  # what happens is in the log already
        self.consumer_configs: dict[str, bytes] = {}
        self.records: dict[str, list[tuple[bool, bytes]]] = {}
        self._store_ = store

    def write(
        self, kind: int, seq: int = 0, subject: bytes = b"", header: bytes | None = None, payload: bytes = b""
    ) -> None:
        if self.quiet:
            return
        store = self._store_
        store.check()
        store.log.append(kind, self.number, seq, 0, subject, header, payload)
        store.hand_over()

    def set_limits(self, limits: Limits) -> None:
        if limits == self.limits:
            return
        self.write(LIMITED, header=render_limits(limits))
        self.limits = limits
        super().set_limits(limits)

    def append(self, batch: list[Published], time_ns: int, start: int = 0, *, alone: bool = False) -> int:
        store = self._store_
        if store.failure:
            store.check()
        try:
            return super().append(batch, time_ns, start)
        except MemoryError as error:
            store.stop(error)
            raise
        finally:
            if alone:
                store.hurry()
            store.hand_over()

    def append_ttl(self, message: Published, time_ns: int, expires_ns: int) -> bool:
        store = self._store_
        store.check()
        self.expires_ns = expires_ns
        try:
            return super().append_ttl(message, time_ns, expires_ns)
        except MemoryError as error:
            store.stop(error)
            raise
        finally:
            self.expires_ns = -1
            store.hand_over()

    def begin(self) -> None:
        self.write(BEGUN)

    def end(self) -> None:
        self.write(ENDED)

    def append_at(self, seq: int, message: Published, time_ns: int) -> None:
        store = self._store_
        store.check()
        try:
            super().append_at(seq, message, time_ns)
        except MemoryError as error:
            store.stop(error)
            raise
        finally:
            store.hand_over()

    def skip(self, upto: int) -> None:
        if upto > self.last_seq:
            self.write(SKIPPED, upto)
            super().skip(upto)

    def remove(self, seqs: list[int], *, erase: bool = False) -> int:
        there = sorted({seq for seq in seqs if self.place(seq) >= 0})
        if not there:
            return 0
        doomed = [self._store_.compaction.erasable(self.place(seq)) for seq in there] if erase else []
        self.write(REMOVED, payload=render_ranges(runs_of(there)))
        removed = super().remove(there)
        for record in doomed:
            if record is not None:
                self._store_.compaction.erase(record)
        return removed

    def purge(self, *, filters: list[bytes] | None = None, upto: int = 0, keep: int = 0) -> int:
        if upto == 1:
            return 0
        if filters or keep:
            return super().purge(filters=filters, upto=upto, keep=keep)
        self.write(PURGED, upto or self.last_seq + 1)
        quiet, self.quiet = self.quiet, True
        try:
            return super().purge(upto=upto)
        finally:
            self.quiet = quiet

    def expire(self, wall_ns: int, most: int = 4096) -> int:
        # Whoever is told of a removal may append: that it happened is in the log before.
        tell, self.on_removed = self.on_removed, None
        try:
            due = super().expire(wall_ns, most)
        finally:
            self.on_removed = tell
        gone = sorted(seq for seq, _, _ in self.expired)
        if gone:
            self.write(REMOVED, payload=render_ranges(runs_of(gone)))
            for at in range(0, len(gone) if tell is not None else 0, TOLD_AT_ONCE):
                assert tell is not None
                tell(gone[at : at + TOLD_AT_ONCE])
        return due

    def save_consumer(self, name: str, record: bytes, *, checkpoint: bool, removed: list[int] | None = None) -> None:
        gone = sorted({seq for seq in removed or () if self.place(seq) >= 0})
        header = render_ranges(runs_of(gone)) if gone else None
        self.write(CONSUMER_STATE if checkpoint else CONSUMER_DELTA, 0, name.encode(), header, record)
        if checkpoint:
            self.records[name] = [(True, record)]
        else:
            self.records.setdefault(name, []).append((False, record))
        if gone:
            super().remove(gone)

    def consumer_records(self, name: str) -> list[bytes]:
        return [record for _, record in self.records.get(name, ())]

    def forget_consumer(self, name: str) -> None:
        if self.records.pop(name, None) is not None:
            self.write(CONSUMER_FORGOTTEN, subject=name.encode())

    def consumers(self) -> list[str]:
        return list(self.records)

    def close(self) -> None:
        """The directory's log is closed by its store."""


class FileStore:
    """A store directory. Have `settle` called in the loop thread whenever `fileno()` is readable.

    sync_interval_s: 0 acknowledges after a sync, else after a write, with a sync that often. damage: what could not be
    read at opening; everything else is there. read_only: look at it, whoever else has it, and change nothing.
    postpone: called with the store where something was appended, it has `run_batch` called before long; so what one
    turn of the loop appends to many streams is written and synced at once. None: nothing waits.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        sync_interval_s: float = 0,
        segment_bytes: int = SEGMENT_BYTES,
        cache_bytes: int = 32 << 20,
        most_unsynced: int = 16 << 20,
        read_only: bool = False,
    ) -> None:
        self.directory = os.fspath(directory)
        self.segment_bytes = segment_bytes
        self.most_unsynced = most_unsynced
        self.on_durable: Callable[[], None] | None = None
        self.on_failed: Callable[[str], None] | None = None
        self.on_damage: Callable[[str], None] | None = None
        self.on_congested: Callable[[], None] | None = None
        self.on_relieved: Callable[[], None] | None = None
        self._was_congested = False
        self.failure = ""
        self.postpone: Callable[[FileStore], None] | None = None
        self._postponed = False
        self._hurried = False
        self.damage: list[Damage] = []
        self.durable = 0
        self._closed = False
        self._streams: dict[str, FileStream] = {}
        self.by_number: dict[int, FileStream] = {}
        self.next_number = 1
        self._lock = -1 if read_only else lock(self.directory)
        try:
            recovery = Recovery(self.directory)
            self.log = Log(
                self.directory,
                recovery.uuid,
                recovery.next_segment,
                segment_bytes=segment_bytes,
                sync_interval_s=sync_interval_s,
                cache_bytes=cache_bytes,
                spares=0 if read_only else recovery.tidy(),
            )
            try:
                recovery.replay(self)
                if read_only:
                    self.failure = f"{self.directory} is open for reading only"
                else:
                    recovery.finish()
                self.log.follow(recovery.last_segment, recovery.last_bytes)
                self.damage = recovery.damage
                self.compaction = Compaction(self, recovery.ends(), recovery.damaged)
            except BaseException:
                self.log.close()
                raise
        except BaseException as error:
            if self._lock >= 0:
                os.close(self._lock)
            if isinstance(error, OSError):
                raise StoreError(f"{self.directory}: {error.strerror or error}") from error
            raise
        self.durable = self.log.durable

    # The disk

    def fileno(self) -> int:
        return self.log.fileno()

    @property
    def position(self) -> int:
        return self.log.position

    @property
    def congested(self) -> bool:
        """More bytes wait for the disk than should: take no more publishes until `on_relieved` is called."""
        return self.log.unwritten > self.most_unsynced and not self.failure

    def hand_over(self) -> None:
        """Give the disk what was appended, now or at the end of this turn."""
        if self.postpone is None:
            self.run_batch()
        elif not self._postponed:
            self._postponed = True
            self.postpone(self)

    def hurry(self) -> None:
        """Give the disk what was appended before the turn ends; `hand_over` follows, and what the disk has done by then
        is told without it having to wake anybody."""
        if self.postpone is not None:
            self._hurried = True
            self.log.kick(watched=True)

    def run_batch(self) -> None:
        """Give the disk what this turn appended. `on_congested` is called each time while there is too much of it."""
        self._postponed = False
        if self._closed:
            return
        if self._hurried:
            self._hurried = False
            self.log.watch_no_more()
            if self.log.durable > self.durable:
                self._look()
                self.tidy()
        self.log.kick()
        if self.log.failure:
            self._look()  # the plain form writes in this thread: nobody else would tell
        if self.log.unwritten > self.most_unsynced and not self.failure:
            self._was_congested = True
            if self.on_congested is not None:
                self.on_congested()

    def settle(self) -> None:
        """`look`, then `tidy`."""
        self.look()
        self.tidy()

    def look(self) -> None:
        """See how far the disk has come, and tell of it."""
        self.log.settle()
        self._look()

    def tidy(self) -> None:
        """Do a bounded piece of what keeps the directory small. Call it after `look`, once nobody waits."""
        if not self.failure:
            self.compaction.step()

    def wait(self, most_s: float = 60) -> bool:
        """Block until everything handed in is durable. For tests and tools; a server waits for `on_durable`."""
        self.log.wait(self.log.position, most_s)
        self._look()
        return self.durable >= self.log.position

    def check(self) -> None:
        """Raises StoreError where the disk has failed."""
        if self.failure:
            raise StoreError(self.failure)

    def stop(self, error: MemoryError) -> None:
        """Store nothing any more: the log may have a message that the index has not, and the next would get its
        sequence. Opening the directory again makes one of both."""
        self._fail(f"{self.directory}: no memory: {error}")

    def _fail(self, text: str) -> None:
        if not self.failure:
            self.failure = text
            if self.on_failed is not None:
                self.on_failed(text)

    def _look(self) -> None:
        if self.log.durable > self.durable:
            self.durable = self.log.durable
            if self.on_durable is not None:
                self.on_durable()
        if self.log.failure:
            self._fail(f"{self.directory}: {self.log.failure}")
        if self._was_congested and (self.failure or self.log.unwritten <= self.most_unsynced // 2):
            self._was_congested = False
            if self.on_relieved is not None:
                self.on_relieved()

    def give_up(self) -> None:
        """Go on without messages that were found unreadable."""
        for stream in [stream for stream in self.by_number.values() if stream.lost]:
            lost, stream.lost = runs_of(sorted(set(stream.lost))), []
            for first, last in lost:
                text = f"stream {stream.key!r} lost messages {first} to {last}: they cannot be read back"
                self.damage.append(Damage(text, stream.key, first, last))
                stream.remove(list(range(first, last + 1)))
                if self.on_damage is not None:
                    self.on_damage(text)

    # Streams

    def create(self, key: str, config: bytes, limits: Limits, first_seq: int = 1) -> StreamStore:
        if key in self._streams:
            raise StoreError(f"there is a stream {key!r} already")
        self.check()
        stream = self.admit(self.next_number, key, first_seq)
        stream.config = config
        stream.set_limits(limits)
        stream.quiet = False
        stream.write(STREAM, first_seq, key.encode(), render_limits(limits), config)
        return stream

    def admit(self, number: int, key: str, first_seq: int) -> FileStream:
        """Know of a stream. Without a key (its configuration was lost) it is kept, and not shown."""
        stream = FileStream(self, number, key, first_seq)
        self.by_number[number] = stream
        if key:
            self._streams[key] = stream
        self.next_number = max(self.next_number, number + 1)
        return stream

    def name(self, stream: FileStream, key: str) -> None:
        """A stream that was admitted without a key has one."""
        stream.key = key
        self._streams[key] = stream

    def configure(self, key: str, config: bytes) -> None:
        stream = self._known(key)
        stream.config = config
        stream.write(STREAM, 0, key.encode(), render_limits(stream.limits), config)

    def delete(self, key: str) -> None:
        stream = self._known(key)
        self.disown(key)
        stream.purge()

    def disown(self, key: str) -> None:
        stream = self._known(key)
        stream.write(STREAM_DELETED)
        self._forget(stream)

    def dismiss(self, stream: FileStream) -> None:
        """Forget a stream and let its bytes go."""
        self._forget(stream)
        stream.purge()

    def _forget(self, stream: FileStream) -> None:
        stream.on_removed = stream.on_purged = None
        stream.quiet = True
        self._streams.pop(stream.key, None)
        self.by_number.pop(stream.number, None)

    def streams(self) -> dict[str, tuple[bytes, StreamStore]]:
        return {key: (stream.config, stream) for key, stream in self._streams.items()}

    def configure_consumer(self, key: str, name: str, config: bytes) -> None:
        stream = self._known(key)
        stream.write(CONSUMER, 0, name.encode(), None, config)
        stream.consumer_configs[name] = config

    def consumer_configs(self, key: str) -> dict[str, bytes]:
        return dict(self._known(key).consumer_configs)

    def delete_consumer(self, key: str, name: str) -> None:
        stream = self._known(key)
        known = stream.consumer_configs.pop(name, None) is not None
        if stream.records.pop(name, None) is not None or known:
            stream.write(CONSUMER_DELETED, subject=name.encode())

    def close(self) -> None:
        """Write and sync everything, with a checkpoint, and let go of the directory."""
        if self._closed:
            return
        self._closed = True
        if not self.failure:
            self.log.wait()
            self._look()
        if not self.failure:
            self.compaction.finish()
        self.log.close()
        self._look()
        if self._lock >= 0:
            os.close(self._lock)

    def _known(self, key: str) -> FileStream:
        stream = self._streams.get(key)
        if stream is None:
            raise StoreError(f"there is no stream {key!r}")
        return stream


def lock(directory: str) -> int:
    """Make the directory where there is none, and have it alone."""
    try:
        Path(directory).mkdir(mode=0o750, parents=True, exist_ok=True)
        fd = os.open(os.path.join(directory, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise StoreError(f"{directory} is in use by another server") from error
    return fd
