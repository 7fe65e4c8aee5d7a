"""Space: segments nothing lives in are used again, those little lives in are emptied first, a step at a time.

1. What a segment's live messages take is counted as they come and go. Below half of it, the living are appended to the
   log again (relocated); the old copies count until the new ones are on disk and a checkpoint stands behind them.
2. Order of a round: relocated records, a checkpoint in the log, in a file, in its copy, then the dead segments. Each
   waits for the one before. So whatever the records of a dead segment said that still holds, configurations, consumer
   states and removals, is in three places before that segment goes, two of them in files and one in a later segment.
3. A segment with bytes that should be readable and are not stays, even where nothing is known to live in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.store import relocate_run
from natsd.store.checkpoint import CHECKPOINTS, Draft
from natsd.store.contract import StoreError
from natsd.store.records import (
    CHECKPOINT,
    ERASED,
    HEAD_BYTES,
    RECORD,
    RECORD_BYTES,
    parse_record,
    place_of,
    render_erasure,
    render_record,
    seed_of,
    segment_of,
)

if TYPE_CHECKING:
    from natsd.store.file import FileStore
    from natsd.store.records import Record

STEP_BYTES = 1 << 18
QUIET = 64
"""So many steps are left out where there was nothing to do."""
DEAD_AT_ONCE = 4
"""So many dead segments make a checkpoint worth its while."""


class Compaction:
    """The segments of a store. segments: those that were there at opening, and their lengths; damaged: those with bytes
    that could not be read then."""

    def __init__(self, store: FileStore, segments: dict[int, int], damaged: set[int]) -> None:
        self._store = store
        self._segments = dict(segments)
        self._dead: list[int] = []  # emptied, or found empty; not given back yet
        self._doomed: list[int] = []  # given back when the checkpoint that is being made is on disk
        self._draft: Draft | None = None
        self._unreadable = set(damaged)
        self._victim = 0
        self._at = 0
        self._quiet = 0

    def step(self) -> None:
        """Do a bounded piece of what there is to do. Call it often."""
        self._take_sealed()
        if self._draft is not None:
            self._advance(self._draft)
        elif self._victim:
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
            if live <= 0 and segment in self._unreadable:
                continue
            if live <= 0:
                self._dead.append(segment)
                del self._segments[segment]
                continue
            size += log.saved_bytes(segment)
            if live < share * size and segment not in self._unreadable:
                victim, share = segment, live / size
        if len(self._dead) >= DEAD_AT_ONCE:
            self.checkpoint()
        if victim:
            self._victim, self._at = victim, HEAD_BYTES
        else:
            self._quiet = QUIET

    def _relocate(self) -> None:
        store, log = self._store, self._store.log
        segment, end = self._victim, self._segments[self._victim]
        stop = min(end, self._at + STEP_BYTES)
        try:
            self._at = relocate_run(log, segment, self._at, stop, store.by_number)
            data = log.raw(place_of(segment, self._at)) if self._at < stop else b""
        except StoreError:
            # The system does not let it be read now. Nothing is lost by that, but time.
            self._victim, self._quiet = 0, QUIET
            return
        if self._at < stop:
            if len(data) < RECORD_BYTES or self._at + RECORD.unpack_from(data)[1] != end:
                self._unreadable.add(segment)
                self._victim = 0
                return
            self._at = end
        log.kick()
        if self._at >= end or log.live_bytes(segment) <= 0:
            self._victim = 0
            self._quiet = 0

    def erasable(self, place: int) -> Record | None:
        """What lies at a place; None where it is damaged. StoreError where the system does not let it be read."""
        log = self._store.log
        return parse_record(log.raw(place), 0, place, log.salt)

    def erase(self, record: Record) -> None:
        """Overwrite header and payload of a record whose removal is in the log, once that is on disk."""
        log, place = self._store.log, record.place
        erasure = render_erasure(record)
        log.append(ERASED, record.stream, record.seq, record.time_ns, record.subject, None, erasure)
        log.kick()
        blank = render_record(
            seed_of(place, log.salt),
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
        """Begin to say what is live here and now; see `step`."""
        self._take_sealed()
        self._draft = Draft(self._store, self._segments)
        self._doomed, self._dead = self._dead, []

    def finish(self) -> None:
        """Make a checkpoint, all of it at once."""
        self._dead.extend(self._doomed)
        self.checkpoint()
        while self._draft is not None:
            self._advance(self._draft)

    def _advance(self, draft: Draft) -> None:
        """One piece more; with the last, both files and then the dead segments follow once all that is on disk."""
        log = self._store.log
        piece = draft.step()
        if piece is not None:
            log.append(CHECKPOINT, 0, draft.place, len(draft.pieces) - 1, b"", None, piece)
        else:
            after, data = log.position, b"".join(draft.pieces)
            for name in CHECKPOINTS:
                log.keep(name, data, after)
            for segment in self._doomed:
                log.recycle(segment, after)
            self._draft, self._doomed = None, []
        log.kick()
