"""What is told of a consumer: its configuration and its numbers at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.jetstream.dates import render_date

if TYPE_CHECKING:
    from natsd.jetstream.consumers.consumer import Consumer


def info(consumer: Consumer, *, dynamic: bool = True) -> dict[str, Any]:
    """The page of CONSUMER.INFO. dynamic: with the versions of this server in the metadata."""
    state, config, home = consumer.state, consumer.config, consumer.home
    shown = config.as_dict()
    if dynamic:
        shown["metadata"] = config.metadata | home.jetstream.dynamic_metadata
    page: dict[str, Any] = {
        "stream_name": consumer.stream.name,
        "name": consumer.name,
        "created": render_date(consumer.created_ns),
        "config": shown,
        "delivered": _place(state.delivered_seq, state.delivered_stream, consumer.delivered_ns),
        "ack_floor": _place(state.floor_seq, state.floor_stream, consumer.acked_ns),
        "num_ack_pending": len(state.pending),
        "num_redelivered": 0 if config.max_deliver == 1 else len(state.redelivered),
        "num_waiting": _waiting(consumer),
        "num_pending": consumer.delivery.num_pending,
    }
    if consumer.push is not None and consumer.push.has_interest():
        page["push_bound"] = True
    now = home.clock.wall_ns()
    rest = config.pause_until_ns - now
    if rest > 0:
        page["paused"] = True
        page["pause_remaining"] = rest
    page["ts"] = render_date(now)
    if config.priority_groups:
        group: dict[str, Any] = {"group": config.priority_groups[0]}
        if consumer.pins.pin:
            group["pinned_client_id"] = consumer.pins.pin
        group["pinned_ts"] = render_date(consumer.pins.pinned_ns)
        page["priority_groups"] = [group]
    return page


def _waiting(consumer: Consumer) -> int:
    pull = consumer.pull
    if pull is None:
        return 0
    pull.sweep(consumer.home.clock.now_ns(), ended=False, heartbeat=consumer.heartbeat())
    return len(pull)


def _place(consumer_seq: int, stream_seq: int, last_ns: int) -> dict[str, Any]:
    place: dict[str, Any] = {"consumer_seq": consumer_seq, "stream_seq": stream_seq}
    if last_ns:
        place["last_active"] = render_date(last_ns)
    return place
