"""A checkpoint: what is live at a place of the log, made and read piece by piece. Bytes: see `records`.

1. It stands for the place the log had come to when it was begun. Configurations and consumer states are those of then.
2. What is removed while it is being made may be missing in it: the log behind its place says so too, and doing that
   again changes nothing. So it must not be used before the log is on disk up to where its last piece was made.
3. Nothing that was stored since is in it.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from natsd.store.records import (
    CONSUMER,
    CONSUMER_DELTA,
    CONSUMER_STATE,
    END,
    LIVE,
    SEGMENT,
    STREAM,
    Record,
    parse_record,
    render_limits,
    render_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.store.file import FileStore, FileStream

CHECKPOINTS = ("checkpoint", "checkpoint-copy")
MESSAGES_AT_ONCE = 1 << 15
RECORDS_AT_ONCE = 512


class Draft:
    """A checkpoint that is being made. segments: those that are still needed, and where their records end."""

    def __init__(self, store: FileStore, segments: dict[int, int]) -> None:
        self.place = store.log.position
        self.pieces: list[bytes] = []
        streams = [(stream, known(stream), stream.last_seq) for stream in store.by_number.values()]
        self._rest = self._render(sorted(segments.items()), streams, store.next_number, store.log.uuid)

    def step(self) -> bytes | None:
        """A bounded piece; None where there is no more."""
        piece = next(self._rest, None)
        if piece is not None:
            self.pieces.append(piece)
        return piece

    def _render(
        self,
        segments: list[tuple[int, int]],
        streams: list[tuple[FileStream, list[bytes], int]],
        next_number: int,
        uuid: bytes,
    ) -> Iterator[bytes]:
        small = iter([render_record(0, SEGMENT, 0, segment, end, b"", None, b"") for segment, end in segments])
        yield from joined(small)
        for stream, records, last_seq in streams:
            yield from joined(iter(records))
            first = stream.first_seq
            while first:
                ranges, first = stream.live_ranges(first, last_seq, MESSAGES_AT_ONCE)
                if ranges:
                    yield render_record(0, LIVE, stream.number, 0, 0, b"", None, ranges)
        yield render_record(0, END, next_number, self.place, 0, b"", None, uuid)


def joined(records: Iterator[bytes]) -> Iterator[bytes]:
    while piece := b"".join(islice(records, RECORDS_AT_ONCE)):
        yield piece


def known(stream: FileStream) -> list[bytes]:
    """The records of everything about a stream but which of its messages are live."""
    number, state = stream.number, stream.state
    found = [
        render_record(0, STREAM, number, 0, 0, stream.key.encode(), render_limits(stream.limits), stream.config),
        render_record(0, LIVE, number, state.last_seq, state.last_time_ns, b"", None, b""),
    ]
    for name, config in stream.consumer_configs.items():
        found.append(render_record(0, CONSUMER, number, 0, 0, name.encode(), None, config))
    for name, records in stream.records.items():
        for whole, record in records:
            kind = CONSUMER_STATE if whole else CONSUMER_DELTA
            found.append(render_record(0, kind, number, 0, 0, name.encode(), None, record))
    return found


def parse_checkpoint(data: bytes) -> tuple[list[Record], int] | None:
    """Its records and the place it stands for; None where it is not whole."""
    records: list[Record] = []
    at = 0
    while at < len(data):
        record = parse_record(data, at, 0, 0)
        if record is None:
            return None
        records.append(record)
        at += record.size
    if not records or records[-1].kind != END:
        return None
    return records, records[-1].seq
