"""What a store does, whatever it keeps its bytes in. Memory and file stores pass one suite (tests/store/).

Rules that every store keeps:
1. The loop thread calls; nothing here waits. What has to reach a disk gets a position, and `Store.on_durable` says how
   far the disk has come. Nothing may be acknowledged, or shown to a consumer, above `Store.durable`.
2. Subjects, filters, limits by count, bytes, age and per subject are the index's business; what a stream's
   configuration means is above.
3. A message is the tuple (seq, subject, header, payload, time_ns); header is None or the whole NATS/1.0 block.
4. Sequences only grow. A removed one stays a hole, counted in `num_deleted` while it lies between first and last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Message = tuple[int, bytes, bytes | None, bytes, int]
    Head = tuple[int, int, bytes]
    Published = tuple[bytes, bytes | None, bytes | None, bytes]
    """subject, reply, header, payload: as the kernel hands messages to a local subscription."""


class StoreError(Exception):
    """The store cannot do it: a disk that failed or is full, a directory that is not a store. The text names it."""


class Limits(NamedTuple):
    """What a stream may hold; -1 or 0: no limit. With discard_new a message that would break one is refused."""

    max_msgs: int = -1
    max_bytes: int = -1
    max_msgs_per_subject: int = -1
    max_age_ns: int = 0
    discard_new: bool = False
    discard_new_per_subject: bool = False


REFUSED_MSGS = 1
REFUSED_BYTES = 2
REFUSED_PER_SUBJECT = 3
"""Why `append` stopped, see StreamStore.refusal."""


class State(NamedTuple):
    """The figures of a stream. Times are wall clock nanoseconds, 0 where there is no message."""

    msgs: int
    bytes: int
    first_seq: int
    first_time_ns: int
    last_seq: int
    last_time_ns: int
    num_subjects: int
    num_deleted: int


class Cursor(Protocol):
    """A consumer's place in a stream: which subjects, from which sequence on. Kept exact by the index at every step.

    next_seq: the least sequence not taken yet (whether it matches or not). pending: how many matching messages there
    are from next_seq on, at all times exact, also while messages are removed in front of and behind it. A closed one
    has none.
    """

    @property
    def next_seq(self) -> int: ...

    @property
    def pending(self) -> int: ...

    def take(self, most: int, max_bytes: int = 0, upto: int = 0) -> list[Message]:
        """The next matching messages, `most` at most; next_seq is then behind the last of them, or behind all that may
        be seen where there are no more. max_bytes: stop before the sum of subject, header and payload passes it (0: no
        bound; the first is always given). upto: the last sequence that may be seen, 0 for all; what lies above it
        stays pending. Where a message cannot be read (StoreError) nothing is taken."""
        ...

    def peek(self, upto: int = 0) -> int:
        """The sequence of the next matching message, 0 for none."""
        ...

    def seek(self, seq: int) -> None:
        """Go on from `seq`."""
        ...

    def refilter(self, filters: list[bytes] | Patterns) -> None:
        """Match other subjects from here on."""
        ...

    def close(self, *, ends: bool = False) -> None:
        """Wait for nothing more. ends: the stream goes too, and what its filters know need not be cleared up."""
        ...


class Patterns(Protocol):
    """Filters as an index has them, made once."""

    @property
    def everything(self) -> bool: ...


class Search(Protocol):
    """A look through the subjects that match, where there may be millions of them or of filters.

    Each call looks at `steps` more of the subjects and returns what it found. One that comes meanwhile may be missed.
    done: whether all were looked at. patterns: what `cursor` and `refilter` take in place of filters.
    """

    @property
    def done(self) -> bool: ...

    @property
    def patterns(self) -> Patterns: ...

    def subjects(self, steps: int) -> list[tuple[bytes, int]]:
        """Subjects, and how many messages each has."""
        ...

    def lasts(self, steps: int, upto: int = 0) -> list[int]:
        """The last sequence of each subject, up to one; ascending."""
        ...

    def prepare(self, steps: int) -> bool:
        """Have what a cursor with these filters needs made ready, apart from the look; returns whether it is. What was
        made is kept as long as the search."""
        ...


class StreamStore(Protocol):
    """The messages of one stream and the saved state of its consumers."""

    refusal: int
    packs: bool
    """Whether payloads are to be kept packed, from now on. Nothing but what they take on the disk shows it."""
    headed: bool
    """False only where no message had a header, of those found at opening and those since: there are no ids then."""
    on_removed: Callable[[list[int]], None] | None
    """Told, after a call that removed messages by limits, age or request, which sequences went (ascending; a very long
    list comes in pieces)."""
    on_purged: Callable[[int], None] | None
    """Told in its place where a purge took everything below a sequence: the new first_seq."""

    @property
    def state(self) -> State: ...

    @property
    def held_bytes(self) -> int:
        """`state.bytes`."""
        ...

    @property
    def last_seq(self) -> int: ...

    @property
    def first_seq(self) -> int: ...

    def set_limits(self, limits: Limits) -> None:
        """Hold to these from now on; what is over them goes at once, the oldest first."""
        ...

    def append(self, batch: list[Published], time_ns: int, start: int = 0, *, alone: bool = False) -> int:
        """Store batch[start:] with sequences from last_seq + 1 on and evict what the limits ask for (one pass in C).
        Returns how many were taken; fewer than all where the next one is refused, and then `refusal` says why.
        Header-less and headed messages alike; headers are stored as given. alone: nothing else is to be stored in this
        turn, so the disk may begin at once."""
        ...

    def append_ttl(self, message: Published, time_ns: int, expires_ns: int) -> bool:
        """As append, of one message that expires at a wall clock time; 0: never, not even by max_age. False where it
        is refused."""
        ...

    def begin(self) -> None:
        """What is done with the stream from here to `end` is there as a whole after a crash, or nothing of it is. Both
        are called in one turn, with nothing of another stream between."""
        ...

    def end(self) -> None: ...

    def size_of(self, subject: bytes, header: bytes | None, payload: bytes) -> int:
        """What a message counts for in `State.bytes` and held against `Limits.max_bytes`."""
        ...

    def append_at(self, seq: int, message: Published, time_ns: int) -> None:
        """Store with a given sequence above last_seq (mirrors, restore): what lies between is skipped. Nothing is
        refused; limits that discard the old are held to. ValueError where the sequence is not above."""
        ...

    def skip(self, upto: int) -> None:
        """Let last_seq be at least `upto` without messages (mirrors, first_seq, compacted restores)."""
        ...

    def load(self, seq: int) -> Message | None: ...

    def load_many(self, seqs: Iterable[int]) -> list[Message]:
        """Those of them that exist, in the order asked."""
        ...

    def next_match(self, seq: int, filters: list[bytes], upto: int = 0) -> Message | None:
        """The first message at or after `seq` whose subject matches one of the filters (empty list: any)."""
        ...

    def last_match(self, filters: list[bytes], upto: int = 0) -> Message | None: ...

    def last_seq_of(self, subject: bytes) -> int:
        """The last sequence of one literal subject, 0 for none."""
        ...

    def last_of_each(self, filters: list[bytes], upto: int = 0) -> list[int]:
        """The last sequence of each subject that matches, ascending."""
        ...

    def seq_at(self, time_ns: int) -> int:
        """The first sequence stored at or after a time; last_seq + 1 for none."""
        ...

    def subjects(self, filters: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """Each matching subject and how many messages it has."""
        ...

    def count(self, filters: list[bytes], first: int = 0) -> int:
        """How many messages from `first` on match."""
        ...

    def scan(self, seq: int, upto: int, filters: list[bytes], most: int, steps: int) -> tuple[list[Head], int]:
        """Look through a part of the stream without fetching what it finds: from `seq` up to `upto`, or down to it
        where that is smaller, at `steps` messages at most, for `most` that match. Returns (seq, time_ns, subject) of
        these, and where to go on: 0 when there is no more."""
        ...

    def search(self, filters: list[bytes]) -> Search:
        """Begin a look through the subjects that match."""
        ...

    def cursor(self, filters: list[bytes] | Patterns, seq: int) -> Cursor: ...

    def remove(self, seqs: list[int], *, erase: bool = False) -> int:
        """Remove messages; erase: overwrite their bytes too. Returns how many there were."""
        ...

    def purge(self, *, filters: list[bytes] | None = None, upto: int = 0, keep: int = 0) -> int:
        """Remove what matches, below sequence `upto` (0: all), but for the newest `keep` of all that match. Returns
        how many went. Without filters and keep, an `upto` beyond the last sequence becomes the next one."""
        ...

    def expire(self, wall_ns: int, most: int = 4096) -> int:
        """Remove what max_age and per-message expiry say; returns when to be called again (wall clock), 0 for never.
        `expired` holds the (seq, subject, by_ttl) of what went in this call, for delete markers. One call removes
        about `most` messages; where more is due it returns `wall_ns`."""
        ...

    expired: list[tuple[int, bytes, bool]]

    def crowded(self, per_subject: int, at: int, most: int) -> tuple[list[int], int]:
        """What there is beyond so many messages of one subject: the sequences of the oldest, `most` of them at most,
        ascending. at: 0 to begin. Remove them, then ask again with what comes beside them until that is 0."""
        ...

    def deleted(self, most: int = 0) -> list[int]:
        """The holes between first and last, ascending; `most` of them at most (0: all)."""
        ...

    def save_consumer(self, name: str, record: bytes, *, checkpoint: bool, removed: list[int] | None = None) -> None:
        """Append to what is known of a consumer: a delta, or a checkpoint that replaces all before it. The bytes are
        opaque here. removed: messages that go with it in the same record (a work queue's acknowledgement)."""
        ...

    def consumer_records(self, name: str) -> list[bytes]:
        """After opening: the last checkpoint and the deltas behind it, in order."""
        ...

    def forget_consumer(self, name: str) -> None: ...

    def consumers(self) -> list[str]: ...

    def close(self) -> None: ...


class Store(Protocol):
    """A store directory, or what stands for one in memory: all streams of a server."""

    @property
    def durable(self) -> int:
        """How far everything is safe."""
        ...

    on_durable: Callable[[], None] | None
    """Called in the loop thread when `durable` grew."""
    on_failed: Callable[[str], None] | None
    """Called once, in the loop thread, when the disk failed: nothing is acknowledged from then on."""
    failure: str

    @property
    def position(self) -> int:
        """Of everything handed in so far; it is safe once `durable` has reached it."""
        ...

    def create(self, key: str, config: bytes, limits: Limits, first_seq: int = 1) -> StreamStore:
        """A new stream under a key ("account/stream"). `config` is kept as it is, see streams()."""
        ...

    def configure(self, key: str, config: bytes) -> None: ...

    def delete(self, key: str) -> None: ...

    def disown(self, key: str) -> None:
        """As delete, but for the messages: whoever has the stream lets go of them, by purges, which are not recorded
        any more. Until then they take up what they take up."""
        ...

    def streams(self) -> dict[str, tuple[bytes, StreamStore]]:
        """What was found at opening: configuration and messages by key. Limits are not set yet."""
        ...

    def configure_consumer(self, key: str, name: str, config: bytes) -> None: ...

    def consumer_configs(self, key: str) -> dict[str, bytes]: ...

    def delete_consumer(self, key: str, name: str) -> None: ...

    def close(self) -> None:
        """Write and sync everything, then let go of the directory."""
        ...
