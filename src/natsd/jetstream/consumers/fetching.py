"""A request for messages at a pull consumer: whether it can be, and its place among those that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.units import render_duration
from natsd.jetstream import headers
from natsd.jetstream.consumers.pull import PullRequest, parse_next

if TYPE_CHECKING:
    from natsd.jetstream.consumers.consumer import Consumer
    from natsd.jetstream.consumers.pull import NextRequest


def take_request(consumer: Consumer, reply: bytes, payload: bytes) -> None:
    """Serve a request now as far as it can be, and let it wait for the rest."""
    pull = consumer.pull
    if pull is None:
        header = headers.status(409, b"Consumer is push based")
        consumer.home.publish(reply, None, header, b"")
        return
    try:
        asked = parse_next(payload)
    except ValueError as error:
        pull.tell(reply, 400, b"Bad Request - " + str(error).encode())
        return
    refusal = _over_limits(consumer, asked) or consumer.pins.refusal(asked)
    if refusal is not None:
        pull.tell(reply, refusal[0], refusal[1].encode())
        return
    now = consumer.home.clock.now_ns()
    full = pull.is_full(now)
    if asked.no_wait:
        pending = consumer.delivery.num_pending + len(consumer.redelivery)
        if not pending and not asked.expires:
            pull.last_ns = now
            pull.tell(reply, 404, b"No Messages")
            return
        if pending and pull.requests:
            pull.sweep(now, ended=False, heartbeat=consumer.heartbeat())
            if pending < pull.wanted():
                pull.last_ns = now
                pull.tell(reply, 408, b"Requests Pending")
                return
    if full:
        if not asked.idle_heartbeat:
            pull.tell(reply, 409, b"Exceeded MaxWaiting")
        return
    pull.add(PullRequest(asked, reply, now), now)
    if asked.priority and pull.prioritized:
        consumer.delivery.go_on(0)  # a better one that was sent along with it comes first
    else:
        consumer.pump()


def _over_limits(consumer: Consumer, asked: NextRequest) -> tuple[int, str] | None:
    config = consumer.config
    if 0 < config.max_batch < asked.batch:
        return 409, f"Exceeded MaxRequestBatch of {config.max_batch}"
    if 0 < config.max_expires < asked.expires:
        return 409, f"Exceeded MaxRequestExpires of {render_duration(config.max_expires)}"
    if 0 < config.max_bytes < asked.max_bytes:
        return 409, f"Exceeded MaxRequestMaxBytes of {config.max_bytes}"
    return None
