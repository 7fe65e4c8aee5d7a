"""What one client of a JetStream benchmark does: publish and wait for acks, pull and acknowledge, get.

As in bench_clients.py frames are made beforehand and events of the scanner are looked at without making messages.
"""

from __future__ import annotations

import json
import time
from array import array
from typing import TYPE_CHECKING

from natsd.cli.nats.bench.bench_clients import FLUSH_S, Pace, raise_error
from natsd.cli.nats.bench.bench_results import Sample
from natsd.client.errors import ClientError, NoResponders, Timeout
from natsd.client.jetstream import read_answer
from natsd.client.nuid import new_nuid
from natsd.client.wire import render_publish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from natsd.client.connection import Connection

    Event = tuple[Any, ...]
    # Subject, header block and payload of message number n.
    Ask = Callable[[int], tuple[bytes, bytes | None, bytes]]

PULL_EXPIRES_NS = 30_000_000_000


def read_some(connection: Connection, timeout_s: float) -> list[Event]:
    """MSG events of the next read that has some. Raises Timeout, or what the server objects to."""
    deadline = time.monotonic() + timeout_s
    while True:
        events = connection.read_batch(max(0.0, deadline - time.monotonic()))
        if events:
            return events
        raise_error(connection)
        if time.monotonic() >= deadline:
            raise Timeout("nats: timeout: no answer from JetStream")


def check_ack(event: Event) -> None:
    """Raise what an ack says where it is no good one."""
    payload = event[5]
    if event[4] is not None and event[4].startswith(b"NATS/1.0 503"):
        raise NoResponders("nats: no stream takes this subject (try --create)")
    if b'"error"' in payload:
        read_answer(payload)


class Asker:
    """One request after the other: publishes with acks, gets of messages or keys."""

    def __init__(
        self,
        state: str,
        ask: Ask,
        count: int,
        size: int,
        timeout_s: float,
        pace: Pace,
    ) -> None:
        """`size` is what a message counts for; with 0 it is what comes back."""
        self.state = state
        self.count = count
        self._ask = ask
        self._size = size
        self._timeout_s = timeout_s
        self._pace = pace
        self._inbox = b""

    def prepare(self, connection: Connection) -> None:
        self._inbox = connection.new_inbox().encode()
        connection.subscribe(self._inbox.decode())

    def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample:
        latencies = array("Q")
        received = 0
        clock = time.perf_counter_ns
        start = time.monotonic_ns()
        self._pace.begin()
        for number in range(self.count):
            subject, header, payload = self._ask(number)
            frame = render_publish(subject, self._inbox, header, payload)
            begin = clock()
            connection.write_block(frame)
            event = read_some(connection, self._timeout_s)[0]
            latencies.append(clock() - begin)
            self._check(event)
            received += len(event[5])
            progress(number + 1)
            self._pace.keep(connection.pause, number + 1)
        size = self.count * self._size if self._size else received
        return Sample(self.count, size, start, time.monotonic_ns(), latencies)

    def _check(self, event: Event) -> None:
        if self._size:
            check_ack(event)
        elif event[4] is not None and event[4][:12] in (b"NATS/1.0 404", b"NATS/1.0 408", b"NATS/1.0 503"):
            raise ClientError("nats: there are fewer messages than asked for (publish some first)")


class WindowPublisher:
    """Publishes with at most `batch` acks outstanding."""

    state = "Publishing"

    def __init__(self, ask: Ask, count: int, batch: int, size: int, timeout_s: float, pace: Pace) -> None:
        self.count = count
        self._ask = ask
        self._batch = max(1, batch)
        self._size = size
        self._timeout_s = timeout_s
        self._pace = pace
        self._inbox = b""

    def prepare(self, connection: Connection) -> None:
        self._inbox = connection.new_inbox().encode()
        connection.subscribe(self._inbox.decode())

    def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample:
        start = time.monotonic_ns()
        self._pace.begin()
        sent = done = 0
        while done < self.count:
            room = min(self._batch - (sent - done), self.count - sent, *([1] if self._pace else ()))
            if room > 0:
                connection.write_block(self._frames(sent, room))
                sent += room
                # Not the connection's own pause, which would take the acks.
                self._pace.keep(time.sleep, sent)
            if sent - done < self._batch and sent < self.count and self._pace:
                continue
            for event in read_some(connection, self._timeout_s):
                check_ack(event)
                done += 1
            progress(done)
        return Sample(self.count, self.count * self._size, start, time.monotonic_ns())

    def _frames(self, first: int, count: int) -> bytes:
        frames = []
        for number in range(first, first + count):
            subject, header, payload = self._ask(number)
            frames.append(render_publish(subject, self._inbox, header, payload))
        return b"".join(frames)


class BatchPublisher(WindowPublisher):
    """Publishes atomic batches, each with one ack for all of it."""

    def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample:
        start = time.monotonic_ns()
        self._pace.begin()
        done = 0
        while done < self.count:
            step = min(self._batch, self.count - done)
            batch_id = new_nuid(connection.chance).encode()
            frames = []
            for at in range(1, step + 1):
                subject, header, payload = self._ask(done + at - 1)
                head = (header or b"NATS/1.0\r\n\r\n")[:-2] + b"Nats-Batch-Id: %b\r\nNats-Batch-Sequence: %d\r\n" % (
                    batch_id,
                    at,
                )
                is_last = at == step
                head += b"Nats-Batch-Commit: 1\r\n\r\n" if is_last else b"\r\n"
                frames.append(render_publish(subject, self._inbox if is_last else None, head, payload))
            connection.write_block(b"".join(frames))
            check_ack(read_some(connection, self._timeout_s)[0])
            done += step
            progress(done)
            self._pace.keep(time.sleep, done, step)
        return Sample(self.count, self.count * self._size, start, time.monotonic_ns())


