"""How a stream takes messages. The fast way: a run of messages that need no look is one call of the store.

What has a header of ours, or comes to a stream that changes or bounds each message, goes one by one, in this order:
1. The stream's subject transform.
2. Sealed; what is wrong with an increment (counters.py); expected stream; whether a TTL is allowed; expected last
   sequence of the subject; of the stream; source.
3. The message id: what was seen before is acknowledged again, and nothing is stored.
4. The expected last message id; the roll-up; what a counter's sum is now; the size; the header's size; what server and
   account have room for.
5. Interest: a message that no consumer is about gets a sequence and is not kept.
6. The TTL's value; then it is stored, and what it rolls up goes; then it is published again where that is wanted.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from natsd.base.units import SECOND_NS
from natsd.jetstream import counters, headers
from natsd.jetstream.dates import render_date
from natsd.jetstream.errors import ApiError
from natsd.jetstream.expiry import marker_header
from natsd.jetstream.ttl import NEVER, parse_ttl
from natsd.store.contract import REFUSED_BYTES, REFUSED_MSGS, REFUSED_PER_SUBJECT
from natsd.subjects.transform import Transform
from natsd.subjects.valid import is_valid_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from natsd.jetstream.batches import Batches
    from natsd.jetstream.stream import Stream

    Message = tuple[bytes, bytes | None, bytes | None, bytes]

REFUSALS = {
    REFUSED_MSGS: "maximum messages exceeded",
    REFUSED_BYTES: "maximum bytes exceeded",
    REFUSED_PER_SUBJECT: "maximum messages per subject exceeded",
}
MAX_HEADER = 65535
MESSAGE_OVERHEAD = 22
"""What a message costs beside its subject, header and payload, when it is held against an account's limit."""


