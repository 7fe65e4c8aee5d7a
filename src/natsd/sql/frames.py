"""What a server and the process that runs a query for it say to each other: length (4 bytes), kind (1 byte), body.

1. From the server: START (marshal: a dict), BATCH (marshal: id, whether it was the last, rows) and LOST (JSON: a text).
   marshal, because both are the same Python and the process trusts its server.
2. From the process: OPEN (JSON: id and a scan as a list), NEXT and CLOSE (JSON: an id), COLUMNS (JSON: names), ROWS
   (lines of JSON, cut anywhere), DONE (JSON: number of rows, which limit cut them) and FAILED (JSON: kind, text). The
   server believes none of it.
3. A batch is asked for by OPEN and by each NEXT, so never more than one of a scan is on its way.
"""

from __future__ import annotations

START, BATCH, LOST = b"S", b"B", b"L"
OPEN, NEXT, CLOSE, COLUMNS, ROWS, DONE, FAILED = b"O", b"N", b"X", b"C", b"R", b"D", b"F"
HEAD_BYTES = 5
MOST_BYTES = 4 << 20
"""No frame of the process is longer."""


def render_frame(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "little") + kind + body


class Frames:
    """Cuts frames out of a stream of bytes. most_bytes: ValueError where a body is said to be longer; 0: no limit."""

    __slots__ = ("_data", "_most_bytes")

    def __init__(self, most_bytes: int = 0) -> None:
        self._data = bytearray()
        self._most_bytes = most_bytes

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The (kind, body) of all frames that are whole now."""
        self._data += data
        found = []
        at = 0
        while len(self._data) - at >= HEAD_BYTES:
            size = int.from_bytes(self._data[at : at + 4], "little")
            if 0 < self._most_bytes < size:
                raise ValueError(f"a frame of {size} bytes")
            end = at + HEAD_BYTES + size
            if len(self._data) < end:
                break
            found.append((bytes(self._data[at + 4 : at + 5]), bytes(self._data[at + HEAD_BYTES : end])))
            at = end
        del self._data[:at]
        return found