class PullReader:
    """Messages of a pull consumer. `ack` is empty, ``explicit`` or ``all``."""

    state = "Receiving"

    def __init__(
        self,
        subject: str,
        count: int,
        batch: int,
        timeout_s: float,
        *,
        ack: str = "",
        double: bool = False,
        by_fetch: bool = False,
        pace: Pace,
    ) -> None:
        """`subject` is where pull requests go. With `by_fetch` a request is waited for to its end."""
        self.count = count
        self._subject = subject.encode()
        self._batch = max(1, min(batch, count))
        self._timeout_s = timeout_s
        self._ack = ack
        self._double = double
        self._by_fetch = by_fetch
        self._pace = pace
        self._inbox = b""
        self._ack_inbox = b""
        self._asked = 0
        self._later: list[Event] = []

    def prepare(self, connection: Connection) -> None:
        self._inbox = connection.new_inbox().encode()
        connection.subscribe(self._inbox.decode())
        if self._double:
            self._ack_inbox = connection.new_inbox().encode()
            connection.subscribe(self._ack_inbox.decode())

    def _pull(self, batch: int) -> bytes:
        self._asked += batch
        body = json.dumps({"batch": batch, "expires": PULL_EXPIRES_NS}).encode()
        return render_publish(self._subject, self._inbox, None, body)

    def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample:
        done = size = 0
        begin = time.monotonic_ns()
        start = 0
        while done < self.count:
            left = self.count - done
            # A reader that goes on asks anew when half of what it asked for is there.
            if self._asked <= (0 if self._by_fetch else self._batch // 2) and self._asked < left:
                connection.write_block(self._pull(min(self._batch, left) - self._asked))
            events, self._later = self._later or read_some(connection, self._timeout_s), []
            start = start or time.monotonic_ns()
            messages = [event for event in events if self._is_message(event)]
            self._asked -= len(messages)
            done += len(messages)
            size += sum(len(event[5]) for event in messages)
            self._acknowledge(connection, messages)
            progress(done)
            self._pace.keep(time.sleep, done, len(messages))
        connection.flush(FLUSH_S)
        return Sample(done, size, start or begin, time.monotonic_ns())

    def _is_message(self, event: Event) -> bool:
        if event[2] == self._ack_inbox and self._double:
            return False
        header = event[4]
        if header is None or event[5] or not header[9:12].isdigit():
            return True
        status = int(header[9:12])
        if status in (404, 408):
            self._asked = 0
        elif status != 100:
            line = header[9:].split(b"\r", 1)[0].decode("utf-8", "replace")
            raise ClientError(f"nats: {line}")
        return False

    def _acknowledge(self, connection: Connection, messages: Sequence[Event]) -> None:
        if not self._ack or not messages:
            return
        if self._ack == "all":
            messages = messages[-1:]
        if not self._double:
            connection.write_block(b"".join([b"PUB %b 4\r\n+ACK\r\n" % event[3] for event in messages if event[3]]))
            return
        for event in messages:
            connection.write_block(render_publish(event[3], self._ack_inbox, None, b"+ACK"))
        self._wait_for_acks(connection, len(messages))

    def _wait_for_acks(self, connection: Connection, count: int) -> None:
        """Confirmations of the acks; messages that come between them are kept for the next round."""
        while count > 0:
            for event in read_some(connection, self._timeout_s):
                if event[2] == self._ack_inbox:
                    count -= 1
                else:
                    self._later.append(event)


class BatchGetter:
    """Batches of messages over direct get."""

    state = "Getting"

    def __init__(self, subject: str, pattern: str, count: int, batch: int, timeout_s: float, pace: Pace) -> None:
        self.count = count
        self._subject = subject.encode()
        self._pattern = pattern
        self._batch = max(1, batch)
        self._timeout_s = timeout_s
        self._pace = pace
        self._inbox = b""

    def prepare(self, connection: Connection) -> None:
        self._inbox = connection.new_inbox().encode()
        connection.subscribe(self._inbox.decode())

    def run(self, connection: Connection, progress: Callable[[int], None]) -> Sample:
        start = time.monotonic_ns()
        done = size = 0
        following = 1
        while done < self.count:
            body = {"seq": following, "batch": min(self._batch, self.count - done), "next_by_subj": self._pattern}
            connection.write_block(render_publish(self._subject, self._inbox, None, json.dumps(body).encode()))
            before, is_over = done, False
            while not is_over:
                for event in read_some(connection, self._timeout_s):
                    header = event[4] or b""
                    if header[9:12] == b"204":
                        is_over = True
                    elif header[9:12].isdigit():
                        raise ClientError("nats: there are fewer messages than asked for (publish some first)")
                    else:
                        done += 1
                        size += len(event[5])
                        following = _sequence(header) + 1
            progress(done)
            self._pace.keep(time.sleep, done, done - before)
        return Sample(done, size, start, time.monotonic_ns())


def _sequence(header: bytes) -> int:
    at = header.index(b"Nats-Sequence: ") + 15
    return int(header[at : header.index(b"\r", at)])
