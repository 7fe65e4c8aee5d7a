"""How a consumer's messages get out: what is next, to whom, and when to go on.

Order, which nothing may change:
1. What has to be delivered again goes before what was never delivered.
2. Of the rest, the last messages of subjects (last_per_subject) go before what came after the consumer was made.
3. A batch goes out in one call where nothing has to be decided per message; otherwise one message at a time.
After a turn of so many messages the loop gets a chance to do other things.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from natsd.base.clock import MS_NS
from natsd.base.whole import whole_of
from natsd.jetstream import headers
from natsd.jetstream.consumers.push import RateLimit, is_congested
from natsd.jetstream.consumers.skips import Skips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.base.clock import Timer
    from natsd.jetstream.consumers.consumer import Consumer
    from natsd.jetstream.consumers.pull import PullRequest
    from natsd.store.contract import Message

TURN_MSGS = 4096
TURN_BYTES = 1 << 20


class Delivery:
    """The turn of one consumer.

    full: what there is waits for acknowledgements or for somebody's socket. skips: what comes first.
    """

    __slots__ = (
        "_again",
        "_consumer",
        "_last_sent_ns",
        "_last_time_ns",
        "_rate",
        "_replay_upto",
        "_running",
        "full",
        "skips",
        "whole",
    )

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = whole_of(consumer)
        self._again: Timer | None = None
        self._running = False
        self.skips = Skips()
        self._rate: RateLimit | None = None
        self._replay_upto = 0
        self._last_time_ns = 0
        self._last_sent_ns = 0
        self.full = False
        self.whole = True  # whether batches may go out in one call
        self.configure()
        if consumer.config.replay_policy == "original":
            self._replay_upto = consumer.stream.store.last_seq

    def configure(self) -> None:
        """The configuration has changed."""
        consumer = self._consumer()
        config = consumer.config
        self._rate = None
        if config.rate_limit_bps:
            most = consumer.stream.config.max_msg_size
            burst = most if most > 0 else consumer.home.sublist.road.max_payload
            self._rate = RateLimit(config.rate_limit_bps, burst, consumer.home.clock.now_ns())
        self.whole = (
            not config.headers_only
            and self._rate is None
            and config.replay_policy == "instant"
            and config.priority_policy == "none"
        )

    @property
    def num_pending(self) -> int:
        """How many messages were never delivered."""
        return self.skips.pending + self._consumer().cursor.pending

    def _take(self, most: int, max_bytes: int) -> list[Message]:
        consumer = self._consumer()
        if self.skips:
            messages = self.skips.take(consumer.stream.store, most)
            if messages:
                return messages
        return consumer.cursor.take(most, max_bytes, consumer.stream.visible_seq)

    def _untake(self, message: Message) -> None:
        """This message, and those taken behind it, were not delivered after all."""
        if self.skips:
            self.skips.untake(self._consumer().stream.store, message[0])
        else:
            self._consumer().cursor.seek(message[0])

    # Turns.

    def run(self) -> None:
        """Deliver what can be delivered now. Safe to call at any time."""
        consumer = self._consumer()
        if self._running or consumer.closed or not consumer.begun:
            return
        self._running = True
        try:
            more = self._turn()
        finally:
            self._running = False
        if more:
            self.go_on(0)
        elif consumer.pull is not None and consumer.pull.requests:
            consumer.sweep(ended=not self.full)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Deliver nothing meanwhile."""
        held, self._running = self._running, True
        try:
            yield
        finally:
            self._running = held

    def go_on(self, delay_ns: int) -> None:
        """Deliver what can be delivered then."""
        if self._again is None or not self._again.active:
            self._again = self._consumer().home.timers.schedule(delay_ns, self._consumer().pump)

    def close(self) -> None:
        """Stop the timer."""
        if self._again is not None:
            self._again.cancel()

    def _turn(self) -> bool:
        """Returns whether there is more that only waits for its turn."""
        consumer = self._consumer()
        push, pull, state = consumer.push, consumer.pull, consumer.state
        redelivery = consumer.redelivery
        left = TURN_MSGS
        self.full = False
        while not consumer.pause.on:
            if push is not None:
                if not push.ready:
                    return False
                if left < TURN_MSGS and push.is_congested:
                    self.go_on(MS_NS)
                    return False
            elif pull is None or not pull.requests:
                return False
            elif is_congested(consumer.home.sublist, pull.requests[0].reply):
                self.full = True
                self.go_on(MS_NS)
                return False
            if left <= 0:
                return True
            if redelivery:
                again = self._redeliver()
                if again:
                    left -= 1
                    continue
                if redelivery:
                    return False
            most = consumer.config.max_ack_pending
            room = most - len(state.pending) if most > 0 and state.tracks else left
            if room <= 0:
                self.full = True
                return False
            taken = self._deliver(min(left, room))
            if not taken:
                return False
            left -= taken
        return False

    def _deliver(self, most: int) -> int:
        """Deliver what was never delivered; returns how many, 0 where nothing can be done now."""
        consumer = self._consumer()
        if consumer.push is not None:
            if self.whole:
                return self._push(most)
        elif self.whole and consumer.pull is not None and not consumer.pull.requests[0].bytes_left:
            return self._pull(most)
        messages = self._take(1, 0)
        if not messages:
            return 0
        if not self._give(messages[0], 1):
            self._untake(messages[0])
            return 0
        return 1

    def _push(self, most: int) -> int:
        consumer, push = self._consumer(), self._consumer().push
        assert push is not None
        messages = self._take(most, push.room or TURN_BYTES)
        if not messages:
            return 0
        taken = self._send(push.subject, messages)
        now = consumer.home.clock.now_ns()
        if taken:
            # Sizes are summed in C; the reply of the last message stands for those of the others.
            push.sent(_size(messages) + taken * consumer.reply_size(messages[-1]) if push.window else 0, now)
        if taken < len(messages):
            consumer.on_nobody()
        return taken

    def _pull(self, most: int) -> int:
        consumer, pull = self._consumer(), self._consumer().pull
        assert pull is not None
        now = consumer.home.clock.now_ns()
        while pull.requests:
            request = pull.requests[0]
            if request.bytes_left:
                return self._deliver(most)
            if pull.is_over(request, now):
                continue
            if not consumer.home.sublist.has_interest(request.reply):
                pull.drop(request)
                continue
            want = max(request.n, 1)
            if len(pull.requests) > 1 and pull.wanted() > min(most, self.num_pending):
                want = 1
            messages = self._take(min(most, want), TURN_BYTES)
            if not messages:
                return 0
            taken = self._send(request.reply, messages)
            pull.last_ns = now
            pull.gave(request, taken, now)
            if taken < len(messages) and pull.requests and request in pull.requests:
                pull.drop(request)
            if taken:
                return taken
        return 0

    def _send(self, to: bytes, messages: list[Message]) -> int:
        """Messages in one call; returns how many were taken, the others are put back."""
        consumer = self._consumer()
        first_dseq = consumer.state.delivered_seq + 1
        behind = self.num_pending + len(messages) - 1
        taken = consumer.home.sublist.deliver_stored(to, messages, consumer.ack_prefix, 1, first_dseq, behind)
        if taken < len(messages):
            self._untake(messages[taken])
        if taken:
            consumer.on_delivered([message[0] for message in messages[:taken]])
        return taken

    def _redeliver(self) -> bool:
        """Deliver one message again; False where none is left or nobody can have it now."""
        consumer = self._consumer()
        redelivery, state = consumer.redelivery, consumer.state
        most = consumer.config.max_deliver
        while (seq := redelivery.next()) != 0:
            if seq not in state.pending:
                redelivery.pop()
                continue
            deliveries = state.deliveries(seq) + 1
            if 0 < most < deliveries:
                redelivery.pop()
                consumer.give_up(seq, deliveries - 1, tell=deliveries == most + 1)
                continue
            message = consumer.stream.store.load(seq)
            if message is None:
                redelivery.pop()
                consumer.on_lost(seq)
                continue
            return self._give(message, deliveries)
        return False

    def _give(self, message: Message, deliveries: int) -> bool:
        """One message with all that may have to be done to it; False where nobody can have it now."""
        consumer = self._consumer()
        push, pull = consumer.push, consumer.pull
        seq, subject, header, payload, time_ns = message
        now = consumer.home.clock.now_ns()
        behind = self.num_pending
        reply = consumer.reply_of(deliveries, seq, time_ns, behind)
        if consumer.config.headers_only:
            header, payload = headers.with_header(header, b"Nats-Msg-Size", b"%d" % len(payload)), b""
        size = len(subject) + len(reply) + (len(header) if header else 0) + len(payload)
        if self._must_wait(message, size, now):
            return False
        sublist = consumer.home.sublist
        if push is not None:
            if not sublist.deliver_as(push.subject, subject, reply, header, payload):
                consumer.on_nobody()
                return False
            self._gave(seq, time_ns, deliveries, now)
            push.sent(size, now)
            return True
        assert pull is not None
        while (request := consumer.pins.choose(size, behind, now)) is not None:
            if consumer.config.priority_policy == "pinned_client":
                pin = consumer.pins.pin.encode()
                if sublist.deliver_as(
                    request.reply, subject, reply, headers.with_header(header, b"Nats-Pin-Id", pin), payload
                ):
                    break
            elif sublist.deliver_as(request.reply, subject, reply, header, payload):
                break
            pull.drop(request)
        if request is None:
            return False
        self._gave(seq, time_ns, deliveries, now)
        self._settle_request(request, now)
        return True

    def _settle_request(self, request: PullRequest, now_ns: int) -> None:
        pull = self._consumer().pull
        assert pull is not None
        pull.last_ns = now_ns
        pull.gave(request, 1, now_ns)
        if request.n <= 0 and request.bytes_left > 0:
            pull.tell(request.reply, 409, b"Batch Completed", **request.left())

    def _gave(self, seq: int, time_ns: int, deliveries: int, now_ns: int) -> None:
        self._last_time_ns, self._last_sent_ns = time_ns, now_ns
        if deliveries == 1:
            self._consumer().on_delivered([seq])
        else:
            self._consumer().redelivery.pop()
            self._consumer().on_redelivered(seq, deliveries)

    def _must_wait(self, message: Message, size: int, now_ns: int) -> bool:
        """Whether pace or rate limit say that it is too early; then the turn goes on by itself."""
        delay = 0
        if self._replay_upto and self._last_time_ns:
            if message[0] > self._replay_upto:
                self._replay_upto = 0
                config = self._consumer().config
                self.whole = config.priority_policy == "none" and not config.headers_only and self._rate is None
            else:
                gap = message[4] - self._last_time_ns
                delay = self._last_sent_ns + gap - now_ns if gap > MS_NS else 0
        if delay <= 0 and self._rate is not None:
            delay = self._rate.take(size, now_ns)
        if delay <= 0:
            return False
        self.go_on(delay)
        return True


def _size(messages: list[Message]) -> int:
    """Bytes of subjects, headers and payloads."""
    return sum(
        [len(subject) + len(payload) + (len(header) if header else 0) for _, subject, header, payload, _ in messages]
    )
