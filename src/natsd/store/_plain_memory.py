"""Plain form of an index whose messages are kept in memory: where they lie is the pair of header and payload itself."""

from __future__ import annotations

from typing import Any

from natsd.store._plain_index import Index

OVERHEAD = 16  # a message in memory counts for its bytes and these


class MemoryIndex(Index):
    """The messages of one stream, with their bytes."""

    def __init__(self, first_seq: int = 1) -> None:
        super().__init__(OVERHEAD, 0, first_seq)

    def _place(self, seq: int, subject: bytes, header: bytes | None, payload: bytes, time_ns: int) -> Any:
        return header, payload

    def _fetch(self, seq: int, position: Any, length: int) -> tuple[bytes | None, bytes]:
        header, payload = position
        return header, payload
