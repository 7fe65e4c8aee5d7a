"""How far a consumer is, as files of the Go server have it (o.dat).

Layout: MAGIC and version (1 byte each), then varints: floor (consumer and stream sequence), delivered (the same), how
many are pending; where there are any, a time in seconds (with a sign) and for each its stream sequence and its consumer
sequence above the floor, and the seconds before that time; how many were delivered again, and for each its sequence
above the floor and how often. Version 1 has no consumer sequences of what is pending, and its deliveries count from
the floor.
"""

from __future__ import annotations

from natsd.jetstream.backups.backup import MOST_SEQ, BackupError, Progress, uvarint, varint

MAGIC = 22
FIRST_VERSION, VERSION = 1, 2


def parse_progress(data: bytes) -> Progress:
    """What a file says. Raises BackupError."""
    try:
        return _parse(data)
    except IndexError:
        raise BackupError("the state of a consumer is cut off") from None


def _parse(data: bytes) -> Progress:
    if data[0] != MAGIC or data[1] not in (FIRST_VERSION, VERSION):
        raise BackupError("the state of a consumer is of an unknown kind")
    first = data[1] == FIRST_VERSION
    at = 2
    figures = []
    for _ in range(4):
        value, at = uvarint(data, at)
        figures.append(value)
    floor_seq, floor_stream, seq, stream = figures
    if first:
        seq += max(floor_seq - 1, 0)
        stream += max(floor_stream - 1, 0)
    if max(floor_seq, floor_stream, seq, stream) >= MOST_SEQ:
        raise BackupError("the sequences of a consumer cannot be")
    pending: dict[int, int] = {}
    count, at = uvarint(data, at)
    if count:
        _, at = varint(data, at)
        for number in range(1, count + 1):
            above, at = uvarint(data, at)
            own = number
            if not first:
                own, at = uvarint(data, at)
            _, at = varint(data, at)
            pending[floor_stream + above] = floor_seq + own
    redelivered: dict[int, int] = {}
    # A file without anything pending may end before this.
    count, at = uvarint(data, at) if at < len(data) else (0, at)
    for _ in range(count):
        above, at = uvarint(data, at)
        more, at = uvarint(data, at)
        if above and more:
            redelivered[floor_stream + above] = more
    return Progress((seq, stream), (floor_seq, floor_stream), pending, redelivered)
