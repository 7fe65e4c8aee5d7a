"""Schedules: messages that say when their stream is to store something, and under which subject (ADR-51).

1. The schedule of a subject is its last message, where that has a `Nats-Schedule`. When it is due, a copy of it (or of
   the last message of `Nats-Schedule-Source`) without what is about schedules is stored under `Nats-Schedule-Target`.
   `Nats-Scheduler` of the copy names the schedule, `Nats-Schedule-Next` the next time, or `purge` where there is none:
   then the schedule goes.
2. The copy, and either the note of the next time or the removal of the schedule, are one batch of the store. So each
   time happens once, whenever the server dies.
3. After a restart the last messages of all subjects say which schedules there are. One whose time passed meanwhile is
   due at once, and once only.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from natsd.base.units import SECOND_NS
from natsd.base.whole import whole_of
from natsd.jetstream import headers
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.cron import Due, next_due
from natsd.jetstream.streams.ttl import parse_ttl
from natsd.store.contract import StoreError
from natsd.subjects.match import collide
from natsd.subjects.valid import is_valid_literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from natsd.base.clock import Timer
    from natsd.jetstream.streams.stream import Stream

AT_ONCE = 256
"""So many are carried out before others get their turn."""
AGAIN_NS = SECOND_NS
LEAST_NS = 1_000_000
NOTE = "\0schedule "
"""How the notes of rule 2 begin among the saved states of consumers."""
PURGE = b"purge"
NOT_COPIED = (b"Nats-Schedule", b"Nats-Expected-")
"""Headers of a schedule that what it stores does not have, by how they begin; the first is also that of a scheduler."""
NOT_KEPT = (headers.MSG_ID, headers.TTL, headers.ROLLUP)


def due_of(ours: dict[bytes, bytes], after_ns: int, now_ns: int) -> Due | None:
    """When a message is due as a schedule; None where it is none. Raises ApiError."""
    zone = None
    named = ours.get(headers.SCHEDULE_TIME_ZONE)
    if named is not None:
        try:
            zone = ZoneInfo(named.decode())
        except (ValueError, OSError, KeyError):
            raise ApiError("MESSAGE_SCHEDULES_TIME_ZONE_INVALID") from None
    text = ours.get(headers.SCHEDULE)
    if not text:
        return None
    try:
        return next_due(text.decode(), zone, after_ns, now_ns)
    except ValueError:
        raise ApiError("MESSAGE_SCHEDULES_PATTERN_INVALID") from None


def check_schedule(
    stream: Stream, subject: bytes, header: bytes, ours: dict[bytes, bytes], written: Mapping[bytes, bool]
) -> bytes:
    """Whether somebody may publish a schedule, or end one, so; returns the header to store. `ours` changes with it.

    written: subjects that are stored before it in its batch, and whether a schedule is. Raises ApiError.
    """
    allowed = stream.config.allow_msg_schedules
    now_ns = stream.home.clock.wall_ns()
    try:
        due = due_of(ours, now_ns, now_ns)
    except ApiError:
        if not allowed:
            raise ApiError("MESSAGE_SCHEDULES_DISABLED") from None
        raise
    if due is not None:
        if not allowed:
            raise ApiError("MESSAGE_SCHEDULES_DISABLED")
        _check_parts(stream, subject, ours)
        if not ours.get(headers.ROLLUP):
            header = headers.with_header(header, headers.ROLLUP, b"sub")
            ours[headers.ROLLUP] = b"sub"
        elif ours[headers.ROLLUP].lower() != b"sub":
            raise ApiError("MESSAGE_SCHEDULES_ROLLUP_INVALID")
    then, scheduler = ours.get(headers.SCHEDULE_NEXT), ours.get(headers.SCHEDULER, b"")
    if then:
        if then != PURGE or scheduler == subject or not is_valid_literal(scheduler):
            raise ApiError("MESSAGE_SCHEDULES_SCHEDULER_INVALID")
        if not allowed:
            raise ApiError("MESSAGE_SCHEDULES_DISABLED")
        if not written.get(scheduler, _is_schedule(stream, scheduler)):
            raise ApiError("MESSAGE_SCHEDULES_SCHEDULER_INVALID")
    elif scheduler:
        raise ApiError("MESSAGE_SCHEDULES_SCHEDULER_INVALID")
    return header


def _check_parts(stream: Stream, subject: bytes, ours: dict[bytes, bytes]) -> None:
    ttl = ours.get(headers.SCHEDULE_TTL)
    if ttl:
        try:
            parse_ttl(ttl)
        except ApiError:
            raise ApiError("MESSAGE_SCHEDULES_TTL_INVALID") from None
    if ours.get(headers.SCHEDULE_ROLLUP, b"") not in (b"", b"sub"):
        raise ApiError("MESSAGE_SCHEDULES_ROLLUP_INVALID")
    if ttl and not stream.config.allow_msg_ttl:
        raise ApiError("MESSAGE_TTL_DISABLED")
    target, source = ours.get(headers.SCHEDULE_TARGET, b""), ours.get(headers.SCHEDULE_SOURCE, b"")
    subjects = [wanted.encode() for wanted in stream.config.subjects]
    if target == subject or not is_valid_literal(target) or not any(collide(one, target) for one in subjects):
        raise ApiError("MESSAGE_SCHEDULES_TARGET_INVALID")
    if source and (
        source in (target, subject) or not is_valid_literal(source) or not any(collide(one, source) for one in subjects)
    ):
        raise ApiError("MESSAGE_SCHEDULES_SOURCE_INVALID")


def _is_schedule(stream: Stream, subject: bytes) -> bool:
    """Whether the last message of a subject is a schedule; where there is none nobody minds."""
    seq = stream.store.last_seq_of(subject)
    message = stream.store.load(seq) if seq else None
    return message is None or bool(message[2] and headers.value_of(message[2], headers.SCHEDULE))


class Schedules:
    """The schedules of one stream, with one timer for the next that is due."""

    __slots__ = ("_heap", "_known", "_stream", "_timer")

    def __init__(self, stream: Stream) -> None:
        self._stream = whole_of(stream)
        self._known: dict[bytes, tuple[int, int]] = {}  # sequence and time by subject
        self._heap: list[tuple[int, int, bytes]] = []  # those that do not stand there any more stay until they are due
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._known)

    def start(self) -> None:
        """Find the schedules that the stream has (rule 3)."""
        self.stop()
        stream = self._stream()
        store = stream.store
        if not stream.config.allow_msg_schedules or stream.config.sealed:
            return
        notes = {name: store.consumer_records(name) for name in store.consumers() if name.startswith(NOTE)}
        now_ns = stream.home.clock.wall_ns()
        for seq in store.last_of_each([]):
            message = store.load(seq)
            if message is None or not message[2] or not headers.value_of(message[2], headers.SCHEDULE):
                continue
            records = notes.pop(_note_of(message[1]), None)
            noted = msgspec.json.decode(records[-1], type=tuple[int, int]) if records else (0, 0)
            if noted[0] == seq:
                self._set(message[1], seq, noted[1])
            else:
                self._add(message[1], seq, message[2], message[4], now_ns)
        for name in notes:
            store.forget_consumer(name)
        self._wait()

    def stop(self) -> None:
        """Carry out nothing any more."""
        self._known.clear()
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_stored(self, seq: int, subject: bytes, header: bytes | None, time_ns: int) -> None:
        """A message was stored: it may be a schedule, or stand in the place of one."""
        if header is not None and headers.PREFIX in header:
            if self._add(subject, seq, header, time_ns, time_ns):
                self._wait()
                return
            if headers.value_of(header, headers.SCHEDULER):
                return
        if subject in self._known:
            self._forget(subject)

    def _add(self, subject: bytes, seq: int, header: bytes, after_ns: int, now_ns: int) -> bool:
        """Know a schedule; False where it is none."""
        try:
            due = due_of(headers.ours(header), after_ns, now_ns)
        except ApiError:
            return False
        if due is not None:
            self._set(subject, seq, due.wall_ns)
        return due is not None

    def _set(self, subject: bytes, seq: int, due_ns: int) -> None:
        self._known[subject] = seq, due_ns
        heappush(self._heap, (due_ns, seq, subject))
        if len(self._heap) > 2 * len(self._known) + 64:
            self._heap = [(due, number, name) for name, (number, due) in self._known.items()]
            heapify(self._heap)

    def _forget(self, subject: bytes) -> None:
        self._known.pop(subject, None)
        self._stream().store.forget_consumer(_note_of(subject))

    def _wait(self) -> None:
        if not self._heap:
            return
        home = self._stream().home
        delay_ns = max(self._heap[0][0] - home.clock.wall_ns(), LEAST_NS)
        if self._timer is not None:
            if self._timer.due_ns <= home.clock.now_ns() + delay_ns:
                return
            self._timer.cancel()
        self._timer = home.timers.schedule(delay_ns, self._on_due)

    def _on_due(self) -> None:
        self._timer = None
        stream = self._stream()
        home = stream.home
        if home.jetstream.failed and stream.config.storage == "file":
            return
        now_ns = home.clock.wall_ns()
        for _ in range(AT_ONCE):
            if not self._heap or self._heap[0][0] > now_ns:
                break
            due_ns, seq, subject = heappop(self._heap)
            if self._known.get(subject) == (seq, due_ns):
                self._carry_out(subject, seq, due_ns, now_ns)
        stream.count_bytes()
        self._wait()

    def _carry_out(self, subject: bytes, seq: int, due_ns: int, now_ns: int) -> None:
        stream = self._stream()
        message = stream.store.load(seq)
        ours = headers.ours(message[2]) if message is not None and message[2] else {}
        try:
            due = due_of(ours, due_ns, now_ns)
        except ApiError:
            due = None
        target = ours.get(headers.SCHEDULE_TARGET)
        if message is None or due is None or not target:
            self._forget(subject)
            return
        source = ours.get(headers.SCHEDULE_SOURCE)
        found = stream.store.load(stream.store.last_seq_of(source)) if source else None
        header = _copied(found[2] if found is not None else message[2])
        header = headers.with_header(header, headers.SCHEDULER, subject)
        header = headers.with_header(header, headers.SCHEDULE_NEXT, due.text.encode() if due.repeats else PURGE)
        for name, given in ((headers.TTL, headers.SCHEDULE_TTL), (headers.ROLLUP, headers.SCHEDULE_ROLLUP)):
            if ours.get(given):
                header = headers.with_header(header, name, ours[given])
        payload = found[3] if found is not None else message[3]
        try:
            with stream.publishing.whole():
                stream.publishing.store_sourced((target, None, header, payload))
                if due.repeats:
                    self._note(subject, seq, due.wall_ns)
        except (ApiError, StoreError) as error:
            stream.home.log.warn(f"{stream!r}: the schedule of {subject.decode('utf-8', 'replace')!r} fails: {error}")
            self._set(subject, seq, due.wall_ns if due.repeats else now_ns + AGAIN_NS)
            return
        if due.repeats:
            self._set(subject, seq, due.wall_ns)
        else:
            self._forget(subject)

    def _note(self, subject: bytes, seq: int, due_ns: int) -> None:
        record = msgspec.json.encode((seq, due_ns))
        self._stream().store.save_consumer(_note_of(subject), record, checkpoint=True)


def _note_of(subject: bytes) -> str:
    return NOTE + subject.decode("latin-1")


def _copied(header: bytes | None) -> bytes | None:
    """A schedule's header without what is about the schedule, and about storing it."""
    for start in NOT_COPIED:
        while header is not None and (name := headers.name_from(header, start)):
            header = headers.without(header, name)
    for name in NOT_KEPT:
        header = headers.without(header, name) if header is not None else None
    return header
