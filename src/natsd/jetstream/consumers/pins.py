"""Who may have the next message of a pull consumer: bounds of single requests and priority groups (ADR-42).

overflow: a request that named bounds gets one only while more is pending than it said. pinned_client: one client gets
them all as long as it asks again in time; its id goes with each message. prioritized: the order of the queue says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.whole import whole_of
from natsd.jetstream.consumers.pull import BareRequest

if TYPE_CHECKING:
    from natsd.base.clock import Timer
    from natsd.jetstream.consumers.consumer import Consumer
    from natsd.jetstream.consumers.pull import NextRequest, PullQueue, PullRequest


class Pins:
    """The choice among waiting requests. pin: the id of the client that has them all, empty for none."""

    __slots__ = ("_consumer", "_queue", "_timer", "pin", "pinned_ns")

    def __init__(self, consumer: Consumer, queue: PullQueue) -> None:
        self._consumer = whole_of(consumer)
        self._queue = queue
        self._timer: Timer | None = None
        self.pin = ""
        self.pinned_ns = 0

    def refusal(self, asked: NextRequest) -> tuple[int, str] | None:
        """Why a request cannot be; None where it can."""
        config = self._consumer().config
        policy = config.priority_policy
        if (asked.min_pending or asked.min_ack_pending) and policy != "overflow":
            return 400, "Bad Request - Not a Overflow Priority consumer"
        if asked.id and policy != "pinned_client":
            return 400, "Bad Request - Not a Pinned Client Priority consumer"
        if not 0 <= asked.priority <= 9:
            return 400, "Bad Request - Priority must be between 0 and 9"
        if policy == "none" or isinstance(asked, BareRequest):
            return None
        if not asked.group:
            return 400, "Bad Request - Priority Group missing"
        if asked.group not in config.priority_groups:
            return 400, "Bad Request - Invalid Priority Group"
        if self.pin:
            if asked.id == self.pin:
                self._set_timer(asked.group)
            elif asked.id:
                return 423, "Nats-Pin-Id mismatch"
        return None

    def choose(self, size: int, num_pending: int, now_ns: int) -> PullRequest | None:
        """The request that gets a message of so many bytes, the first of the queue then; None where none may have it.

        num_pending: how many messages there are behind it.
        """
        consumer, queue = self._consumer(), self._queue
        policy = consumer.config.priority_policy
        unpinned = policy == "pinned_client" and not self.pin
        cycled = 0
        while queue.requests:
            request = queue.requests[0]
            if queue.is_over(request, now_ns):
                continue
            assigned = False
            passed = False
            if unpinned:
                if request.pin:
                    self._refuse_pin(request)
                    continue
                assigned = self._assign(request)
            elif self.pin and request.pin != self.pin:
                if request.pin:
                    self._refuse_pin(request)
                    continue
                passed = True
            if policy == "overflow" and (request.min_pending > 0 or request.min_ack_pending > 0):
                flows = 0 < request.min_pending <= num_pending + 1
                flows = flows or 0 < request.min_ack_pending <= len(consumer.state.pending)
                passed = not flows
            if passed:
                queue.cycle(request)
                cycled += 1
                if cycled >= len(queue):
                    return None
                continue
            if request.bytes_left:
                if size > request.bytes_left:
                    queue.tell(request.reply, 409, b"Message Size Exceeds MaxBytes", **request.left())
                    if assigned:
                        self.unassign()
                    queue.drop(request)
                    continue
                request.bytes_left -= size
                if not request.bytes_left:
                    request.n = 1
            if consumer.home.sublist.has_interest(request.reply):
                return request
            queue.drop(request)
        return None

    def _refuse_pin(self, request: PullRequest) -> None:
        self._queue.tell(request.reply, 423, b"Nats-Wrong-Pin-Id", **request.left())
        self._queue.drop(request)

    def _assign(self, request: PullRequest) -> bool:
        if not request.group:
            return False
        consumer = self._consumer()
        self.pin = request.pin = consumer.home.advisories.new_id()
        self.pinned_ns = consumer.home.clock.wall_ns()
        self._set_timer(request.group)
        consumer.events.pinned(request.group, self.pin)
        return True

    def unassign(self) -> None:
        """Nobody is pinned any more."""
        self.pin = ""
        self.pinned_ns = 0
        self.close()

    def _set_timer(self, group: str) -> None:
        self.close()
        consumer = self._consumer()

        def end() -> None:
            self.unassign()
            consumer.events.unpinned(group, "timeout")
            consumer.pump()

        self._timer = consumer.home.timers.schedule(consumer.config.priority_timeout, end)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
