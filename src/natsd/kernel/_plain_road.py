"""Plain form of the road all connections of one server share, and of one connection's way out.

Outputs gather in each receiver's Outbound and are sent once per read, by `Road.settle`. Nothing here knows what a
subject is. The socket is a file descriptor written to without waiting; what it does not take stays pending.

Order within `settle`, which nothing may change: local handlers first (they may publish), then owners learn which
subscriptions reached their maximum, then one send per dirty outbound, then trouble (slow receivers) is told to the
owners, and again from the start until nothing is left.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.kernel._plain_interest import Subscription
    from natsd.kernel._plain_sublist import Sublist

MASK = (1 << 64) - 1


class Work(Protocol):
    """What waits for the road to settle: a local subscription, or whatever else has a turn then."""

    def run_batch(self) -> None: ...


class Road:
    """What the connections of one server share: limits, totals, and the list of outbounds with something to send.

    seed: any integer; decides queue picks (both forms of the kernel pick alike for one seed).
    """

    __slots__ = (
        "_dirty",
        "_ended",
        "_handlers",
        "_random",
        "_settling",
        "_troubled",
        "busy",
        "clock",
        "congested",
        "gathered",
        "in_bytes",
        "in_msgs",
        "lone",
        "max_control_line",
        "max_payload",
        "max_pending",
        "on_failed",
        "on_work",
        "out_bytes",
        "out_msgs",
        "reserved_replies",
        "reserved_subjects",
        "seed",
        "speaker",
        "stall_bytes",
        "trace",
    )

    def __init__(self, seed: int) -> None:
        self.in_msgs = 0
        self.in_bytes = 0
        self.out_msgs = 0
        self.out_bytes = 0
        self.max_payload = 1 << 20
        self.max_control_line = 4096
        self.max_pending = 64 << 20
        self.stall_bytes = 1 << 20
        # Prefixes a client may not publish to, or name as reply; with `?` behind, the prefix alone is allowed.
        self.reserved_subjects: tuple[bytes, ...] = ()
        self.reserved_replies: tuple[bytes, ...] = ()
        self.clock: Callable[[], int] | None = None  # to date messages by
        self.on_work: Callable[[], None] | None = None
        # Told what a local handler raised; None: it goes up.
        self.on_failed: Callable[[Work, Exception], None] | None = None
        self.trace: list[tuple[Any, bytes, bytes, bytes | None]] | None = None
        self.busy = False
        self.congested: list[Any] = []  # outbounds that are too full, and whatever else a producer should wait for
        self.speaker: Any = None  # the owner of the connection whose read is dealt with; None outside of one
        self.seed = (seed & MASK) or 0x9E3779B97F4A7C15
        self._random = self.seed
        self._dirty: list[Outbound] = []
        self._handlers: list[Work] = []
        self.gathered = 0  # how many messages wait for a handler
        self.lone = False
        self._ended: list[tuple[Any, Subscription]] = []
        self._troubled: list[Outbound] = []
        self._settling = False

    def pick(self, n: int) -> int:
        """A number from 0 to n - 1, each as likely (xorshift64*)."""
        x = self._random
        x ^= x >> 12
        x = (x ^ (x << 25)) & MASK
        x ^= x >> 27
        self._random = x
        return ((x * 0x2545F4914F6CDD1D & MASK) >> 33) % n

    def publish(
        self, sublist: Sublist, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes
    ) -> int:
        """Deliver a message of the server's own; returns how many took it."""
        return sublist.publish(subject, reply, header, payload)

    def add_dirty(self, outbound: Outbound) -> None:
        """Remember an outbound that has something to send."""
        self._dirty.append(outbound)
        self._wake()

    def add_handler(self, sub: Subscription) -> None:
        """Remember a local subscription whose batch is not empty."""
        self._handlers.append(sub)
        self._wake()

    def add_work(self, work: Work) -> None:
        """Have work.run_batch() called when the road settles, after the handlers whose batches wait by now."""
        self._handlers.append(work)
        self._wake()

    def add_troubled(self, outbound: Outbound) -> None:
        """Remember an outbound that went over max_pending."""
        self._troubled.append(outbound)
        self._wake()

    def add_ended(self, owner: Any, sub: Subscription) -> None:
        """Remember a subscription that reached its maximum, to tell its owner."""
        self._ended.append((owner, sub))
        self._wake()

    def _wake(self) -> None:
        if not self.busy and not self._settling and self.on_work is not None:
            if len(self._dirty) + len(self._handlers) + len(self._troubled) + len(self._ended) == 1:
                self.on_work()

    def run_handlers(self) -> None:
        """Run what waits by now; where one of them fails, the others still have their turn.

        Meanwhile `lone` says whether all of it is a single message.
        """
        todo, self._handlers = self._handlers, []
        done = 0
        self.lone = self.gathered == 1 and len(todo) == 1
        self.gathered = 0
        try:
            for sub in todo:
                done += 1
                try:
                    sub.run_batch()
                except Exception as error:
                    if self.on_failed is None:
                        raise
                    self.on_failed(sub, error)
        finally:
            self.lone = False
            if done < len(todo):
                self._handlers[:0] = todo[done:]

    def settle(self) -> None:
        """Run local handlers' batches, send every dirty outbound once, tell owners of trouble. Safe to nest."""
        if self._settling:
            return
        self._settling = True
        self.congested.clear()
        try:
            while self._handlers or self._dirty or self._troubled or self._ended:
                while self._handlers:
                    self.run_handlers()
                ended, self._ended = self._ended, []
                for owner, sub in ended:
                    owner.on_unsubscribed(sub)
                dirty, self._dirty = self._dirty, []
                for outbound in dirty:
                    outbound.flush()
                troubled, self._troubled = self._troubled, []
                for outbound in troubled:
                    outbound.owner.on_slow()
        finally:
            self._settling = False


