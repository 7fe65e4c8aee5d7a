"""Plain form of looking through a segment without taking what is in it: passing messages, finding records anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.store.records import CANDIDATE, CHECKPOINT, ERASED, MESSAGE, parse_record, place_of

if TYPE_CHECKING:
    from mmap import mmap


def skip_run(data: bytes | mmap, at: int, stop: int, segment: int, salt: int, stream: int) -> int:
    """Pass the messages of a stream that follow each other from data[at] on. Returns where something else is, or what
    does not validate."""
    while at < stop:
        record = parse_record(data, at, place_of(segment, at), salt)
        if record is None or record.kind != MESSAGE or record.stream != stream:
            break
        at += record.size
    return at


def survey(data: bytes | mmap, at: int, segment: int, salt: int) -> tuple[int, list[int], int]:
    """The highest watermark of the records from data[at] on, whatever lies between them, where ERASED and CHECKPOINT
    ones are, and where the first bytes are that do not validate."""
    highest = 0
    gap = -1
    marked = []
    while at >= 0:
        record = parse_record(data, at, place_of(segment, at), salt)
        if record is None:
            gap = at if gap < 0 else gap
            found = CANDIDATE.search(data, at + 1)
            at = -1 if found is None else found.start()
            continue
        highest = max(highest, record.watermark)
        if record.kind in (ERASED, CHECKPOINT):
            marked.append(at)
        at += record.size
    return highest, marked, gap


def next_record(data: bytes | mmap, at: int, stop: int, segment: int, salt: int) -> int:
    """Where the next record that validates begins, before `stop`; -1 for none."""
    for candidate in CANDIDATE.finditer(data, at, stop):
        if parse_record(data, candidate.start(), place_of(segment, candidate.start()), salt) is not None:
            return candidate.start()
    return -1