class Publishing:
    """The intake of one stream. ack: how its acknowledgements begin."""

    __slots__ = ("_batches", "_held", "_plain", "_republish", "_stream", "_transform", "ack")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.ack = b""
        self._plain = True
        self._batches: Batches | None = None
        self._held: list[Callable[[], None]] | None = None
        self._transform: Transform | None = None
        self._republish: Transform | None = None
        self.configure()

    def configure(self) -> None:
        """Look at the stream's configuration anew."""
        stream = self._stream
        config, home = stream.config, stream.home
        name = msgspec.json.encode(config.name)
        domain = b',"domain":' + msgspec.json.encode(home.domain) if home.domain else b""
        self.ack = b'{"stream":' + name + domain + b',"seq":'
        change, again = config.subject_transform, config.republish
        self._transform = Transform(change.src.encode(), change.dest.encode()) if change and change.dest else None
        self._republish = Transform(again.src.encode(), again.dest.encode()) if again else None
        self._plain = (
            not config.sealed
            and config.max_msg_size < 0
            and config.retention != "interest"
            and self._transform is None
            and self._republish is None
            and not config.allow_msg_counter
            and not config.allow_msg_schedules
        )
        if not config.allow_atomic:
            self.close()

    def close(self) -> None:
        """Forget what is not finished."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def id_of(self, header: bytes | None) -> bytes:
        """The message id in a header, empty for none."""
        return b"" if header is None else headers.value_of(header, headers.MSG_ID) or b""

    def take(self, batch: list[Message]) -> None:
        """Store the messages of one read, acknowledge those that ask for it."""
        stream = self._stream
        if stream.closed:
            return
        size = len(batch)
        plain = self._plain and self._has_room(batch)
        start = at = 0
        if plain:
            prefix = headers.PREFIX
            for message in batch:
                header = message[2]
                if header is not None and prefix in header:
                    if at > start:
                        self._store_run(batch, start, at)
                    self._take_one(message)
                    start = at + 1
                at += 1
            if start < size:
                self._store_run(batch, start, size)
        else:
            for message in batch:
                self._take_one(message)
        stream.count_bytes()

    def _has_room(self, batch: list[Message]) -> bool:
        """Whether the limits of account and server are far enough away not to be looked at for each message."""
        stream = self._stream
        home, storage = stream.home, stream.config.storage
        jetstream = home.jetstream
        limits = home.limits
        most = limits.max_memory if storage == "memory" else limits.max_storage
        room = jetstream.max_bytes(storage) - jetstream.used[storage]
        if most >= 0:
            room = min(room, most - home.used[storage])
        if room > 1 << 30:
            return not jetstream.failed
        return room > sum(_size(message) for message in batch) and not jetstream.failed

    def _store_run(self, batch: list[Message], start: int, end: int) -> None:
        """Store batch[start:end], none of which needs a look."""
        stream = self._stream
        store = stream.store
        if start or end < len(batch):
            batch, start, end = batch[start:end], 0, end - start
        while start < end:
            now = stream.now_ns()
            first = store.last_seq + 1
            stored = store.append(batch, now, start)
            if stored:
                stream.last_msg_id = b""
                self._acknowledge(batch, start, stored, first)
                if stream.config.max_age > 0:
                    stream.expiry.on_stored(now)
                start += stored
            if start < end:
                self._refuse(batch[start], ApiError("STREAM_STORE_FAILED", err=REFUSALS[store.refusal]))
                start += 1

    def _acknowledge(self, batch: list[Message], start: int, n: int, first: int, suffix: bytes = b"}") -> None:
        stream = self._stream
        sublist, prefix = stream.home.sublist, self.ack
        answers = not stream.config.no_ack

        def settle() -> None:
            if answers:
                sublist.publish_acks(batch, start, n, prefix, first, suffix)
            stream.show(first + n - 1)

        if self._held is None:
            stream.when_durable(settle)
        else:
            self._held.append(settle)

    def _refuse(self, message: Message, error: ApiError) -> None:
        stream = self._stream
        reply = message[1]
        if reply and not stream.config.no_ack:
            page = {"error": error.as_dict(), "stream": stream.name, "seq": 0}
            self.answer(reply, msgspec.json.encode(page))

    def answer(self, reply: bytes, payload: bytes) -> None:
        """In its turn: whoever published hears of his messages in their order."""
        self._send(reply, None, payload)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is stored meanwhile is one batch of the store; nothing is said of it before all of it is safe."""
        stream = self._stream
        stream.store.begin()
        held: list[Callable[[], None]] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
            stream.store.end()
            for say in held:
                stream.when_durable(say)

    def _send(self, subject: bytes, header: bytes | None, payload: bytes) -> None:
        publish = self._stream.home.publish

        def send() -> None:
            publish(subject, None, header, payload)

        if self._held is None:
            self._stream.when_durable(send)
        else:
            self._held.append(send)

    # One by one.

    def _take_one(self, message: Message) -> None:
        header, batch_id = message[2], None
        if header is not None and headers.OF_BATCH in header:
            batch_id = headers.value_of(header, headers.BATCH_ID)
        try:
            if batch_id:
                self._open_batches().take(batch_id, message)
            else:
                self._consider(message)
        except ApiError as error:
            self._refuse(message, error)

    def _open_batches(self) -> Batches:
        if self._batches is None:
            from natsd.jetstream.batches import Batches

            self._batches = Batches(self._stream, self)
        return self._batches

    def subject_of(self, subject: bytes) -> bytes:
        """What the stream stores a subject under."""
        if self._transform is None:
            return subject
        return self._transform.match(subject, self._stream.home.chance) or subject

    def store_sourced(self, message: Message) -> None:
        """Store a message that another stream has. Raises ApiError."""
        self._consider(message, sourced=True)

    def store_mirrored(self, seq: int, message: Message, time_ns: int) -> None:
        """Store a message as another stream has it. Raises ApiError."""
        subject, _, header, payload = message
        stream = self._stream
        store = stream.store
        self.check_size(subject, header, payload)
        ttl_s = 0
        if header is not None and stream.config.allow_msg_ttl:
            ttl_s, header = self._ttl_of(header)
        if ttl_s:
            expires_ns = 0 if ttl_s == NEVER else time_ns + ttl_s * SECOND_NS
            if seq > store.last_seq + 1:
                store.skip(seq - 1)
            store.append_ttl((subject, None, header, payload), time_ns, expires_ns)
            if expires_ns:
                stream.expiry.note(expires_ns)
        else:
            store.append_at(seq, (subject, None, header, payload), time_ns)
        if stream.config.max_age > 0:
            stream.expiry.on_stored(time_ns)
        stream.last_msg_id = self.id_of(header)

    def _consider(self, message: Message, *, sourced: bool = False) -> None:
        stream = self._stream
        config, store = stream.config, stream.store
        subject, reply, header, payload = message
        if self._transform is not None:
            subject = self.subject_of(subject)
        if config.sealed:
            raise ApiError("STREAM_SEALED")
        rollup, incr, suffix = b"", None, b"}"
        ours = headers.ours(header) if header is not None and headers.PREFIX in header else {}
        if header is not None and ours:
            if headers.REQUEST_INFO in ours:
                header = headers.without(header, headers.REQUEST_INFO)
            if headers.INCR in ours:
                incr = counters.increment_of(ours)
            if not sourced:
                if incr is not None:
                    counters.check_increment(ours, payload, config)
                self._check_expectations(subject, ours)
                if header is not None and headers.OF_SCHEDULES in header:
                    header = self.check_schedule(subject, header, ours, {})
                if ours.get(headers.STREAM_SOURCE):
                    raise ApiError("MESSAGE_SOURCE_HDR_NOT_ALLOWED")
            msg_id = ours.get(headers.MSG_ID, b"")
            if msg_id:
                seen = stream.dedupe.find(msg_id, stream.home.clock.wall_ns())
                if seen:
                    if reply and not config.no_ack:
                        self.answer(reply, b'%b%d,"duplicate": true}' % (self.ack, seen))
                    return
            expected = ours.get(headers.EXPECTED_LAST_MSG_ID)
            if expected and expected != stream.last_msg_id:
                raise ApiError("STREAM_WRONG_LAST_MSG_ID", id=stream.last_msg_id.decode("utf-8", "replace"))
            rollup = self.rollup_of(ours, sourced)
        if config.allow_msg_counter:
            if incr is None or header is None:
                raise ApiError("MESSAGE_INCR_MISSING")
            header, payload = counters.add(counters.last_of(store, subject), subject, header, payload, incr)
            suffix = b',"val":%b' % payload[len(b'{"val":') :]
        self.check_size(subject, header, payload)
        seq = self.keep((subject, None, header, payload), ours, rollup)
        self._acknowledge([message], 0, 1, seq, suffix)

    def keep(self, message: Message, ours: dict[bytes, bytes], rollup: bytes) -> int:
        """Store a message that may be stored, with what follows from it; returns its sequence.

        ours: its headers by name. rollup: what it rolls up. Raises ApiError.
        """
        stream = self._stream
        store = stream.store
        subject, _, header, payload = message
        msg_id, now, ttl_s = ours.get(headers.MSG_ID, b""), stream.now_ns(), 0
        if stream.config.retention == "interest" and not self._is_wanted(subject):
            seq = self._skip(msg_id, now)
            self._roll_up(subject, ours, rollup, keep=0)
            return seq
        if header is not None and headers.TTL in ours:
            ttl_s, header = self._ttl_of(header)
        again = self._republish.match(subject, stream.home.chance) if self._republish is not None else None
        last = store.last_seq_of(subject) if again is not None else 0
        seq = self._store((subject, None, header, payload), now, ttl_s)
        stream.last_msg_id = msg_id
        if msg_id:
            stream.dedupe.note(msg_id, seq, now)
        if rollup or headers.SCHEDULER in ours:
            self._roll_up(subject, ours, rollup, keep=1)
        if again is not None and is_valid_literal(again):
            self._publish_again(again, subject, header, payload, seq, now, last)
        return seq

    def check_schedule(
        self, subject: bytes, header: bytes, ours: dict[bytes, bytes], written: dict[bytes, bool]
    ) -> bytes:
        """Look at what is about schedules, see schedules.check_schedule. Raises ApiError."""
        from natsd.jetstream.schedules import check_schedule

        return check_schedule(self._stream, subject, header, ours, written)

    def _is_wanted(self, subject: bytes) -> bool:
        stream = self._stream
        return any(consumer.wants(subject) for consumer in stream.consumers.values()) or any(
            reader.wants(subject) for reader in stream.inflow_readers
        )

    def check_stream(self, ours: dict[bytes, bytes]) -> None:
        """Whether a message was meant for this stream. Raises ApiError."""
        wanted = ours.get(headers.EXPECTED_STREAM)
        if wanted and wanted != self._stream.name.encode():
            raise ApiError("STREAM_NOT_MATCH")

    def _check_expectations(self, subject: bytes, ours: dict[bytes, bytes]) -> None:
        stream = self._stream
        store = stream.store
        if headers.EXPECTED_STREAM in ours:
            self.check_stream(ours)
        if headers.TTL in ours and not stream.config.allow_msg_ttl and self._has_ttl(ours):
            raise ApiError("MESSAGE_TTL_DISABLED")
        about = ours.get(headers.EXPECTED_LAST_SUBJECT_SEQ_SUBJECT)
        value = ours.get(headers.EXPECTED_LAST_SUBJECT_SEQ)
        if value is not None and (seq := number_of(value)) is not None:
            last = self.last_of(about or subject)
            if last != seq:
                raise ApiError("STREAM_WRONG_LAST_SEQUENCE", seq=last)
        elif about:
            raise ApiError("STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID")
        value = ours.get(headers.EXPECTED_LAST_SEQ)
        if value is not None and (seq := number_of(value)) is not None and seq != store.last_seq:
            raise ApiError("STREAM_WRONG_LAST_SEQUENCE", seq=store.last_seq)

    def last_of(self, subject: bytes) -> int:
        """The last sequence of what matches a subject."""
        if b"*" in subject or b">" in subject:
            last = self._stream.store.last_match([subject])
            return last[0] if last is not None else 0
        return self._stream.store.last_seq_of(subject)

    def _has_ttl(self, ours: dict[bytes, bytes]) -> bool:
        value = ours.get(headers.TTL)
        if not value:
            return False
        try:
            return parse_ttl(value) != 0
        except ApiError:
            return False

    def rollup_of(self, ours: dict[bytes, bytes], sourced: bool) -> bytes:
        """What a message rolls up: `sub`, `all`, or nothing. Raises ApiError."""
        rollup = ours.get(headers.ROLLUP)
        if not rollup:
            return b""
        config = self._stream.config
        if not config.allow_rollup_hdrs or config.deny_purge:
            if sourced:
                return b""
            raise ApiError("STREAM_ROLLUP_FAILED", err="rollup not permitted")
        if rollup not in (b"sub", b"all"):
            shown = msgspec.json.encode(rollup.decode("utf-8", "replace")).decode()
            raise ApiError("STREAM_ROLLUP_FAILED", err=f"rollup value invalid: {shown}")
        return rollup

    def check_size(self, subject: bytes, header: bytes | None, payload: bytes) -> None:
        """Whether there is room for a message of this size. Raises ApiError."""
        stream = self._stream
        home, storage, most = stream.home, stream.config.storage, stream.config.max_msg_size
        header_size = len(header) if header is not None else 0
        if 0 <= most < header_size + len(payload):
            raise ApiError("STREAM_MESSAGE_EXCEEDS_MAXIMUM")
        if header_size > MAX_HEADER:
            raise ApiError("STREAM_HEADER_EXCEEDS_MAXIMUM")
        jetstream = home.jetstream
        if jetstream.failed and storage == "file":
            raise ApiError("STREAM_STORE_FAILED", err=jetstream.failed)
        if jetstream.used[storage] > jetstream.max_bytes(storage):
            raise ApiError("INSUFFICIENT_RESOURCES")
        if not home.has_room_for(storage, len(subject) + header_size + len(payload) + MESSAGE_OVERHEAD):
            raise ApiError("ACCOUNT_RESOURCES_EXCEEDED")

    def _roll_up(self, subject: bytes, ours: dict[bytes, bytes], rollup: bytes, *, keep: int) -> None:
        """Remove what a message stands for, and the schedule whose last one it is."""
        stream = self._stream
        if rollup == b"sub":
            stream.purge(subject=subject.decode("utf-8", "surrogateescape"), keep=keep)
        elif rollup == b"all":
            stream.purge(keep=keep)
        scheduler = ours.get(headers.SCHEDULER)
        if scheduler and ours.get(headers.SCHEDULE_NEXT) == b"purge" and stream.config.allow_rollup_hdrs:
            stream.purge(subject=scheduler.decode("utf-8", "surrogateescape"))

    def _skip(self, msg_id: bytes, now: int) -> int:
        """Nobody is interested: the message gets its sequence and goes."""
        stream = self._stream
        seq = stream.store.last_seq + 1
        stream.store.skip(seq)
        stream.last_msg_id = msg_id
        if msg_id:
            stream.dedupe.note(msg_id, seq, now)
        return seq

    def _ttl_of(self, header: bytes) -> tuple[int, bytes]:
        """Seconds to live (0 for none, NEVER), and the header, which says more where markers last longer."""
        config = self._stream.config
        value = headers.value_of(header, headers.TTL)
        if not value or not config.allow_msg_ttl:
            return 0, header
        ttl_s = parse_ttl(value)
        least_s = config.subject_delete_marker_ttl // SECOND_NS
        if 0 < ttl_s < least_s and config.max_msgs_per_subject != 1:
            rest = headers.without(header, headers.TTL)
            return least_s, headers.with_header(rest, headers.TTL, b"%d" % least_s)
        return ttl_s, header

    def _store(self, message: Message, now: int, ttl_s: int) -> int:
        """Store one message; returns its sequence. Raises ApiError."""
        stream = self._stream
        store = stream.store
        if ttl_s:
            expires_ns = 0 if ttl_s == NEVER else now + ttl_s * SECOND_NS
            if not store.append_ttl(message, now, expires_ns):
                raise ApiError("STREAM_STORE_FAILED", err=REFUSALS[store.refusal])
            if expires_ns:
                stream.expiry.note(expires_ns)
        elif not store.append([message], now):
            raise ApiError("STREAM_STORE_FAILED", err=REFUSALS[store.refusal])
        if stream.config.max_age > 0:
            stream.expiry.on_stored(now)
        seq = store.last_seq
        if stream.config.subject_delete_marker_ttl > 0:
            stream.expiry.on_marked(seq, message[2])
        if stream.config.allow_msg_schedules:
            stream.schedules.on_stored(seq, message[0], message[2], now)
        return seq

    def store_marker(self, subject: bytes, reason: bytes) -> None:
        """Leave a message that says why there is none any more."""
        stream = self._stream
        ttl_ns = stream.config.subject_delete_marker_ttl
        now = stream.now_ns()
        try:
            seq = self._store((subject, None, marker_header(reason, ttl_ns), b""), now, ttl_ns // SECOND_NS)
        except ApiError as error:
            stream.home.log.debug(f"{stream!r}: no marker for {subject!r}: {error}")
            return
        self._acknowledge([(subject, None, None, b"")], 0, 1, seq)

    def _publish_again(
        self, to: bytes, subject: bytes, header: bytes | None, payload: bytes, seq: int, now: int, last: int
    ) -> None:
        stream = self._stream
        lines = b"Nats-Stream: %b\r\nNats-Subject: %b\r\nNats-Sequence: %d\r\nNats-Time-Stamp: %b\r\n" % (
            stream.name.encode(),
            subject,
            seq,
            render_date(now).encode(),
        )
        lines += b"Nats-Last-Sequence: %d\r\n" % last
        again = stream.config.republish
        if again is not None and again.headers_only:
            lines += b"Nats-Msg-Size: %d\r\n" % len(payload)
            payload = b""
        block = (header[:-2] if header is not None else headers.LINE) + lines + b"\r\n"
        self._send(to, block, payload)


def number_of(value: bytes | None) -> int | None:
    """A header's value as a number; None where it is none."""
    return int(value) if value is not None and value.isdigit() and len(value) < 20 else None


def _size(message: Message) -> int:
    header = message[2]
    return len(message[0]) + len(message[3]) + (len(header) if header is not None else 0) + MESSAGE_OVERHEAD
