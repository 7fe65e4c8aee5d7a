"""One scan of a query through a stream: rows in batches that grow, each made in a short time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.sql.scan import MOST
from natsd.store.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from natsd.sql.scan import Row, Scan
    from natsd.store.contract import StreamStore

FIRST_ROWS, MOST_ROWS = 64, 1024
MOST_BYTES = 256 << 10


class Walk:
    """The messages of a scan up to a sequence."""

    __slots__ = ("_headers", "_most", "_payloads", "_reading")

    def __init__(self, stream: StreamStore, scan: Scan, upto: int) -> None:
        first, last = scan.first, min(scan.last, upto)
        if scan.is_empty:
            last = first - 1
        elif scan.since_ns > -MOST or scan.until_ns < MOST:
            first = max(first, stream.seq_at(scan.since_ns))
            if scan.until_ns < MOST:
                last = min(last, stream.seq_at(scan.until_ns + 1) - 1)
        self._reading = Reading(
            stream,
            first,
            last,
            pattern=scan.pattern.encode(),
            accepts=_beginning(scan.prefix.encode(), scan.caseless),
            descending=scan.descending,
        )
        self._headers = scan.headers
        self._payloads = scan.payloads
        self._most = min(scan.hint, MOST_ROWS) if scan.hint > 0 else FIRST_ROWS

    @property
    def more(self) -> bool:
        """Whether there may be something left."""
        return self._reading.more

    def take(self, is_over: Callable[[], bool]) -> Sequence[Row]:
        """The next rows, perhaps none although there are more. Raises StoreError."""
        most = self._most
        self._most = min(most * 4, MOST_ROWS)
        if not self._headers and not self._payloads:
            return self._reading.heads(most, is_over)
        messages = self._reading.take(most, MOST_BYTES, is_over)
        if not self._headers:
            return [(seq, time_ns, subject, None, body) for seq, subject, _, body, time_ns in messages]
        if not self._payloads:
            return [(seq, time_ns, subject, header, b"") for seq, subject, header, _, time_ns in messages]
        return [(seq, time_ns, subject, header, body) for seq, subject, header, body, time_ns in messages]


def _beginning(prefix: bytes, caseless: bool) -> Callable[[bytes], bool] | None:
    if not prefix:
        return None
    if not caseless:
        return lambda subject: subject.startswith(prefix)
    wanted, width = prefix.lower(), len(prefix)
    return lambda subject: subject[:width].lower() == wanted


class StreamReader:
    """The reader of a query in the same process as the store."""

    def __init__(self, stream: StreamStore) -> None:
        state = stream.state
        self.messages = state.msgs
        self.subjects = state.num_subjects
        self._stream = stream
        self._upto = state.last_seq

    def read(self, scan: Scan) -> Iterator[Sequence[Row]]:
        """Raises StoreError."""
        walk = Walk(self._stream, scan, self._upto)
        while walk.more:
            yield walk.take(lambda: False)