class Outbound:
    """One connection's way out: a buffer that grows, and the accounting of what is pending.

    fd -1 means that the owner takes the bytes itself (in memory, or under TLS).
    """

    __slots__ = (
        "_chunks",
        "_offset",
        "blocked",
        "closed",
        "dirty",
        "fd",
        "headers",
        "out_bytes",
        "out_msgs",
        "owner",
        "pending",
        "replies",
        "road",
        "sent_bytes",
    )

    def __init__(self, road: Road, owner: Any, fd: int = -1) -> None:
        self.road = road
        self.owner = owner
        self.fd = fd
        self.headers = False
        self.pending = 0
        self.out_msgs = 0
        self.out_bytes = 0
        self.sent_bytes = 0
        self.closed = False
        self.blocked = False
        self.dirty = False
        # Of messages it was given, for the owner to take; None where nobody wants them.
        self.replies: list[bytes] | None = None
        self._chunks: list[bytes] = []
        self._offset = 0  # bytes of the first chunk that are sent already

    def append(self, data: bytes) -> None:
        """Add protocol bytes; they are sent when the road settles."""
        if self.closed:
            return
        self._chunks.append(data)
        self.pending += len(data)
        if self.pending > self.road.max_pending:
            self.overflow()
        elif not self.dirty:
            self.dirty = True
            self.road.add_dirty(self)

    def overflow(self) -> None:
        """More is pending than max_pending: drop it all and have the owner told."""
        self.close()
        self.road.add_troubled(self)

    def flush(self) -> None:
        """Send what is there, as `Road.settle` does for each dirty outbound."""
        self.dirty = False
        if self.replies:
            self.owner.on_replies()
        if self.closed or not self.pending:
            return
        if self.fd < 0:
            self.owner.on_output()
        elif not self.blocked:
            self._write()
            if self.blocked and not self.closed:
                self.owner.on_blocked()
        if self.pending > self.road.stall_bytes:
            self.road.congested.append(self)

    def send(self) -> int:
        """Write to the socket now, which is writable again; returns how many bytes are pending still."""
        if not self.closed and self.fd >= 0 and self.pending:
            self.blocked = False
            self._write()
        return self.pending

    def _write(self) -> None:
        data = b"".join(self._chunks)
        start = self._offset
        view = memoryview(data)
        code = 0
        while start < len(data):
            try:
                n = os.write(self.fd, view[start:])
            except BlockingIOError:
                self.blocked = True
                break
            except InterruptedError:
                continue
            except OSError as error:
                code = error.errno or errno.EIO
                break
            start += n
            self.sent_bytes += n
            self.pending -= n
        if code:
            self.close()
            self.owner.on_broken(code)
            return
        self._chunks = [data] if self.pending else []
        self._offset = start if self.pending else 0

    def take(self, most: int = -1) -> bytes:
        """What is pending, for an owner that sends it another way: all of it, or `most` bytes."""
        whole = b"".join(self._chunks)
        end = len(whole) if most < 0 else min(self._offset + most, len(whole))
        data = whole[self._offset : end]
        self.sent_bytes += len(data)
        self.pending -= len(data)
        self._chunks = [whole] if self.pending else []
        self._offset = end if self.pending else 0
        return data

    def close(self) -> None:
        """Drop what is pending and refuse more."""
        self.closed = True
        self._chunks = []
        self._offset = 0
        self.pending = 0

    def put(self, frame: bytes, size: int) -> None:
        """Add one rendered message whose header and payload have `size` bytes together."""
        self.out_msgs += 1
        self.out_bytes += size
        self._chunks.append(frame)
        self.pending += len(frame)
        if not self.dirty:
            self.dirty = True
            self.road.add_dirty(self)
        if self.pending > self.road.max_pending:
            self.overflow()
