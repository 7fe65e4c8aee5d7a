"""Requests for messages that wait at a pull consumer: who is next, who has waited long enough, what they are told.

Rules, as the Go server has them:
1. First come, first served; after each message a request goes to the end of the queue. With priorities it goes to the
   end of those of its priority, and one that is not of the best begins with the next turn.
2. A request whose inbox nobody listens to is dropped without a word.
3. A request that said no_wait ends with 404 when there is nothing more to give; one that expired ends with 408.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from natsd.jetstream import headers
from natsd.jetstream.streams.stream_config import Record

if TYPE_CHECKING:
    from natsd.kernel import Sublist

SWEEP_NS = 1_000_000_000
"""How often at most a full queue is looked through for inboxes that are gone."""
NO_PRIORITY = 1 << 31
MAX_INT64 = (1 << 63) - 1


class NextRequest(Record):
    """The body of CONSUMER.MSG.NEXT where it is JSON; of others the batch alone, which is `BareRequest`."""

    expires: int = 0
    batch: int = 0
    max_bytes: int = 0
    no_wait: bool = False
    idle_heartbeat: int = 0
    group: str = ""
    min_pending: int = 0
    min_ack_pending: int = 0
    id: str = ""
    priority: int = 0


class BareRequest(NextRequest):
    """One that could not name a priority group, and need not."""


def parse_next(payload: bytes) -> NextRequest:
    """What was asked for: nothing at all means one message, and so does what is neither a number nor an object.

    Raises ValueError.
    """
    body = payload.strip()
    if body[:1] == b"{":
        try:
            request = msgspec.json.decode(body, type=NextRequest)
        except msgspec.DecodeError:
            request = _parse_again(body)
        for field in request.__struct_fields__:
            number = getattr(request, field)
            if type(number) is int and not -MAX_INT64 - 1 <= number <= MAX_INT64:
                raise ValueError(f"json: cannot unmarshal number {number}")
        if request.idle_heartbeat > 0 and request.idle_heartbeat * 2 > request.expires:
            raise ValueError("heartbeat value too large")
        return request
    digits = body[1:] if body[:1] in (b"+", b"-") else body
    if digits.isdigit() and len(digits) <= 18:
        return BareRequest(batch=int(body))
    return BareRequest(batch=1)


def _parse_again(body: bytes) -> NextRequest:
    """With what the Go server does with it: unknown keys and nulls say nothing."""
    try:
        raw: dict[str, Any] = msgspec.json.decode(body)
        known = {key: raw[key] for key in NextRequest.__struct_fields__ if raw.get(key) is not None}
        return msgspec.convert(known, NextRequest)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


class PullRequest:
    """One request that waits. Times are of the monotonic clock, 0 for none; bytes_left 0: no bound was given."""

    __slots__ = (
        "beat_ns",
        "bytes_left",
        "expires_ns",
        "given",
        "group",
        "heartbeat_ns",
        "min_ack_pending",
        "min_pending",
        "n",
        "no_wait",
        "pin",
        "priority",
        "reply",
    )

    def __init__(self, asked: NextRequest, reply: bytes, now_ns: int) -> None:
        self.reply = reply
        self.n = asked.batch
        self.given = 0
        self.bytes_left = max(asked.max_bytes, 0)
        self.no_wait = asked.no_wait
        self.expires_ns = now_ns + asked.expires if asked.expires else 0
        self.heartbeat_ns = max(asked.idle_heartbeat, 0)
        self.beat_ns = now_ns + self.heartbeat_ns if self.heartbeat_ns else 0
        self.group = asked.group
        self.min_pending = asked.min_pending
        self.min_ack_pending = asked.min_ack_pending
        self.pin = asked.id
        self.priority = asked.priority if asked.group else NO_PRIORITY

    def left(self) -> dict[str, bytes]:
        """The headers that say what it did not get."""
        return {"Nats_Pending_Messages": b"%d" % self.n, "Nats_Pending_Bytes": b"%d" % self.bytes_left}


class PullQueue:
    """The waiting requests of one consumer, the next one first."""

    __slots__ = ("_due_ns", "_sublist", "_swept_ns", "last_ns", "max", "prioritized", "requests")

    def __init__(self, sublist: Sublist, most: int, now_ns: int) -> None:
        self._sublist = sublist
        self.max = most
        self.prioritized = False
        self.requests: list[PullRequest] = []
        self.last_ns = now_ns  # when a request was heard of last
        self._due_ns = 0  # not later than the next expiry or heartbeat; 0 for none
        self._swept_ns = 0

    def __len__(self) -> int:
        return len(self.requests)

    def tell(self, reply: bytes, code: int, text: bytes, **more: bytes) -> None:
        """Send somebody a status."""
        self._sublist.publish(reply, None, headers.status(code, text, **more), b"")

    def is_full(self, now_ns: int) -> bool:
        """Whether there is no place; looks for requests that are over first, but not all the time."""
        if len(self.requests) >= self.max and now_ns - self._swept_ns > SWEEP_NS:
            self.sweep(now_ns, ended=False)
        return len(self.requests) >= self.max

    def add(self, request: PullRequest, now_ns: int) -> None:
        """Put a request at its place."""
        self.last_ns = now_ns
        for due in (request.expires_ns, request.beat_ns):
            if due and (not self._due_ns or due < self._due_ns):
                self._due_ns = due
        self.requeue(request)

    def cycle(self, request: PullRequest) -> None:
        """The first request cannot have what there is: it goes behind all others."""
        self.drop(request)
        self.requests.append(request)

    def requeue(self, request: PullRequest) -> None:
        """Put a request behind all others, or behind those of its priority."""
        requests = self.requests
        if not self.prioritized or not requests or requests[-1].priority <= request.priority:
            requests.append(request)
            return
        at = 0
        while requests[at].priority <= request.priority:
            at += 1
        requests.insert(at, request)

    def drop(self, request: PullRequest) -> None:
        """Take a request out."""
        requests = self.requests
        if requests[0] is request:
            del requests[0]
        else:
            requests.remove(request)

    def gave(self, request: PullRequest, n: int, now_ns: int) -> None:
        """A request, the first of the queue, got so many messages."""
        request.n -= n
        request.given += n
        requests = self.requests
        if request.n <= 0:
            self.drop(request)
            return
        if request.heartbeat_ns:
            request.beat_ns = now_ns + request.heartbeat_ns
        if len(requests) > 1:
            self.drop(request)
            self.requeue(request)

    def is_over(self, request: PullRequest, now_ns: int) -> bool:
        """Whether its time is over; if so it was told, and is gone."""
        if not request.expires_ns or now_ns < request.expires_ns:
            return False
        self.tell(request.reply, 408, b"Request Timeout", **request.left())
        self.drop(request)
        return True

    def wanted(self) -> int:
        """How many messages all requests ask for."""
        return sum([request.n for request in self.requests])

    def sweep(self, now_ns: int, *, ended: bool, heartbeat: bytes = b"") -> None:
        """Let go of requests that are over or that nobody listens for, send heartbeats that are due.

        ended: there is nothing to give now, so requests that do not wait are over. heartbeat: the whole header block.
        """
        self._swept_ns = now_ns
        has_interest = self._sublist.has_interest
        due_ns = 0
        kept = []
        for request in self.requests:
            expired = request.expires_ns and now_ns >= request.expires_ns
            if expired:
                self.tell(request.reply, 408, b"Request Timeout", **request.left())
                continue
            if ended and request.no_wait and (request.given or not request.expires_ns):
                self.tell(request.reply, 404, b"No Messages")
                continue
            if not has_interest(request.reply):
                continue
            if request.beat_ns:
                if now_ns >= request.beat_ns and heartbeat:
                    self._sublist.publish(request.reply, None, heartbeat, b"")
                    request.beat_ns = now_ns + request.heartbeat_ns
                if not due_ns or request.beat_ns < due_ns:
                    due_ns = request.beat_ns
            if request.expires_ns and (not due_ns or request.expires_ns < due_ns):
                due_ns = request.expires_ns
            kept.append(request)
        self.requests = kept
        self._due_ns = due_ns

    @property
    def due_ns(self) -> int:
        """When `sweep` has something to do by the clock, 0 for never."""
        return self._due_ns if self.requests else 0

    def needs_sweep(self, now_ns: int, *, ended: bool) -> bool:
        """Whether `sweep` would tell somebody something."""
        if self._due_ns and now_ns >= self._due_ns:
            return True
        return ended and any(request.no_wait for request in self.requests)

    def end(self, code: int, text: bytes, *, left: bool = False) -> None:
        """Tell every request that it is over, and forget them."""
        requests, self.requests = self.requests, []
        for request in requests:
            self.tell(request.reply, code, text, **(request.left() if left else {}))
