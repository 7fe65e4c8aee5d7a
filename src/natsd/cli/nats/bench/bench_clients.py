"""What one client of a benchmark does, in a process of its own.

Publishers send blocks of ready-made frames, subscribers count without making messages: the server shall be what is
measured.
"""

from __future__ import annotations

import os
import time
from array import array
from typing import TYPE_CHECKING

from natsd.cli.nats.bench.bench_results import Sample
from natsd.client.errors import ClientError, NoResponders, Timeout
from natsd.client.headers import parse_headers
from natsd.client.wire import render_publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    from natsd.client.connection import Connection

    class Client(Protocol):
        """One role: get everything ready, then run."""

        state: str
        count: int

        def prepare(self, connection: Connection) -> None: ...

        def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample: ...


BLOCK_BYTES = 131072
# Frames made beforehand for many subjects take at most this much memory, more are made while running.
READY_BYTES = 64 << 20
FLUSH_S = 60.0
# With a rate to keep, messages go out in bursts this far apart.
BURST_S = 0.002


class Pace:
    """How fast a client goes on: with a pause behind each message, so many a second, or as fast as it can."""

    __slots__ = ("_begin_ns", "_sleep_s", "rate")

    def __init__(self, sleep_s: float = 0.0, rate: float = 0.0) -> None:
        """`rate`: messages a second, 0 for any."""
        self._sleep_s = sleep_s
        self.rate = rate
        self._begin_ns = 0

    def __bool__(self) -> bool:
        """Whether it is slower than it could be."""
        return bool(self._sleep_s or self.rate)

    def begin(self) -> None:
        self._begin_ns = time.monotonic_ns()

    def due(self, count: int) -> int:
        """With a rate: how many of `count` messages should be out by now."""
        return min(count, int((time.monotonic_ns() - self._begin_ns) / 1e9 * self.rate) + 1)

    def keep(self, pause: Callable[[float], object], done: int, more: int = 1) -> None:
        """Wait as long as is right after `done` messages, `more` of them since the last time."""
        if self._sleep_s:
            pause(self._sleep_s * more)
        if self.rate:
            ahead = done / self.rate - (time.monotonic_ns() - self._begin_ns) / 1e9
            if ahead > 0:
                pause(ahead)


