"""What an account may keep in JetStream, and what the server has for all of them. -1: no limit."""

from __future__ import annotations

from typing import Any

import msgspec

from natsd.base.units import SECOND_NS

DEFAULT_DUPLICATE_WINDOW_NS = 120_000_000_000


class AccountLimits(msgspec.Struct):
    """Limits of one account; bytes, counts. 0 for streams' bytes: no limit."""

    max_memory: int = -1
    max_storage: int = -1
    max_streams: int = -1
    max_consumers: int = -1
    max_ack_pending: int = -1
    memory_max_stream_bytes: int = -1
    storage_max_stream_bytes: int = -1
    max_bytes_required: bool = False

    def as_dict(self) -> dict[str, Any]:
        shown: dict[str, Any] = msgspec.to_builtins(self)
        return shown


class ServerLimits(msgspec.Struct):
    """Limits of the `jetstream` block. 0: no limit, but for the bytes.

    batch: of atomic batches; how many are unfinished at once in a stream and in all, how many messages one has, how
    long it waits for the next.
    """

    max_memory: int = 0
    max_file: int = 0
    max_ack_pending: int = 0
    max_request_batch: int = 0
    duplicate_window_ns: int = 0
    batch_per_stream: int = 50
    batch_total: int = 1000
    batch_msgs: int = 1000
    batch_timeout_ns: int = 10 * SECOND_NS
