"""Space: segments nothing lives in are used again, those little lives in are emptied first, a step at a time.

1. What a segment's live messages take is counted as they come and go. Below half of it, the living are appended to the
   log again (relocated); the old copies count until the new ones are on disk and a checkpoint stands behind them.
2. Order of a round: relocated records, checkpoint, its copy, then the files. Each waits for the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.store.records import (
    CONSUMER,
    CONSUMER_DELTA,
    CONSUMER_STATE,
    END,
    ERASED,
    HEAD_BYTES,
    LIVE,
    MESSAGE,
    RECORD,
    RECORD_BYTES,
    RELOCATED,
    SEGMENT,
    STREAM,
    parse_record,
    place_of,
    render_erasure,
    render_limits,
    render_ranges,
    render_record,
    segment_of,
)
from natsd.store.recovery import CHECKPOINTS

if TYPE_CHECKING:
    from natsd.store.file import FileStore

STEP_BYTES = 1 << 20
RUNS_AT_ONCE = 1 << 20
DEAD_AT_ONCE = 4
"""So many dead segments make a checkpoint worth its while."""


class Compaction:
    """The segments of a store. segments: those that were there at opening, and their lengths."""

    def __init__(self, store: FileStore, segments: dict[int, int]) -> None:
        self._store = store
        self._segments = dict(segments)
        self._dead: list[int] = []  # emptied, or found empty; not given back yet
        self._unreadable: set[int] = set()
        self._victim = 0
        self._at = 0
        self._quiet = 0

    def step(self) -> None:
        """Do a bounded piece of what there is to do. Call it often."""
        self._take_sealed()
        if self._victim:
            self._relocate()
        elif self._quiet:
            self._quiet -= 1
        else:
            self._choose()

    def _take_sealed(self) -> None:
        log = self._store.log
        if log.sealed:
            self._segments.update(log.sealed)
            log.sealed.clear()
            self._quiet = 0

    def _choose(self) -> None:
        log = self._store.log
        self._store.give_up()
        victim, share = 0, 0.5
        synced = segment_of(log.synced)
        for segment, size in list(self._segments.items()):
            if segment >= synced:
                continue
            live = log.live_bytes(segment)
            if live <= 0:
                self._dead.append(segment)
                del self._segments[segment]
            elif live < share * size and segment not in self._unreadable:
                victim, share = segment, live / size
        if len(self._dead) >= DEAD_AT_ONCE:
            self.checkpoint()
        if victim:
            self._victim, self._at = victim, HEAD_BYTES
        else:
            self._quiet = 64

    def _relocate(self) -> None:
        store, log = self._store, self._store.log
        segment, end = self._victim, self._segments[self._victim]
        until = self._at + STEP_BYTES
        while self._at < min(end, until) and log.live_bytes(segment) > 0:
            place = place_of(segment, self._at)
            data = log.raw(place)
            record = parse_record(data, 0, place)
            if record is None:
                if len(data) >= RECORD_BYTES and self._at + RECORD.unpack_from(data)[1] == end:
                    break
                self._unreadable.add(segment)
                self._victim = 0
                return
            self._at += record.size
            stream = store.by_number.get(record.stream)
            if record.kind in (MESSAGE, RELOCATED) and stream is not None and stream.place(record.seq) == place:
                content = (record.time_ns, record.subject, record.header, record.payload, record.expires_ns)
                stream.move(record.seq, log.append(RELOCATED, record.stream, record.seq, *content))
        log.kick()
        if self._at >= end or log.live_bytes(segment) <= 0:
            self._victim = 0
            self._quiet = 0

    def erase(self, place: int) -> None:
        """Overwrite header and payload of a record whose removal is in the log, once that is on disk."""
        log = self._store.log
        record = parse_record(log.raw(place), 0, place)
        if record is None:
            return
        erasure = render_erasure(record)
        log.append(ERASED, record.stream, record.seq, record.time_ns, record.subject, None, erasure)
        log.kick()
        blank = render_record(
            segment_of(place),
            record.kind,
            record.stream,
            record.seq,
            record.time_ns,
            record.subject,
            None if record.header is None else bytes(len(record.header)),
            bytes(len(record.payload)),
            record.expires_ns,
            record.watermark,
        )
        log.overwrite(place, blank, log.position)

    def checkpoint(self) -> None:
        """Say what is live here and now, and let the dead segments go once that is on disk."""
        log = self._store.log
        self._take_sealed()
        place = log.position
        data = self.render(place)
        for name in CHECKPOINTS:
            log.keep(name, data, place)
        for segment in self._dead:
            log.recycle(segment, place)
        self._dead.clear()
        log.kick()

    def render(self, place: int) -> bytes:
        """A checkpoint; see `records`."""
        parts: list[bytes] = []

        def add(
            kind: int,
            stream: int = 0,
            seq: int = 0,
            time_ns: int = 0,
            subject: bytes = b"",
            header: bytes | None = None,
            payload: bytes = b"",
        ) -> None:
            parts.append(render_record(0, kind, stream, seq, time_ns, subject, header, payload))

        for segment in sorted(self._segments):
            if segment not in self._dead:
                add(SEGMENT, seq=segment)
        for number, stream in self._store.by_number.items():
            state = stream.state
            add(STREAM, number, 0, 0, stream.key.encode(), render_limits(stream.limits), stream.config)
            runs = stream.live_runs()
            for at in range(0, max(len(runs), 1), RUNS_AT_ONCE):
                payload = render_ranges(runs[at : at + RUNS_AT_ONCE])
                add(LIVE, number, state.last_seq, state.last_time_ns, payload=payload)
            for name, config in stream.consumer_configs.items():
                add(CONSUMER, number, subject=name.encode(), payload=config)
            for name, records in stream.records.items():
                for whole, record in records:
                    kind = CONSUMER_STATE if whole else CONSUMER_DELTA
                    add(kind, number, subject=name.encode(), payload=record)
        add(END, self._store.next_number, place)
        return b"".join(parts)