class Frames:
    """The PUB frames of one publisher, number after number."""

    def __init__(
        self, subject: bytes, payload: bytes, header: bytes | None, subjects: int, offset: int, shuffle: bool
    ) -> None:
        """`subjects` is 0 for the subject itself, else ``subject.<number>`` modulo so many, from `offset` on."""
        self._subject = subject
        self._payload = payload
        self._header = header
        self._subjects = subjects
        self._digits = len(str(subjects))
        self._next = offset
        self._shuffle = shuffle
        self._size = len(self.make(0))
        self._ready: list[bytes] | None = None
        if not subjects:
            self._ready = [self.make(0)]
        elif not shuffle and subjects * self._size <= READY_BYTES:
            self._ready = [self.make(number) for number in range(subjects)]

    def make(self, number: int) -> bytes:
        subject = self._subject
        if self._subjects:
            if self._shuffle:
                number = int.from_bytes(os.urandom(6), "little")
            subject = b"%b.%0*d" % (subject, self._digits, number % self._subjects)
        return render_publish(subject, None, self._header, self._payload)

    def take(self, count: int) -> bytes:
        """The next frames, joined."""
        first = self._next
        self._next += count
        ready = self._ready
        if ready is None:
            return b"".join([self.make(number) for number in range(first, first + count)])
        cycle = len(ready)
        if cycle == 1:
            return ready[0] * count
        return b"".join([ready[number % cycle] for number in range(first, first + count)])

    def blocks(self, count: int) -> Iterator[tuple[int, bytes]]:
        """(messages, bytes) until `count` messages are out."""
        step = max(1, BLOCK_BYTES // self._size)
        done = 0
        if self._ready is not None and len(self._ready) == 1:
            block = self.take(min(step, count))
            while done + step <= count:
                yield step, block
                done += step
        while done < count:
            some = min(step, count - done)
            yield some, self.take(some)
            done += some


class Publisher:
    """Publishes `count` messages."""

    state = "Publishing"

    def __init__(self, frames: Frames, count: int, size: int, pace: Pace) -> None:
        self._frames = frames
        self.count = count
        self._size = size
        self._pace = pace

    def prepare(self, connection: Connection) -> None:
        """Nothing to subscribe."""

    def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample:
        start = time.monotonic_ns()
        if self._pace.rate:
            self._run_at_rate(connection, progress)
        elif self._pace:
            for number in range(1, self.count + 1):
                connection.write_block(self._frames.take(1))
                self._pace.keep(connection.pause, number)
                progress(number)
        else:
            done = 0
            for messages, block in self._frames.blocks(self.count):
                connection.write_block(block)
                done += messages
                progress(done)
        connection.flush(FLUSH_S)
        return Sample(self.count, self.count * self._size, start, time.monotonic_ns())

    def _run_at_rate(self, connection: Connection, progress: Callable[[int], None]) -> None:
        """In bursts: a pause behind each message would be too long for high rates."""
        self._pace.begin()
        done = 0
        while done < self.count:
            due = self._pace.due(self.count)
            if due > done:
                connection.write_block(self._frames.take(due - done))
                done = due
                progress(done)
            connection.pause(BURST_S)


class Subscriber:
    """Receives `count` messages and measures from the first to the last."""

    state = "Receiving"

    def __init__(self, subject: str, count: int, size: int, pace: Pace) -> None:
        self._subject = subject
        self.count = count
        self._size = size
        self._pace = pace

    def prepare(self, connection: Connection) -> None:
        connection.subscribe(self._subject)

    def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample:
        done = 0
        start = end = 0
        while done < self.count:
            messages, _ = connection.tally()
            if not messages:
                continue
            end = time.monotonic_ns()
            start = start or end
            done += messages
            progress(done)
            self._pace.keep(time.sleep, done, messages)
        return Sample(self.count, self.count * self._size, start, end)


class Requester:
    """Sends `count` requests one after the other."""

    state = "Requesting"

    def __init__(
        self,
        subject: str,
        payload: bytes,
        header: bytes | None,
        count: int,
        timeout_s: float,
        pace: Pace,
    ) -> None:
        self._subject = subject
        self._payload = payload
        self._header = header
        self.count = count
        self._timeout_s = timeout_s
        self._pace = pace
        self._inbox = ""

    def prepare(self, connection: Connection) -> None:
        self._inbox = connection.new_inbox()
        connection.subscribe(self._inbox)

    def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample:
        frame = render_publish(self._subject.encode(), self._inbox.encode(), self._header, self._payload)
        latencies = array("Q")
        clock = time.perf_counter_ns
        start = time.monotonic_ns()
        self._pace.begin()
        for number in range(1, self.count + 1):
            begin = clock()
            connection.write_block(frame)
            events = connection.read_batch(self._timeout_s)
            if not events:
                events = self._wait(connection, begin)
            latencies.append(clock() - begin)
            if events[0][4] is not None and parse_headers(events[0][4])[0] == 503:
                raise NoResponders(f'No responders are available on "{self._subject}" (try nats bench service serve)')
            progress(number)
            self._pace.keep(connection.pause, number)
        size = self.count * len(self._payload)
        return Sample(self.count, size, start, time.monotonic_ns(), latencies)

    def _wait(self, connection: Connection, begin: int) -> list[tuple[Any, ...]]:
        """The first read had no message in it: a PING, an -ERR, or the time is over."""
        while True:
            error = connection.take_error()
            if error is not None:
                raise error
            left = self._timeout_s - (time.perf_counter_ns() - begin) / 1e9
            if left <= 0:
                raise Timeout(f'nats: timeout: no reply on "{self._subject}"')
            events = connection.read_batch(left)
            if events:
                return events


class Server:
    """Answers requests until it is stopped."""

    state = "Serving"
    count = 0

    def __init__(self, subject: str, group: str, sleep_s: float) -> None:
        self._subject = subject
        self._group = group
        self._sleep_s = sleep_s

    def prepare(self, connection: Connection) -> None:
        connection.subscribe(self._subject, self._group)

    def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample:
        parent = os.getppid()
        start = time.monotonic_ns()
        done = 0
        # A server whose benchmark was killed does not stay behind.
        while os.getppid() == parent:
            out = []
            for event in connection.read_batch(1.0):
                if event[3] is None:
                    continue
                if self._sleep_s:
                    time.sleep(self._sleep_s)
                out.append(b"PUB %b 2\r\nok\r\n" % event[3])
            if out:
                connection.write_block(b"".join(out))
                done += len(out)
        return Sample(done, 2 * done, start, time.monotonic_ns())


def raise_error(connection: Connection) -> None:
    """Raise what the server objected to, if anything."""
    error: ClientError | None = connection.take_error()
    if error is not None:
        raise error
