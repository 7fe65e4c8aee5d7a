"""What consumers tell of themselves: advisories and metrics, by the names the Go server gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.base.whole import whole_of
from natsd.jetstream.dates import render_date

if TYPE_CHECKING:
    from natsd.jetstream.consumers.consumer import Consumer

LIMITS_REASON = "Unacknowledged message was deleted"


class ConsumerEvents:
    """The voice of one consumer."""

    __slots__ = ("_consumer",)

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = whole_of(consumer)

    def _send(self, verb: str, kind: str, event: dict[str, Any]) -> None:
        consumer = self._consumer()
        names = {"stream": consumer.stream.name, "consumer": consumer.name}
        consumer.home.advise(f"CONSUMER.{verb}.{consumer.stream.name}.{consumer.name}", kind, names | event)

    def created(self) -> None:
        self._send("CREATED", "consumer_action", {"action": "create"})

    def deleted(self) -> None:
        self._send("DELETED", "consumer_action", {"action": "delete"})

    def paused(self) -> None:
        """A pause began, changed or ended."""
        consumer = self._consumer()
        until = consumer.config.pause_until_ns
        event = {"paused": until > consumer.home.clock.wall_ns(), "pause_until": render_date(until)}
        self._send("PAUSE", "consumer_pause", event)

    def gave_up(self, seq: int, deliveries: int) -> None:
        """A message was delivered as often as may be."""
        self._send("MAX_DELIVERIES", "max_deliver", {"stream_seq": seq, "deliveries": deliveries})

    def refused(self, seq: int, consumer_seq: int, deliveries: int) -> None:
        """A client sent -NAK."""
        event = {"consumer_seq": consumer_seq, "stream_seq": seq, "deliveries": deliveries}
        self._send("MSG_NAKED", "nak", event)

    def terminated(self, seq: int, consumer_seq: int, deliveries: int, reason: str) -> None:
        """A client sent +TERM, or the message was removed before it was acknowledged."""
        event: dict[str, Any] = {"consumer_seq": consumer_seq, "stream_seq": seq, "deliveries": deliveries}
        if reason:
            event["reason"] = reason
        self._send("MSG_TERMINATED", "terminated", event)

    def acked(self, seq: int, consumer_seq: int, deliveries: int, took_ns: int) -> None:
        """A sampled acknowledgement."""
        consumer = self._consumer()
        event = {
            "stream": consumer.stream.name,
            "consumer": consumer.name,
            "consumer_seq": consumer_seq,
            "stream_seq": seq,
            "ack_time": took_ns,
            "deliveries": deliveries,
        }
        consumer.home.advisories.measure(f"CONSUMER.ACK.{consumer.stream.name}.{consumer.name}", "consumer_ack", event)

    def pinned(self, group: str, pin: str) -> None:
        event = {"account": self._consumer().home.name, "group": group, "pinned_id": pin}
        self._send("PINNED", "consumer_group_pinned", event)

    def unpinned(self, group: str, reason: str) -> None:
        event = {"account": self._consumer().home.name, "group": group, "reason": reason}
        self._send("UNPINNED", "consumer_group_unpinned", event)
