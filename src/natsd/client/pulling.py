"""Reading from streams: pull requests that are renewed before they run dry, and ordered reading without gaps.

1. A pull asks for a batch and expires; statuses end it (404, 408, 409 of a batch) or the consumer (409 deleted).
2. Ordered reading makes its own consumer, takes nothing whose number does not follow, and makes a new one then.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from natsd.client.errors import ClientError, NoResponders
from natsd.client.jetstream import ApiError, meta_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from natsd.client.jetstream import JetStream, Meta
    from natsd.client.message import Message

    Answer = dict[str, Any]

EXPIRES_S = 30.0
ORDERED_INACTIVE_NS = 300_000_000_000
# Statuses that end one pull request and say nothing about the consumer.
_BATCH_OVER = (
    b"message size exceeds maxbytes",
    b"batch completed",
    b"exceeded maxwaiting",
    b"exceeded maxrequest",
    b"leadership change",
)


class ConsumerGone(ClientError):
    """The consumer was deleted or cannot be pulled from."""

    text = "nats: the consumer is gone"


class Puller:
    """Messages of a pull consumer, one after the other, with requests of `batch` messages."""

    def __init__(
        self,
        js: JetStream,
        stream: str,
        consumer: str,
        batch: int = 500,
        expires_s: float = EXPIRES_S,
        group: str = "",
        no_wait: bool = False,
    ) -> None:
        self._js = js
        self._subject = f"{js.prefix}.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._batch = max(1, batch)
        self._expires_s = expires_s
        self._group = group
        self._no_wait = no_wait
        self._inbox = js.connection.new_inbox()
        self._sub = js.connection.subscribe(self._inbox)
        self._left = 0
        self._reconnects = js.connection.reconnects

    def ask(self, batch: int = 0) -> None:
        """Send one pull request."""
        batch = batch or self._batch
        body: Answer = {"batch": batch}
        if self._no_wait:
            body["no_wait"] = True
        if self._expires_s and not self._no_wait:
            body["expires"] = int(self._expires_s * 1e9)
        if self._group:
            body["group"] = self._group
        self._js.connection.publish(self._subject, json.dumps(body).encode(), self._inbox)
        self._left += batch

    def next(self, timeout_s: float | None = None) -> Message | None:
        """The next message, asking for more where needed; None when the time is over or a no-wait pull is empty."""
        connection = self._js.connection
        deadline = None if timeout_s is None else connection.now() + timeout_s
        while True:
            if self._reconnects != connection.reconnects:
                # What was asked of the lost connection is forgotten by the server.
                self._reconnects, self._left = connection.reconnects, 0
            if self._left <= 0:
                self.ask()
            left = None if deadline is None else max(0.0, deadline - connection.now())
            message = self._sub.next(left)
            if message is None:
                error = connection.take_error()
                if error is not None:
                    raise error
                return None
            status = status_of(message)
            if not status:
                self._left -= 1
                return message
            if self._on_status(status, message) and self._no_wait:
                return None

    def _on_status(self, status: int, message: Message) -> bool:
        """Whether the status ends a pull request. Raises ConsumerGone."""
        if status == 100:
            return False
        text = (message.header or b"").split(b"\r\n", 1)[0].lower()
        if status in (404, 408) or any(word in text for word in _BATCH_OVER):
            self._left = 0
            return True
        if status == 503:
            raise NoResponders("nats: nobody answers pull requests for this consumer")
        raise ConsumerGone(f"nats: {text[13:].strip().decode('utf-8', 'replace') or 'the consumer is gone'}")

    def close(self) -> None:
        self._sub.unsubscribe()


class Ordered:
    """Messages of a stream in order, each once. Its consumer is made again when something is lost."""

    def __init__(
        self,
        js: JetStream,
        stream: str,
        config: Answer | None = None,
        batch: int = 500,
        on_reset: Callable[[], None] | None = None,
    ) -> None:
        """`config` is the start of the consumer's: filters, deliver policy, headers_only."""
        self._js = js
        self._stream = stream
        self._config = dict(config or {})
        self._batch = batch
        self._on_reset = on_reset
        self._next_consumer_seq = 1
        self._last_stream_seq = 0
        self._puller: Puller | None = None
        self._name = ""
        self.pending = 0
        self._open()

    def _open(self) -> None:
        config = {
            "ack_policy": "none",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "replay_policy": "instant",
            "inactive_threshold": ORDERED_INACTIVE_NS,
            "deliver_policy": "all",
            **self._config,
        }
        if self._last_stream_seq:
            config.pop("opt_start_time", None)
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": self._last_stream_seq + 1}
        answer = self._js.create_consumer(self._stream, config)
        self._name = str(answer["name"])
        self.pending = int(answer.get("num_pending") or 0)
        self._next_consumer_seq = 1
        self._puller = Puller(self._js, self._stream, self._name, self._batch)

    def next(self, timeout_s: float | None = None) -> tuple[Message, Meta] | None:
        """The next message and what it says of itself; None when the time is over."""
        while True:
            assert self._puller is not None
            try:
                message = self._puller.next(timeout_s)
            except (ConsumerGone, NoResponders):
                self._reset()
                continue
            if message is None:
                return None
            meta = meta_of(message)
            if meta is None:
                continue
            if meta.consumer_seq != self._next_consumer_seq:
                self._reset()
                continue
            self._next_consumer_seq += 1
            self._last_stream_seq = meta.stream_seq
            self.pending = meta.pending
            return message, meta

    def _reset(self) -> None:
        if self._puller is not None:
            self._puller.close()
        if self._on_reset is not None:
            self._on_reset()
        self._open()

    def close(self) -> None:
        """End the reading and remove the consumer."""
        if self._puller is not None:
            self._puller.close()
            self._puller = None
            try:
                self._js.delete_consumer(self._stream, self._name)
            except (ApiError, NoResponders):
                # The server removes it by itself after a while.
                pass
