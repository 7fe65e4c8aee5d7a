"""A received message and a subscription with its queue."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from natsd.client.headers import parse_headers

if TYPE_CHECKING:
    from natsd.client.connection import Connection

# Messages a subscription keeps for a reader that does not come; more are dropped and reported as a slow consumer.
QUEUE_LIMIT = 524288


class Message:
    """One message. Subject and reply are kept as bytes and decoded when asked for."""

    __slots__ = ("header", "payload", "reply_bytes", "subject_bytes", "subscription")

    def __init__(
        self, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes, subscription: Subscription
    ) -> None:
        self.subject_bytes = subject
        self.reply_bytes = reply
        self.header = header
        self.payload = payload
        self.subscription = subscription

    @property
    def subject(self) -> str:
        return self.subject_bytes.decode("utf-8", "surrogateescape")

    @property
    def reply(self) -> str:
        """The reply subject, empty when there is none."""
        return self.reply_bytes.decode("utf-8", "surrogateescape") if self.reply_bytes else ""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Key and value in the order of the wire; a status line comes first as ``Status`` and ``Description``."""
        status, description, pairs = parse_headers(self.header)
        if description:
            pairs.insert(0, ("Description", description))
        if status:
            pairs.insert(0, ("Status", str(status)))
        return pairs

    @property
    def is_no_responders(self) -> bool:
        """The server's answer to a request that nobody listens to."""
        return not self.payload and self.header is not None and parse_headers(self.header)[0] == 503


class Subscription:
    """Interest in a subject. Messages wait in `queue`, which several subscriptions may share."""

    __slots__ = ("connection", "delivered", "dropped", "group", "max", "queue", "sid", "subject")

    def __init__(
        self, connection: Connection, sid: int, subject: str, group: str | None, queue: deque[Message]
    ) -> None:
        self.connection = connection
        self.sid = sid
        self.subject = subject
        self.group = group
        self.queue = queue
        self.delivered = 0
        self.dropped = 0
        self.max = 0

    def next(self, timeout_s: float | None = None) -> Message | None:
        """The next message, None when the time is over."""
        return self.connection.next(self.queue, timeout_s)

    def unsubscribe(self, after: int = 0) -> None:
        """End the interest, at once or after so many messages counted from the start."""
        self.connection.unsubscribe(self, after)
