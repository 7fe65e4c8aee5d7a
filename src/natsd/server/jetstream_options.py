"""What a server is told about JetStream: `jetstream: true`, or a block with the keys of a configuration file."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

from natsd.base.clock import to_ns
from natsd.base.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY = "jetstream"
"""What is appended to store_dir, as the Go server does."""
MEMORY_PARTS = (3, 4)
"""How much of the machine's memory streams may fill unless told otherwise."""

BATCH_LIMITS = {
    "max_inflight_per_stream": "batch_per_stream",
    "max_inflight_total": "batch_total",
    "max_msgs": "batch_msgs",
}
"""Keys of the `batch` block of limits, and what they are called in ServerLimits."""
UNSUPPORTED = ("key", "prev_key", "cipher", "tpm", "unique_tag", "extension_hint")


class JetStreamOptions:
    """The settled values. sync_interval_s: 0 means that nothing is acknowledged before it is on disk.

    asked_memory, asked_file, asked_dir: as they were given, -1 and empty where they were not.
    batch: limits of atomic batches, under the names of ServerLimits; only those that were given.
    """

    __slots__ = (
        "asked_dir",
        "asked_file",
        "asked_memory",
        "batch",
        "domain",
        "duplicate_window_ns",
        "max_ack_pending",
        "max_file",
        "max_memory",
        "max_request_batch",
        "store_dir",
        "strict",
        "sync_interval_s",
    )

    def __init__(self, block: Mapping[str, Any], store_dir: str = "") -> None:
        for name in UNSUPPORTED:
            if block.get(name):
                raise OptionsError(f"jetstream: {name} is not supported yet")
        self.asked_dir = str(block.get("store_dir") or store_dir)
        self.asked_memory = _bytes(block, "max_memory_store") or -1
        self.asked_file = _bytes(block, "max_file_store") or -1
        root = self.asked_dir or os.path.join(tempfile.gettempdir(), "nats")
        self.store_dir = os.path.join(root, DIRECTORY)
        self.max_memory = _bytes(block, "max_memory_store") or _machine_memory()
        self.max_file = _bytes(block, "max_file_store")
        self.domain = str(block.get("domain") or "")
        self.strict = bool(block.get("strict", True))
        interval = block.get("sync_interval_s", block.get("sync_interval", 0))
        self.sync_interval_s = 0.0 if interval == "always" else float(interval)
        limits = block.get("limits") or {}
        self.max_ack_pending = int(limits.get("max_ack_pending") or 0)
        self.max_request_batch = int(limits.get("max_request_batch") or 0)
        window_s = limits.get("duplicate_window_s", limits.get("duplicate_window", 0))
        self.duplicate_window_ns = to_ns(float(window_s))
        batch = limits.get("batch") or {}
        timeout_s = batch.get("timeout_s", batch.get("timeout", 0))
        given = {name: int(batch.get(key) or 0) for key, name in BATCH_LIMITS.items()}
        given["batch_timeout_ns"] = to_ns(float(timeout_s))
        self.batch = {name: value for name, value in given.items() if value > 0}
        if any(char in self.domain for char in " \t\r\n.*>"):
            raise OptionsError(f"jetstream: the domain {self.domain!r} has a character that it cannot have")

    @property
    def promise(self) -> str:
        """When a message is acknowledged, in words."""
        if not self.sync_interval_s:
            return "an acknowledged message is on disk"
        return (
            f"an acknowledged message is with the system, on disk within {self.sync_interval_s:g} s: "
            "it outlives the process, not the machine"
        )


def as_jetstream(value: object, store_dir: str = "") -> JetStreamOptions | None:
    """What `Options.jetstream` asks for; None for no JetStream. Raises OptionsError."""
    if not value:
        return None
    block = value if isinstance(value, dict) else {}
    return JetStreamOptions(block, store_dir) if block.get("enabled", True) else None


def _bytes(block: Mapping[str, Any], name: str) -> int:
    """A size; a negative one is as good as none."""
    return max(int(block.get(name) or 0), 0)


def _machine_memory() -> int:
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
    return whole * MEMORY_PARTS[0] // MEMORY_PARTS[1]
