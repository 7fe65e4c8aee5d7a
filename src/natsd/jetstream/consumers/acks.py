"""Acknowledgements as clients send them.

Their subject is `$JS.ACK.<stream>.<consumer>.<deliveries>.<seq>.<consumer seq>.<time>.<pending>`. Plain ones are
gathered while they go to one consumer and are done at once; anything else ends the gathering, so that the order stays.
An acknowledgement with a reply subject is answered when its record is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from natsd.base.units import LONGEST_NS, parse_duration
from natsd.jetstream import headers
from natsd.jetstream.consumers.consumer import Consumer
from natsd.jetstream.consumers.fetching import take_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.jetstream.home import Home

    Published = tuple[bytes, bytes | None, bytes | None, bytes]

PLAIN = frozenset((b"", b"+ACK", b"+OK"))
NO_RESPONDERS = headers.LINE[:-2] + b" 503\r\n\r\n"


class Delay(msgspec.Struct):
    """The object a -NAK may carry."""

    delay: int = 0


class Acks:
    """Takes the acknowledgements of an account."""

    __slots__ = ("_home",)

    def __init__(self, home: Home) -> None:
        self._home = home

    def find(self, stream: bytes, name: bytes) -> Consumer | None:
        """The consumer of this name."""
        try:
            found = self._home.streams.get(stream.decode())
            consumer = None if found is None else found.consumers.get(name.decode())
        except UnicodeDecodeError:
            return None
        return consumer if isinstance(consumer, Consumer) else None

    def nobody(self, reply: bytes | None) -> None:
        """Say that nobody is there to answer."""
        if reply:
            self._home.publish(reply, None, NO_RESPONDERS, b"")

    def take(self, batch: list[Published]) -> None:
        """Do what the acknowledgements of one read say."""
        stream = name = b""
        consumer: Consumer | None = None
        plainly = False  # whether plain acknowledgements of this consumer are gathered
        last = 0  # what it has delivered
        seqs: list[int] = []
        replies: list[bytes] = []
        plain_acks = self._home.sublist.plain_acks
        at, size = 0, len(batch)
        while at < size:
            if plainly and consumer is not None:
                at = plain_acks(batch, at, consumer.ack_prefix, last, seqs, replies)
                if at >= size:
                    break
            subject, reply, _, payload = batch[at]
            at += 1
            parts = subject.split(b".", 6)
            if len(parts) < 7:
                self.nobody(reply)
                continue
            if parts[3] != name or parts[2] != stream:
                if consumer is not None:
                    self._done(consumer, seqs, replies)
                    seqs, replies = [], []
                parts, consumer = self._find(parts)
                stream, name = parts[2], parts[3]
                plainly = consumer is not None and consumer.acks_plainly
                last = 0 if consumer is None else consumer.state.delivered_stream
            if consumer is None:
                stream = name = b""
                self.nobody(reply)
                continue
            try:
                seq = int(parts[5])
            except ValueError:
                continue
            if plainly and payload in PLAIN:
                if 0 < seq <= last:
                    seqs.append(seq)
                    if reply:
                        replies.append(reply)
                continue
            self._done(consumer, seqs, replies)
            seqs, replies = [], []
            try:
                deliveries, consumer_seq = int(parts[4]), int(parts[6].partition(b".")[0])
            except ValueError:
                continue
            self._take_one(consumer, seq, consumer_seq, deliveries, reply, payload)
            last = consumer.state.delivered_stream
        if consumer is not None:
            self._done(consumer, seqs, replies)

    def _find(self, parts: list[bytes]) -> tuple[list[bytes], Consumer | None]:
        """The consumer an acknowledgement is for, None where it takes none; the parts in their places."""
        if parts[6].count(b".") > 2:
            # The longer form has the domain and a hash of the account in front.
            parts = parts[:2] + parts[4:6] + parts[6].split(b".", 4)
            parts = [*parts[:6], b".".join(parts[6:])]
        consumer = self.find(parts[2], parts[3])
        if consumer is not None and (consumer.closed or consumer.config.ack_policy in ("none", "flow_control")):
            consumer = None
        return parts, consumer

    def _done(self, consumer: Consumer, seqs: list[int], replies: list[bytes]) -> None:
        if not seqs:
            return
        consumer.ack(seqs)
        if replies:
            publish = self._home.publish

            def answer() -> None:
                for reply in replies:
                    publish(reply, None, None, b"")

            self._when_safe(consumer, answer)

    def _when_safe(self, consumer: Consumer, answer: Callable[[], None]) -> None:
        if consumer.persistent or consumer.stream.config.retention != "limits":
            consumer.stream.when_durable(answer)
        else:
            answer()

    def _take_one(
        self, consumer: Consumer, seq: int, consumer_seq: int, deliveries: int, reply: bytes | None, payload: bytes
    ) -> None:
        known = 0 < seq <= consumer.state.delivered_stream
        if payload in PLAIN:
            if not known:
                return
            consumer.ack_one(seq, consumer_seq, deliveries)
        elif payload.startswith(b"+NXT"):
            # The request has its place before the room that it makes is used.
            with consumer.delivery.held():
                if known:
                    consumer.ack_one(seq, consumer_seq, deliveries)
                if reply:
                    take_request(consumer, reply, payload[4:])
            consumer.pump()
            return
        elif payload.startswith(b"-NAK"):
            consumer.refuse(seq, consumer_seq, deliveries, self._delay(payload[4:].strip()))
        elif payload == b"+WPI":
            consumer.progress(seq)
        elif payload.startswith(b"+TERM"):
            if not known:
                return
            consumer.terminate(seq, consumer_seq, deliveries, payload[5:].strip().decode("utf-8", "replace"))
        if reply and seq:
            publish = self._home.publish

            def answer() -> None:
                publish(reply, None, None, b"")

            self._when_safe(consumer, answer)

    def _delay(self, text: bytes) -> int | None:
        """What a -NAK says of when, in nanoseconds; None where it says nothing that can be read."""
        if not text:
            return None
        try:
            if text[:1] == b"{":
                delay = msgspec.json.decode(text, type=Delay).delay
                if abs(delay) > LONGEST_NS:
                    raise ValueError("it is too long")
                return delay
            return parse_duration(text.decode())
        except (ValueError, msgspec.DecodeError):
            # No line for everybody to see: a client could write as many as it likes.
            self._home.log.debug(f"JetStream: bad delay of a -NAK: {text[:64]!r}")
            return None
