"""A synchronous connection to a NATS server: publish, subscribe, request, drain."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from natsd.client import wire
from natsd.client.errors import (
    BadSubject,
    HeadersUnsupported,
    MaxPayload,
    NoResponders,
    ProtocolBroken,
    SlowConsumer,
    Timeout,
)
from natsd.client.headers import render_headers
from natsd.client.link import STALL_S, Link
from natsd.client.message import QUEUE_LIMIT, Message, Subscription
from natsd.client.nuid import new_nuid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Pairs = Iterable[tuple[str, str]]


class Connection(Link):
    """One connection; `connect` makes it."""

    def __init__(self, *args: Any, inbox_prefix: str = "_INBOX", **options: Any) -> None:
        """Takes what `Link` takes, and the first tokens of inbox subjects."""
        super().__init__(*args, **options)
        self._inbox_prefix = inbox_prefix
        self._subscriptions: dict[int, Subscription] = {}
        self._last_sid = 0
        self._replies: deque[Message] = deque()
        self._reply_root = ""
        self._requests = 0
        # MSG events that came while a block was written.
        self._early: list[tuple[Any, ...]] = []

    # -- reading

    def next(self, queue: deque[Message], timeout_s: float | None = None) -> Message | None:
        """The next message of a queue, None when the time is over."""
        if not queue:
            deadline = None if timeout_s is None else self._monotonic() + timeout_s
            while not queue:
                if not self.wait(None if deadline is None else max(0.0, deadline - self._monotonic())):
                    return None
        return queue.popleft()

    def read_batch(self, timeout_s: float | None = None) -> list[tuple[Any, ...]]:
        """One read as the scanner's bare MSG events, without queues: the fast way for one subscription that counts."""
        if self._early:
            found, self._early = self._early, []
            return found
        data = self._read_bare(timeout_s)
        return [] if data is None else self._bare(data)

    def _bare(self, data: bytes) -> list[tuple[Any, ...]]:
        """The MSG events in what was read; all others are seen to."""
        events = self._scan(data)
        others = [event for event in events if event[0] != "MSG"]
        if not others:
            return events
        self._apply(others)
        return [event for event in events if event[0] == "MSG"]

    def tally(self, timeout_s: float | None = None) -> tuple[int, int]:
        """One read as (messages, their bytes), without making the messages."""
        data = self._read_bare(timeout_s)
        if data is None:
            return 0, 0
        try:
            messages, size, others = self._scanner.skim(data)
        except ValueError as problem:
            raise ProtocolBroken(f"nats: {problem}") from None
        if others:
            self._apply(others)
        return messages, size

    def _read_bare(self, timeout_s: float | None) -> bytes | None:
        deadline = None if timeout_s is None else self._monotonic() + timeout_s
        if not self._send(deadline) or self._transport is None:
            return None
        try:
            return self._transport.read(timeout_s)
        except (OSError, EOFError) as problem:
            self._lose(problem)
            return None

    # -- writing

    def publish(
        self, subject: str | bytes, payload: bytes = b"", reply: str | bytes = "", headers: Pairs | None = None
    ) -> None:
        """Publish; headers keep their order and may repeat a key. Sent at the next flush or wait, or in batches."""
        raw = wire.encode_subject(subject)
        header = None
        if headers:
            if not self.info.get("headers"):
                raise HeadersUnsupported()
            header = render_headers(headers)
        most = self.info.get("max_payload") or 0
        size = len(payload) + (len(header) if header else 0)
        if most and size > most:
            raise MaxPayload(f"nats: maximum payload exceeded: {size:,} bytes, the server takes {most:,}")
        raw_reply = wire.encode_word(reply, "reply subject") if reply else None
        self._queue(wire.render_publish(raw, raw_reply, header, payload))

    def write_block(self, block: bytes) -> None:
        """Send protocol bytes made beforehand, past the collecting buffer. What comes meanwhile is for `read_batch`."""
        if not self._send(None) or self._transport is None:
            return
        try:
            self._transport.write(block, self._take_early, STALL_S)
        except (OSError, EOFError) as problem:
            self._lose(problem)

    def _take_early(self, data: bytes) -> None:
        self._early += self._bare(data)

    def subscribe(self, subject: str, group: str = "", queue: deque[Message] | None = None) -> Subscription:
        """Subscribe, in a queue group if one is named; `queue` may be shared by several subscriptions."""
        raw = wire.encode_subject(subject)
        raw_group = wire.encode_word(group, "queue group") if group else None
        self._last_sid += 1
        sub = Subscription(self, self._last_sid, subject, group or None, deque() if queue is None else queue)
        self._subscriptions[sub.sid] = sub
        self._queue(wire.render_subscribe(raw, raw_group, sub.sid))
        return sub

    def unsubscribe(self, sub: Subscription, after: int = 0) -> None:
        """End a subscription, at once or after so many messages counted from its start."""
        if sub.sid not in self._subscriptions:
            return
        sub.max = after
        if not after or sub.delivered >= after:
            del self._subscriptions[sub.sid]
            after = 0
        self._queue(wire.render_unsubscribe(sub.sid, after))

    def new_inbox(self) -> str:
        """A subject nobody else uses."""
        return f"{self._inbox_prefix}.{new_nuid(self._chance)}"

    def respond(self, message: Message, payload: bytes = b"", headers: Pairs | None = None) -> None:
        """Answer a message. Raises BadSubject when it has no reply subject."""
        if not message.reply_bytes:
            raise BadSubject("nats: message does not have a reply")
        self.publish(message.reply_bytes, payload, headers=headers)

    # -- asking

    def start_request(self, subject: str, payload: bytes = b"", headers: Pairs | None = None) -> bytes:
        """Publish a request; its replies are read with `next_reply`. All requests share one inbox subscription."""
        if not self._reply_root:
            self._reply_root = self.new_inbox()
            self.subscribe(self._reply_root + ".*", queue=self._replies)
        self._requests += 1
        inbox = f"{self._reply_root}.{self._requests}".encode()
        self.publish(subject, payload, inbox, headers)
        return inbox

    def next_reply(self, inbox: bytes, timeout_s: float) -> Message:
        """The next reply to a request. Raises Timeout, NoResponders, or PermissionsViolation when we may not ask."""
        deadline = self._monotonic() + timeout_s
        while True:
            while self._replies:
                message = self._replies.popleft()
                # Late replies to earlier requests come on the same subscription.
                if message.subject_bytes == inbox:
                    if message.is_no_responders:
                        raise NoResponders()
                    return message
            if self.last_error is not None:
                error = self.take_error()
                assert error is not None
                raise error
            left = deadline - self._monotonic()
            if left <= 0 or not self.wait(left):
                if self._replies:
                    continue
                raise Timeout()

    def request(
        self, subject: str, payload: bytes = b"", headers: Pairs | None = None, timeout_s: float | None = None
    ) -> Message:
        """One request, one reply."""
        inbox = self.start_request(subject, payload, headers)
        return self.next_reply(inbox, self._timeout_s if timeout_s is None else timeout_s)

    # -- ending

    def drain(self, timeout_s: float | None = None) -> None:
        """End all subscriptions; what was on its way is in the queues afterwards, and publishing goes on."""
        if not self.is_connected:
            self._subscriptions.clear()
            return
        # Until the server's PONG messages may still be on their way, so the subscriptions stay known that long.
        for sid in list(self._subscriptions):
            self._queue(wire.render_unsubscribe(sid, 0))
        self.flush(timeout_s)
        self._subscriptions.clear()

    # -- for the link below

    def _on_message(self, event: tuple[Any, ...]) -> None:
        sub = self._subscriptions.get(event[1])
        if sub is None:
            return
        sub.delivered += 1
        if sub.max and sub.delivered >= sub.max:
            del self._subscriptions[sub.sid]
        if len(sub.queue) < QUEUE_LIMIT:
            sub.queue.append(Message(event[2], event[3], event[4], event[5], sub))
            return
        sub.dropped += 1
        if sub.dropped == 1:
            self._fail(SlowConsumer())

    def _frames_after_reconnect(self) -> list[bytes]:
        frames = []
        for sid, sub in self._subscriptions.items():
            frames.append(wire.render_subscribe(_raw(sub.subject), _raw(sub.group) if sub.group else None, sid))
            if sub.max:
                frames.append(wire.render_unsubscribe(sid, sub.max - sub.delivered))
        return frames


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
