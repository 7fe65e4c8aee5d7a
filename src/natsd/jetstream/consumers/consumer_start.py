"""Where a new consumer begins, by its deliver policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.jetstream.dates import parse_moment

if TYPE_CHECKING:
    from natsd.jetstream.consumers.consumer_config import ConsumerConfig
    from natsd.jetstream.streams.stream import Stream


def first_place(stream: Stream, config: ConsumerConfig) -> tuple[int, int, list[int]]:
    """The sequence that its numbers begin at, the one to go on from, and what to deliver before (last_per_subject)."""
    store = stream.store
    filters = [subject.encode() for subject in config.filters]
    first, last = max(store.first_seq, 1), store.last_seq
    visible = stream.visible_seq
    policy = config.deliver_policy
    if policy == "by_start_sequence":
        seq = max(config.opt_start_seq, first)
        return seq, seq, []
    if policy == "last_per_subject" and stream.config.max_msgs_per_subject != 1:
        skip = store.last_of_each(filters, visible)
        return skip[0] if skip else max(last, first), visible + 1, skip
    if policy == "last":
        found = store.last_match(filters, visible)
        seq = found[0] if found is not None else first
    elif policy == "new":
        seq = visible + 1
    elif policy == "by_start_time":
        seq = store.seq_at(parse_moment(config.opt_start_time or ""))
        if filters:
            found = store.next_match(seq, filters)
            seq = found[0] if found is not None and found[0] < last else seq
    else:
        seq = first
    seq = max(min(seq, last + 1), first)
    return seq, seq, []
