"""What a reload may change of JetStream: limits grow, the rest stays, and it can be switched on and off.

A limit that was not given was found out from the machine, so it cannot be set or left out while JetStream runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import to_ns
from natsd.base.errors import OptionsError
from natsd.base.units import friendly_bytes, render_duration
from natsd.server.reload_change import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.server.jetstream_options import JetStreamOptions

REFUSED = "config reload not supported for "
LIMITS = ("max_ack_pending", "max_request_batch", "duplicate_window_ns", "batch")


def compare_jetstream(old: JetStreamOptions | None, new: JetStreamOptions | None) -> Iterator[Change]:
    """What changes, under the names jetstream, jetstream_size and jetstream_limits. Raises OptionsError."""
    if old is None or new is None:
        if old is not new:
            yield Change("jetstream", "Reloaded: JetStream")
        return
    _refuse(old, new)
    for asked, key in (("asked_memory", "max_mem_store"), ("asked_file", "max_file_store")):
        if getattr(old, asked) != getattr(new, asked):
            line = f"Reloaded: JetStream {key} = {friendly_bytes(getattr(new, asked))}"
            yield Change("jetstream_size", line)
    if any(getattr(old, name) != getattr(new, name) for name in LIMITS):
        yield Change("jetstream_limits", "Reloaded: JetStream limits")


def _refuse(old: JetStreamOptions, new: JetStreamOptions) -> None:
    if old.strict != new.strict:
        raise OptionsError(f"{REFUSED}NoJetStreamStrict: old={_word(not old.strict)}, new={_word(not new.strict)}")
    sizes = [(old.asked_memory, new.asked_memory), (old.asked_file, new.asked_file)]
    for was, becomes in sizes:
        if was < 0 < becomes:
            raise OptionsError(f"{REFUSED}jetstream dynamic max memory and store")
        if 0 < becomes < was:
            raise OptionsError(f"{REFUSED}decreasing jetstream max memory and store")
    if old.domain != new.domain:
        raise OptionsError(f"{REFUSED}JetStreamDomain: old={old.domain}, new={new.domain}")
    moved = old.store_dir != new.store_dir
    if moved and new.asked_dir:
        raise OptionsError(f"{REFUSED}jetstream storage directory")
    if old.sync_interval_s != new.sync_interval_s:
        intervals = f"old={_interval(old.sync_interval_s)}, new={_interval(new.sync_interval_s)}"
        raise OptionsError(f"{REFUSED}SyncInterval: {intervals}")
    if any(becomes < 0 < was for was, becomes in sizes):
        raise OptionsError(f"{REFUSED}jetstream max memory and max store")
    if moved:
        raise OptionsError(f"{REFUSED}jetstream storage dir")


def _word(value: bool) -> str:
    return "true" if value else "false"


def _interval(seconds: float) -> str:
    return render_duration(to_ns(seconds)) if seconds else "always"
