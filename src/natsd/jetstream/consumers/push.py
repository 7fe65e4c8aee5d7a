"""Where a push consumer delivers to: whether anybody listens there, flow control, idle heartbeats, and rate limit.

Flow control as the Go server has it: a window of bytes, 2 MiB at first. When more than half of it was sent, a request
for an answer is sent behind the messages; when all of it is unanswered, nothing more is sent. Each answer doubles the
window, up to 32 MiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS
from natsd.base.whole import whole_of
from natsd.jetstream import headers

if TYPE_CHECKING:
    from natsd.jetstream.consumers.consumer import Consumer
    from natsd.kernel import Sublist

WINDOW_BYTES = 32 << 20
FIRST_WINDOW_BYTES = WINDOW_BYTES // 16
STALL_BYTES = 1 << 20
"""Waiting at one receiver's socket: beyond it nothing more is read for him until it is gone."""

_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_congested(sublist: Sublist, subject: bytes) -> bool:
    """Whether the socket of somebody who listens to a subject does not take what was sent already."""
    plain, groups = sublist.match(subject)
    for sub in plain + [members[0] for members in groups] if groups else plain:
        outbound = sub.outbound
        if outbound is not None and outbound.pending > STALL_BYTES:
            return True
    return False


class PushTarget:
    """The deliver subject of one consumer.

    active: whether somebody listens, as far as known. unanswered: bytes sent since the last answer. flow_subject: where
    the answer that is waited for comes to, empty for none.
    """

    __slots__ = (
        "_asked_bytes",
        "_consumer",
        "active",
        "flow_subject",
        "group",
        "sent_ns",
        "subject",
        "unanswered",
        "window",
    )

    def __init__(self, consumer: Consumer) -> None:
        config = consumer.config
        self._consumer = whole_of(consumer)
        self.subject = config.deliver_subject.encode()
        self.group = config.deliver_group.encode()
        self.active = False
        self.window = FIRST_WINDOW_BYTES if config.flow_control else 0
        self.unanswered = 0
        self._asked_bytes = 0
        self.flow_subject = b""
        self.sent_ns = consumer.home.clock.now_ns()

    def has_interest(self) -> bool:
        """Whether the subject itself has a subscriber: one without a queue group, or a member of the deliver group."""
        plain, groups = self._consumer().home.sublist.match(self.subject)
        if self.group:
            return any(members[0].queue == self.group and members[0].subject == self.subject for members in groups)
        return any(sub.subject == self.subject for sub in plain)

    @property
    def ready(self) -> bool:
        """Whether a message may be sent now."""
        return self.active and (not self.window or self.unanswered <= self.window)

    @property
    def room(self) -> int:
        """Bytes that may be sent before flow control has something to do; 0 for no bound."""
        if not self.window:
            return 0
        most = self.window if self.flow_subject else self.window // 2
        return max(most - self.unanswered, 1)

    @property
    def is_congested(self) -> bool:
        """Whether a receiver's socket does not take what was sent already."""
        return is_congested(self._consumer().home.sublist, self.subject)

    def sent(self, size: int, now_ns: int) -> None:
        """So many bytes were sent; asks for an answer where it is time to."""
        self.sent_ns = now_ns
        if not self.window:
            return
        self.unanswered += size
        if self.flow_subject:
            if self.unanswered - self._asked_bytes >= self.window:
                self._asked_bytes += size
            return
        consumer = self._consumer()
        config, pending = consumer.config, len(consumer.state.pending)
        full = config.ack_policy == "flow_control" and 0 < config.max_ack_pending <= pending
        if self.unanswered > self.window // 2 or full:
            self.ask()

    def ask(self) -> None:
        """Send a flow control request."""
        consumer = self._consumer()
        token = bytes(_DIGITS[byte % 62] for byte in consumer.home.chance.take(4))
        self.flow_subject = b"$JS.FC.%b.%b.%b" % (consumer.stream.name.encode(), consumer.name.encode(), token)
        self._asked_bytes = self.unanswered
        header = headers.status(100, b"FlowControl Request")
        consumer.home.publish(self.subject, self.flow_subject, header, b"")

    def on_answer(self, subject: bytes) -> bool:
        """Somebody answered a flow control request; False where it is not the one that is waited for."""
        if subject != self.flow_subject:
            return False
        self.window = min(self.window * 2, WINDOW_BYTES)
        self.unanswered = max(self.unanswered - self._asked_bytes, 0)
        self._asked_bytes = 0
        self.flow_subject = b""
        return True

    def beat(self, header: bytes, now_ns: int) -> None:
        """Send an idle heartbeat."""
        self.sent_ns = now_ns
        if self.flow_subject:
            header = headers.with_header(header, b"Nats-Consumer-Stalled", self.flow_subject)
        self._consumer().home.publish(self.subject, None, header, b"")


class RateLimit:
    """A bucket of bytes that fills steadily. bits_per_s: as the configuration says it; burst: its size in bytes."""

    __slots__ = ("_burst", "_bytes_per_s", "_filled", "_filled_ns")

    def __init__(self, bits_per_s: int, burst: int, now_ns: int) -> None:
        self._bytes_per_s = max(bits_per_s // 8, 1)
        self._burst = max(burst, 1)
        self._filled = float(self._burst)
        self._filled_ns = now_ns

    def take(self, size: int, now_ns: int) -> int:
        """Take so many bytes out; where there are not enough, returns how long to wait for them (ns)."""
        size = min(size, self._burst)
        filled = self._filled + (now_ns - self._filled_ns) * self._bytes_per_s / SECOND_NS
        self._filled = min(filled, float(self._burst))
        self._filled_ns = now_ns
        if self._filled >= size:
            self._filled -= size
            return 0
        return int((size - self._filled) * SECOND_NS / self._bytes_per_s) + 1
