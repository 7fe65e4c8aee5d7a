"""Atomic batches: messages of one publisher that a stream takes as a whole or not at all (ADR-50).

1. What comes of a batch is kept in memory until its last message comes; each gets an empty acknowledgement. A message
   out of its order, too many of them, or too long a wait end the batch, and whoever listens is told why.
2. With the last message all of them are tried, as if those before were stored already (`Trial`). One that cannot be
   ends the batch with its error; nothing was stored then.
3. They are stored as one batch of the store, with no other message between. What is published again, the
   acknowledgement and the consumers wait until all of it is on disk. A large roll-up goes in slices after that, and the
   acknowledgement waits for it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from natsd.base.whole import whole_of
from natsd.jetstream import headers
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams import counters
from natsd.jetstream.streams.admission import (
    MAX_HEADER,
    MESSAGE_OVERHEAD,
    REFUSALS,
    check_size,
    check_stream,
    expected_of,
    last_of,
    number_of,
    rollup_of,
)
from natsd.jetstream.streams.schedules import check_schedule
from natsd.jetstream.streams.ttl import parse_ttl
from natsd.store.contract import REFUSED_BYTES, REFUSED_MSGS, REFUSED_PER_SUBJECT, StoreError

if TYPE_CHECKING:
    from natsd.base.clock import Timer
    from natsd.jetstream.streams.publishing import Message
    from natsd.jetstream.streams.stream import Stream

    Checked = tuple[Message, dict[bytes, bytes], bytes]
    """A message as it is to be stored, its own headers by name, what it rolls up."""

MOST_ID = 64
MOST_STAGED = 256 << 20
"""Bytes that all unfinished batches of a server hold at most."""
COMMIT = b"1"
END_OF_BATCH = b"eob"
"""Commits what came before; the message that says so is no part of it."""


class Batch:
    """One that is not finished. due_ns: when it has waited too long, by the clock of timers."""

    __slots__ = ("due_ns", "messages", "size", "timer")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.size = 0
        self.due_ns = 0
        self.timer: Timer | None = None


class Batches:
    """The unfinished batches of one stream."""

    __slots__ = ("_open", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = whole_of(stream)
        self._open: dict[bytes, Batch] = {}

    def __len__(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """Forget them all."""
        for batch_id in list(self._open):
            self._drop(batch_id)

    def take(self, batch_id: bytes, message: Message) -> None:
        """A message of a batch has come. Raises ApiError."""
        stream, header = self._stream(), message[2] or b""
        config = stream.config
        if config.sealed:
            raise ApiError("STREAM_SEALED")
        check_size(stream, message[0], message[2], message[3])
        if not config.allow_atomic:
            raise ApiError("ATOMIC_PUBLISH_DISABLED")
        if len(batch_id) > MOST_ID:
            raise ApiError("ATOMIC_PUBLISH_INVALID_BATCH_ID")
        number = number_of(headers.value_of(header, headers.BATCH_SEQUENCE))
        if number is None:
            raise ApiError("ATOMIC_PUBLISH_MISSING_SEQ")
        commit = headers.value_of(header, headers.BATCH_COMMIT)
        ends = commit == END_OF_BATCH
        most = stream.home.jetstream.limits.batch_msgs
        too_large = number - ends > most
        if batch_id not in self._open:
            if number != 1:
                if too_large:
                    raise ApiError("ATOMIC_PUBLISH_TOO_LARGE_BATCH", size=most)
                raise ApiError("ATOMIC_PUBLISH_INCOMPLETE_BATCH")
            self._begin(batch_id)
        batch = self._open[batch_id]
        if commit is not None and commit not in (COMMIT, END_OF_BATCH):
            self._drop(batch_id)
            raise ApiError("ATOMIC_PUBLISH_INVALID_BATCH_COMMIT")
        if headers.asks_for_more(header, stream.home.jetstream.api_level):
            self._abandon(batch_id, "unsupported")
            raise ApiError("REQUIRED_API_LEVEL")
        if number != len(batch.messages) + 1 or (ends and number == 1):
            self._abandon(batch_id, "incomplete")
            raise ApiError("ATOMIC_PUBLISH_INCOMPLETE_BATCH")
        if too_large:
            self._abandon(batch_id, "large")
            raise ApiError("ATOMIC_PUBLISH_TOO_LARGE_BATCH", size=most)
        self._stage(batch_id, batch, message, ends)
        if commit is None:
            stream.publishing.answer(message, b"")
            return
        messages = batch.messages
        self._drop(batch_id)
        self._commit(batch_id, messages, message)

    def _begin(self, batch_id: bytes) -> None:
        jetstream = self._stream().home.jetstream
        limits = jetstream.limits
        if len(self._open) >= limits.batch_per_stream or jetstream.open_batches >= limits.batch_total:
            raise ApiError("ATOMIC_PUBLISH_TOO_MANY_INFLIGHT")
        self._open[batch_id] = Batch()
        jetstream.open_batches += 1

    def _stage(self, batch_id: bytes, batch: Batch, message: Message, ends: bool) -> None:
        home = self._stream().home
        subject, _, header, payload = message
        if ends:
            subject, _, header, payload = batch.messages.pop()
            header = headers.with_header(header, headers.BATCH_COMMIT, COMMIT)
        elif header is not None:
            header = headers.without(header, headers.REQUIRED_API_LEVEL)
            size = len(subject) + len(header or b"") + len(payload) + MESSAGE_OVERHEAD
            if home.jetstream.staged_bytes + size > MOST_STAGED:
                self._abandon(batch_id, "large")
                raise ApiError("ATOMIC_PUBLISH_TOO_MANY_INFLIGHT")
            batch.size += size
            home.jetstream.staged_bytes += size
        batch.messages.append((subject, None, header, payload))
        batch.due_ns = home.clock.now_ns() + home.jetstream.limits.batch_timeout_ns
        if batch.timer is None:
            self._wait(batch_id, batch)

    def _wait(self, batch_id: bytes, batch: Batch) -> None:
        home = self._stream().home

        def on_timer() -> None:
            if batch.due_ns > home.clock.now_ns():
                self._wait(batch_id, batch)
            else:
                self._abandon(batch_id, "timeout")

        batch.timer = home.timers.schedule(batch.due_ns - home.clock.now_ns(), on_timer)

    def _drop(self, batch_id: bytes) -> None:
        batch = self._open.pop(batch_id)
        jetstream = self._stream().home.jetstream
        jetstream.open_batches -= 1
        jetstream.staged_bytes -= batch.size
        if batch.timer is not None:
            batch.timer.cancel()

    def _abandon(self, batch_id: bytes, reason: str) -> None:
        """Forget one, and tell whoever wants to know why."""
        self._drop(batch_id)
        stream = self._stream()
        event = {"stream": stream.name, "batch": batch_id.decode("utf-8", "replace"), "reason": reason}
        stream.home.advise(f"STREAM.BATCH_ABANDONED.{stream.name}", "stream_batch_abandoned", event)

    def _commit(self, batch_id: bytes, messages: list[Message], last: Message) -> None:
        """last: who published it is told what became of the batch."""
        stream = self._stream()
        publishing = stream.publishing
        trial = Trial(stream)
        checked = [trial.add(message) for message in messages]
        if not stream.home.has_room_for(stream.config.storage, trial.account_bytes):
            raise ApiError("ACCOUNT_RESOURCES_EXCEEDED")
        try:
            with publishing.whole():
                for message, ours, rollup in checked:
                    publishing.keep(message, ours, rollup)
        except StoreError as error:
            raise ApiError("STREAM_STORE_FAILED", err=error) from None
        name = msgspec.json.encode(batch_id.decode("utf-8", "replace"))
        publishing.roll_up(last, stream.store.last_seq, b',"batch":%b,"count":%d}' % (name, len(messages)))


class Trial:
    """Messages of a batch that are looked at one after the other, as if all before were stored."""

    __slots__ = (
        "_count",
        "_expected",
        "_ids",
        "_schedules",
        "_stream",
        "_sums",
        "_written",
        "account_bytes",
        "size",
    )

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._count = 0
        self._ids: set[bytes] = set()
        self._written: dict[bytes, int] = {}
        self._schedules: dict[bytes, bool] = {}
        self._expected: dict[bytes, int] = {}
        self._sums: dict[bytes, tuple[bytes | None, bytes]] = {}
        self.size = 0
        self.account_bytes = 0

    def add(self, message: Message) -> Checked:
        """What is to be stored for the next message. Raises ApiError."""
        config = self._stream.config
        subject, _, header, payload = message
        subject = self._stream.publishing.subject_of(subject)
        ours = headers.ours(header or b"")
        if ours.get(headers.EXPECTED_LAST_MSG_ID):
            name = headers.EXPECTED_LAST_MSG_ID.decode()
            raise ApiError("ATOMIC_PUBLISH_UNSUPPORTED_HEADER_BATCH", header=name)
        if header is not None and headers.REQUEST_INFO in ours:
            header = headers.without(header, headers.REQUEST_INFO)
        if len(header or b"") > MAX_HEADER:
            raise ApiError("STREAM_HEADER_EXCEEDS_MAXIMUM")
        incr = counters.increment_of(ours)
        if incr is not None:
            counters.check_increment(ours, payload, config)
        check_stream(self._stream, ours)
        self._check_ttl(ours)
        self._check_id(ours.get(headers.MSG_ID, b""))
        if ours.get(headers.STREAM_SOURCE):
            raise ApiError("MESSAGE_SOURCE_HDR_NOT_ALLOWED")
        if config.allow_msg_counter:
            header, payload = self._count_up(subject, header, payload, incr)
        self._check_sequences(subject, ours)
        if header is not None and headers.OF_SCHEDULES in header:
            header = check_schedule(self._stream, subject, header, ours, self._schedules)
        rollup = self._rollup_of(subject, ours)
        self._count += 1
        self._written[subject] = self._written.get(subject, 0) + 1
        self._schedules[subject] = bool(ours.get(headers.SCHEDULE))
        self.size += self._stream.store.size_of(subject, header, payload)
        self.account_bytes += len(subject) + len(header or b"") + len(payload) + MESSAGE_OVERHEAD
        self._check_limits(subject)
        return (subject, None, header, payload), ours, rollup

    def _check_ttl(self, ours: dict[bytes, bytes]) -> None:
        value = ours.get(headers.TTL)
        if value and not self._stream.config.allow_msg_ttl:
            raise ApiError("MESSAGE_TTL_DISABLED")
        if value:
            parse_ttl(value)

    def _check_id(self, msg_id: bytes) -> None:
        stream = self._stream
        if msg_id and (msg_id in self._ids or stream.dedupe.find(msg_id, stream.home.clock.wall_ns())):
            raise ApiError("ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE")
        self._ids.add(msg_id)

    def _count_up(self, subject: bytes, header: bytes | None, payload: bytes, incr: int | None) -> tuple[bytes, bytes]:
        if incr is None or header is None:
            raise ApiError("MESSAGE_INCR_MISSING")
        last = self._sums.get(subject) or counters.last_of(self._stream.store, subject)
        stored = counters.add(last, subject, header, payload, incr)
        check_size(self._stream, subject, *stored)
        self._sums[subject] = stored
        return stored

    def _check_sequences(self, subject: bytes, ours: dict[bytes, bytes]) -> None:
        seq = expected_of(ours.get(headers.EXPECTED_LAST_SEQ))
        last = self._stream.store.last_seq + self._count
        if seq is not None and seq != last:
            raise ApiError("STREAM_WRONG_LAST_SEQUENCE", seq=last)
        if seq is not None and self._count:
            raise ApiError("STREAM_WRONG_LAST_SEQUENCE_CONSTANT")
        about = ours.get(headers.EXPECTED_LAST_SUBJECT_SEQ_SUBJECT)
        seq = expected_of(ours.get(headers.EXPECTED_LAST_SUBJECT_SEQ))
        if seq is None:
            if about:
                raise ApiError("STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID")
            return
        about = about or subject
        if about in self._written:
            raise ApiError("STREAM_WRONG_LAST_SEQUENCE_CONSTANT")
        found = self._expected.get(about)
        if found is None:
            found = self._expected[about] = last_of(self._stream, about)
        if found != seq:
            raise ApiError("STREAM_WRONG_LAST_SEQUENCE", seq=found)

    def _rollup_of(self, subject: bytes, ours: dict[bytes, bytes]) -> bytes:
        rollup = rollup_of(self._stream.config, ours, sourced=False)
        if rollup == b"sub" and subject in self._written:
            raise ApiError("STREAM_ROLLUP_FAILED", err="batch rollup sub invalid")
        if rollup == b"all" and self._written:
            raise ApiError("STREAM_ROLLUP_FAILED", err="batch rollup all invalid")
        return rollup

    def _check_limits(self, subject: bytes) -> None:
        """Where new messages are refused, a batch must not find that out half way."""
        config, store = self._stream.config, self._stream.store
        if config.discard != "new":
            return
        state, refusal = store.state, 0
        if 0 < config.max_msgs < state.msgs + self._count:
            refusal = REFUSED_MSGS
        elif 0 < config.max_bytes < state.bytes + self.size:
            refusal = REFUSED_BYTES
        elif config.discard_new_per_subject:
            held = store.count([subject]) + self._written[subject]
            refusal = REFUSED_PER_SUBJECT if held > config.max_msgs_per_subject else 0
        if refusal:
            raise ApiError("STREAM_STORE_FAILED", err=REFUSALS[refusal])
