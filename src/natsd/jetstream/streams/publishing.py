"""How a stream takes messages. The fast way: a run of messages that need no look is one call of the store.

What has a header of ours, or comes to a stream that changes or bounds each message, goes one by one, in this order:
1. The stream's subject transform.
2. Sealed; what is wrong with an increment (counters.py); expected stream; whether a TTL is allowed; expected last
   sequence of the subject; of the stream; what is wrong with a schedule (schedules.py); source.
3. The message id: what was seen before is acknowledged again, and nothing is stored.
4. The expected last message id; the roll-up; what a counter's sum is now; the size; the header's size; what server and
   account have room for.
5. Interest: a message that no consumer is about gets a sequence and is not kept.
6. The TTL's value; then it is stored and published again where that is wanted; then what it rolls up goes.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from natsd.base.units import SECOND_NS
from natsd.base.whole import whole_of
from natsd.jetstream import headers
from natsd.jetstream.dates import render_date
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams import counters
from natsd.jetstream.streams.admission import (
    MESSAGE_OVERHEAD,
    REFUSALS,
    check_expectations,
    check_size,
    is_wanted,
    rollup_of,
)
from natsd.jetstream.streams.batches import Batches
from natsd.jetstream.streams.expiry import marker_header
from natsd.jetstream.streams.purging import Purge
from natsd.jetstream.streams.schedules import check_schedule
from natsd.jetstream.streams.slices import SLICE
from natsd.jetstream.streams.ttl import NEVER, parse_ttl
from natsd.subjects.transform import Transform
from natsd.subjects.valid import is_valid_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from natsd.jetstream.streams.stream import Stream

    Message = tuple[bytes, bytes | None, bytes | None, bytes]
    Held = list[tuple[Callable[[], None], Callable[[str], None] | None]]


class Publishing:
    """The intake of one stream."""

    __slots__ = (
        "_ack",
        "_after",
        "_batches",
        "_held",
        "_plain",
        "_purges",
        "_republish",
        "_road",
        "_rolls_up",
        "_stream",
        "_transform",
        "_turns",
    )

    def __init__(self, stream: Stream) -> None:
        self._stream = whole_of(stream)
        self._turns = stream.home.jetstream.turns
        self._road = stream.home.sublist.road
        self._after = stream.home.commits(stream.config.storage).after  # where it is kept does not change
        self._ack = b""
        self._plain = True
        self._rolls_up = False
        self._purges: list[tuple[str, int]] = []  # that are too much for one turn: subject, up to
        self._batches: Batches | None = None
        self._held: Held | None = None
        self._transform: Transform | None = None
        self._republish: Transform | None = None
        self.configure()

    def configure(self) -> None:
        """Look at the stream's configuration anew."""
        stream = self._stream()
        config, home = stream.config, stream.home
        name = msgspec.json.encode(config.name)
        domain = b',"domain":' + msgspec.json.encode(home.domain) if home.domain else b""
        self._ack = b'{"stream":' + name + domain + b',"seq":'
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
        return b"" if header is None else headers.msg_id_of(header)

    def take(self, batch: list[Message]) -> None:
        """Store the messages of one read, acknowledge those that ask for it."""
        self._turns.take(self._road, self._take, batch)

    def _take(self, batch: list[Message], at: int) -> int:
        """The messages from one on, as long as the turn lasts; returns where to go on."""
        stream = self._stream()
        if not stream or stream.closed:  # the sublist may know the subscription for longer
            return len(batch)
        if self._rolls_up:
            return at
        size, is_over = len(batch), self._turns.is_over
        messages = islice(batch, at, None) if at else batch
        if self._plain and self._has_room(batch):
            prefix, start = headers.PREFIX, at
            for message in messages:
                header = message[2]
                if header is not None and prefix in header:
                    if at > start:
                        self._store_run(batch, start, at)
                    self._take_one(message)
                    start = at + 1
                    if is_over() or self._rolls_up:
                        size = start
                        break
                at += 1
            if start < size:
                self._store_run(batch, start, size)
        else:
            for message in messages:
                self._take_one(message)
                at += 1
                if is_over() or self._rolls_up:
                    size = at
                    break
        stream.count_bytes()
        return size

    def _has_room(self, batch: list[Message]) -> bool:
        """Whether the limits of account and server are far enough away not to be looked at for each message."""
        stream = self._stream()
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
        stream = self._stream()
        store = stream.store
        if start or end < len(batch):
            batch, start, end = batch[start:end], 0, end - start
        while start < end:
            now = stream.now_ns()
            first = store.last_seq + 1
            stored = store.append(batch, now, start, alone=self._road.lone)
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
        stream = self._stream()
        sublist, prefix = stream.home.sublist, self._ack
        answers = not stream.config.no_ack

        def settle() -> None:
            if answers:
                sublist.publish_acks(batch, start, n, prefix, first, suffix)
            stream.show(first + n - 1)

        def refuse(text: str) -> None:
            for message in batch[start : start + n]:
                self._refuse_unstored(message, text)

        self._when_durable(settle, refuse)

    def _refuse(self, message: Message, error: ApiError) -> None:
        stream = self._stream()
        reply = message[1]
        if reply and not stream.config.no_ack:
            page = msgspec.json.encode({"error": error.as_dict(), "stream": stream.name, "seq": 0})
            publish = stream.home.publish

            def send(_: str = "") -> None:
                publish(reply, None, None, page)

            # In its turn: whoever published hears of his messages in their order.
            self._when_durable(send, send)

    def _refuse_unstored(self, message: Message, text: str) -> None:
        self._refuse(message, ApiError("STREAM_STORE_FAILED", err=text))

    def answer(self, message: Message, payload: bytes) -> None:
        """To who published it, in its turn."""
        stream = self._stream()
        reply, publish = message[1], stream.home.publish
        if not reply or stream.config.no_ack:
            return

        def send() -> None:
            publish(reply, None, None, payload)

        self._when_durable(send, lambda text: self._refuse_unstored(message, text))

    def _when_durable(self, say: Callable[[], None], refuse: Callable[[str], None] | None = None) -> None:
        """See `Stream.when_durable`; within a batch not before all of it is stored."""
        if self._held is None:
            self._after(say, refuse)
        else:
            self._held.append((say, refuse))

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is stored meanwhile is one batch of the store; nothing is said of it before all of it is safe."""
        stream = self._stream()
        stream.store.begin()
        held: Held = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
            try:
                stream.store.end()
            finally:  # where the disk has failed, whoever waits hears of that
                for say, refuse in held:
                    stream.when_durable(say, refuse)

    def _send(self, subject: bytes, header: bytes | None, payload: bytes) -> None:
        publish = self._stream().home.publish

        def send() -> None:
            publish(subject, None, header, payload)

        self._when_durable(send)

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
            self._batches = Batches(self._stream())
        return self._batches

    def subject_of(self, subject: bytes) -> bytes:
        """What the stream stores a subject under."""
        if self._transform is None:
            return subject
        return self._transform.match(subject, self._stream().home.chance) or subject

    def store_sourced(self, message: Message) -> None:
        """Store a message that another stream has. Raises ApiError."""
        self._consider(message, sourced=True)

    def store_mirrored(self, seq: int, message: Message, time_ns: int) -> None:
        """Store a message as another stream has it. Raises ApiError."""
        subject, _, header, payload = message
        stream = self._stream()
        store = stream.store
        check_size(stream, subject, header, payload)
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
        stream = self._stream()
        config, store = stream.config, stream.store
        subject, _, header, payload = message
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
                check_expectations(stream, subject, ours)
                if header is not None and headers.OF_SCHEDULES in header:
                    header = check_schedule(stream, subject, header, ours, {})
                if ours.get(headers.STREAM_SOURCE):
                    raise ApiError("MESSAGE_SOURCE_HDR_NOT_ALLOWED")
            msg_id = ours.get(headers.MSG_ID, b"")
            if msg_id:
                seen = stream.dedupe.find(msg_id, stream.home.clock.wall_ns())
                if seen:
                    self.answer(message, b'%b%d,"duplicate": true}' % (self._ack, seen))
                    return
            expected = ours.get(headers.EXPECTED_LAST_MSG_ID)
            if expected and expected != stream.last_msg_id:
                raise ApiError("STREAM_WRONG_LAST_MSG_ID", id=stream.last_msg_id.decode("utf-8", "replace"))
            rollup = rollup_of(config, ours, sourced)
        if config.allow_msg_counter:
            if incr is None or header is None:
                raise ApiError("MESSAGE_INCR_MISSING")
            header, payload = counters.add(counters.last_of(store, subject), subject, header, payload, incr)
            suffix = b',"val":%b' % payload[len(b'{"val":') :]
        check_size(stream, subject, header, payload)
        seq = self.keep((subject, None, header, payload), ours, rollup)
        if self._purges:
            self.roll_up(message, seq, suffix, sourced=sourced)
        else:
            self._acknowledge([message], 0, 1, seq, suffix)

    def keep(self, message: Message, ours: dict[bytes, bytes], rollup: bytes) -> int:
        """Store a message that may be stored, with what follows from it; returns its sequence. `roll_up` does the rest.

        ours: its headers by name. rollup: what it rolls up. Raises ApiError.
        """
        stream = self._stream()
        store = stream.store
        subject, _, header, payload = message
        msg_id, now, ttl_s = ours.get(headers.MSG_ID, b""), stream.now_ns(), 0
        if stream.config.retention == "interest" and not is_wanted(stream, subject):
            seq = self._skip(msg_id, now)
            self._let_go(subject, ours, rollup, seq + 1)
            return seq
        if header is not None and headers.TTL in ours:
            ttl_s, header = self._ttl_of(header)
        again = self._republish.match(subject, stream.home.chance) if self._republish is not None else None
        last = store.last_seq_of(subject) if again is not None else 0
        alone = self._road.lone and self._held is None and not rollup and not stream.config.allow_msg_schedules
        seq = self._store((subject, None, header, payload), now, ttl_s, alone=alone)
        stream.last_msg_id = msg_id
        if msg_id:
            stream.dedupe.note(msg_id, seq, now)
        if again is not None and is_valid_literal(again):
            self._publish_again(again, subject, header, payload, seq, now, last)
        if rollup or headers.SCHEDULER in ours:
            self._let_go(subject, ours, rollup, seq)
        return seq

    def _let_go(self, subject: bytes, ours: dict[bytes, bytes], rollup: bytes, upto: int) -> None:
        """Remove what a message stands for, and the schedule whose last one it is; `roll_up` does it if it is much."""
        if rollup:
            self._purge(subject if rollup == b"sub" else b"", upto)
        scheduler = ours.get(headers.SCHEDULER)
        if scheduler and ours.get(headers.SCHEDULE_NEXT) == b"purge" and self._stream().config.allow_rollup_hdrs:
            self._purge(scheduler, self._stream().store.last_seq + 1)

    def _purge(self, subject: bytes, upto: int) -> None:
        stream = self._stream()
        name = subject.decode("utf-8", "surrogateescape")
        if (stream.store.count([subject]) if subject else stream.store.state.msgs) <= SLICE:
            stream.purge(subject=name, upto=upto)
        else:
            self._purges.append((name, upto))

    def roll_up(self, message: Message, seq: int, suffix: bytes, *, sourced: bool = False) -> None:
        """Acknowledge what was kept, once everything that it rolls up is gone. Until then nothing else is taken, but
        for what comes from another stream, where nobody waits for an answer."""
        purges, self._purges = self._purges, []
        if not purges:
            self._acknowledge([message], 0, 1, seq, suffix)
            return
        if not sourced:
            self._rolls_up = True
        self._roll_on(self._stream(), purges, message, seq, suffix, sourced)

    def _roll_on(
        self, stream: Stream, purges: list[tuple[str, int]], message: Message, seq: int, suffix: bytes, sourced: bool
    ) -> None:
        def end(_purged: int) -> None:
            if purges:
                stream.home.timers.schedule(0, lambda: self._roll_on(stream, purges, message, seq, suffix, sourced))
                return
            if not sourced:
                self._rolls_up = False
            self._acknowledge([message], 0, 1, seq, suffix)

        def fail(error: ApiError) -> None:
            if not sourced:
                self._rolls_up = False
            self._refuse(message, error)

        if stream.closed:
            fail(ApiError("STREAM_NOT_FOUND"))
            return
        name, upto = purges.pop()
        Purge(stream, name, upto, 0, end, fail).start()

    def _skip(self, msg_id: bytes, now: int) -> int:
        """Nobody is interested: the message gets its sequence and goes."""
        stream = self._stream()
        seq = stream.store.last_seq + 1
        stream.store.skip(seq)
        stream.last_msg_id = msg_id
        if msg_id:
            stream.dedupe.note(msg_id, seq, now)
        return seq

    def _ttl_of(self, header: bytes) -> tuple[int, bytes]:
        """Seconds to live (0 for none, NEVER), and the header, which says more where markers last longer."""
        config = self._stream().config
        value = headers.value_of(header, headers.TTL)
        if not value or not config.allow_msg_ttl:
            return 0, header
        ttl_s = parse_ttl(value)
        least_s = config.subject_delete_marker_ttl // SECOND_NS
        if 0 < ttl_s < least_s and config.max_msgs_per_subject != 1:
            rest = headers.without(header, headers.TTL)
            return least_s, headers.with_header(rest, headers.TTL, b"%d" % least_s)
        return ttl_s, header

    def _store(self, message: Message, now: int, ttl_s: int, *, alone: bool = False) -> int:
        """Store one message; returns its sequence. alone: see StreamStore.append. Raises ApiError."""
        stream = self._stream()
        store = stream.store
        if ttl_s:
            expires_ns = 0 if ttl_s == NEVER else now + ttl_s * SECOND_NS
            if not store.append_ttl(message, now, expires_ns):
                raise ApiError("STREAM_STORE_FAILED", err=REFUSALS[store.refusal])
            if expires_ns:
                stream.expiry.note(expires_ns)
        elif not store.append([message], now, alone=alone):
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
        stream = self._stream()
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
        stream = self._stream()
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


def _size(message: Message) -> int:
    header = message[2]
    return len(message[0]) + len(message[3]) + (len(header) if header is not None else 0) + MESSAGE_OVERHEAD
