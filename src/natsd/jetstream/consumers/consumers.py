"""All consumers of one account: their acknowledgements and flow control, and the watch over deliver subjects.

There is one subscription for all acknowledgements (`$JS.ACK.>`) and one for all flow control (`$JS.FC.>`), so a
consumer that does nothing costs nothing. Acknowledgements of one read come as one batch in their order. The sublist
tells when a subscription comes or goes; whoever delivers to its subject is looked at once what happens now is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.jetstream import headers
from natsd.jetstream.consumers.acks import Acks
from natsd.kernel import Subscription

if TYPE_CHECKING:
    from natsd.jetstream.consumers.consumer import Consumer
    from natsd.jetstream.home import Home

    Published = tuple[bytes, bytes | None, bytes | None, bytes]


class Consumers:
    """What the consumers of an account share."""

    __slots__ = ("_acks", "_changed", "_home", "_pushing", "_subs", "_waking")

    def __init__(self, home: Home) -> None:
        self._home = home
        self._acks = Acks(home)
        self._pushing: dict[bytes, dict[Consumer, None]] = {}  # by deliver subject
        self._changed: dict[bytes, None] = {}
        self._waking: dict[Consumer, None] = {}
        self._subs: list[Subscription] = []

    def open(self) -> None:
        """Take acknowledgements from now on."""
        for subject, handler in ((b"$JS.ACK.>", self._acks.take), (b"$JS.FC.>", self._take_flow)):
            sub = Subscription(subject, b"", handler=handler)
            self._home.sublist.insert(sub)
            self._subs.append(sub)

    def close(self) -> None:
        """Take nothing any more."""
        for sub in self._subs:
            self._home.sublist.remove(sub)
        self._subs.clear()
        self._home.sublist.on_changed = None

    def add(self, consumer: Consumer) -> None:
        """A consumer is there."""
        if consumer.push is not None:
            self._pushing.setdefault(consumer.push.subject, {})[consumer] = None
            self._home.sublist.on_changed = self._on_changed

    def discard(self, consumer: Consumer) -> None:
        """A consumer is gone."""
        if consumer.push is not None:
            self._leave(consumer, consumer.push.subject)
        self._waking.pop(consumer, None)

    def on_moved(self, consumer: Consumer, old: bytes) -> None:
        """A push consumer delivers to another subject than before."""
        self._leave(consumer, old)
        self.add(consumer)

    def _leave(self, consumer: Consumer, subject: bytes) -> None:
        there = self._pushing.get(subject)
        if there is None:
            return
        there.pop(consumer, None)
        if not there:
            del self._pushing[subject]
        if not self._pushing:
            self._home.sublist.on_changed = None

    def wake(self, consumer: Consumer) -> None:
        """There may be something to deliver now: it goes on as soon as what happens now is done."""
        self._waking[consumer] = None
        if len(self._waking) == 1:
            self._home.timers.schedule(0, self._wake)

    def _wake(self) -> None:
        waking, self._waking = self._waking, {}
        for consumer in waking:
            # What was stored meanwhile counts: nobody is told that there is nothing while it is on its way to the disk.
            consumer.stream.when_durable(consumer.pump)

    def _on_changed(self, subject: bytes) -> None:
        # Called amid deliveries: it is looked later.
        if subject in self._pushing:
            self._changed[subject] = None
            if len(self._changed) == 1:
                self._home.timers.schedule(0, self._look)

    def _look(self) -> None:
        changed, self._changed = self._changed, {}
        for subject in changed:
            for consumer in list(self._pushing.get(subject, ())):
                consumer.look()

    def _take_flow(self, batch: list[Published]) -> None:
        for subject, reply, header, _ in batch:
            parts = subject.split(b".", 4)
            consumer = self.find(parts[2], parts[3]) if len(parts) == 5 else None
            if consumer is None or consumer.push is None or not consumer.config.flow_control:
                self.nobody(reply)
            elif consumer.push.on_answer(subject):
                if header is not None and consumer.config.ack_policy == "flow_control":
                    seq = headers.value_of(header, b"Nats-Last-Stream") or b""
                    consumer_seq = headers.value_of(header, b"Nats-Last-Consumer") or b""
                    if seq.isdigit() and consumer_seq.isdigit():
                        consumer.ack_upto(int(consumer_seq), int(seq))
                consumer.pump()

    def find(self, stream: bytes, name: bytes) -> Consumer | None:
        """The consumer of this name."""
        return self._acks.find(stream, name)

    def nobody(self, reply: bytes | None) -> None:
        """Say that nobody is there to answer."""
        self._acks.nobody(reply)
