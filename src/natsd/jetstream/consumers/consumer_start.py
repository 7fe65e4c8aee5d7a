"""Where a new consumer begins, by its deliver policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from natsd.base.steps import in_order, until_settled
from natsd.jetstream.dates import parse_moment

if TYPE_CHECKING:
    from natsd.base.steps import Steps
    from natsd.jetstream.consumers.consumer_config import ConsumerConfig
    from natsd.jetstream.streams.stream import Stream

SUBJECTS = 2048
"""How many are looked at between two yields."""


class Lasts(NamedTuple):
    """The last message of each subject, up to a sequence; ascending."""

    seqs: list[int]
    upto: int


def find_lasts(stream: Stream, config: ConsumerConfig) -> Steps[Lasts | None]:
    """What a consumer is to begin with (last_per_subject); None where it begins at one place."""
    if config.deliver_policy != "last_per_subject" or stream.config.max_msgs_per_subject == 1:
        return None
    return (yield from until_settled(lambda: _gone(stream), lambda: _find_lasts(stream, config)))


def _gone(stream: Stream) -> int:
    """How many messages are not there any more, since the beginning."""
    return stream.store.last_seq - stream.store.state.msgs


def _find_lasts(stream: Stream, config: ConsumerConfig) -> Steps[Lasts]:
    upto = stream.visible_seq
    search = stream.store.search([subject.encode() for subject in config.filters])
    parts: list[list[int]] = []
    while not search.done:
        parts.append(search.lasts(SUBJECTS, upto))
        yield
    return Lasts((yield from in_order(parts)), upto)


def first_place(stream: Stream, config: ConsumerConfig, lasts: Lasts | None) -> tuple[int, int, list[int]]:
    """The sequence that its numbers begin at, the one to go on from, and what to deliver before.

    lasts: what `find_lasts` found.
    """
    store = stream.store
    filters = [subject.encode() for subject in config.filters]
    first, last = max(store.first_seq, 1), store.last_seq
    visible = stream.visible_seq
    policy = config.deliver_policy
    if policy == "by_start_sequence":
        seq = max(config.opt_start_seq, first)
        return seq, seq, []
    if lasts is not None:
        return lasts.seqs[0] if lasts.seqs else max(last, first), lasts.upto + 1, lasts.seqs
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
