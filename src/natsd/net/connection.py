"""One TCP connection on the event loop: when to read, when to write, how long to wait, and how to close.

The socket is read and written by the kernel's Inbound and Outbound through its descriptor; here stands what surrounds
that. What the bytes mean, and why a connection is closed, is the peer's business (the session).

A connection closes in these steps, and skips those it has no need of:
1. reading stops, producers that wait for it go on;
2. flushing: what is pending is sent, at most for the write deadline;
3. lingering: our side is shut, and what the other side still sends is thrown away until it closes too, within bounds,
   because closing with unread input would make the system take back our last words;
4. the descriptor is freed.
"""

from __future__ import annotations

import socket
from errno import ECONNRESET
from typing import TYPE_CHECKING, Any

from natsd.base.clock import MS_NS, SECOND_NS

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from natsd.base.clock import Clock, Timer, Timers
    from natsd.net.resets import Resets
    from natsd.net.throttle import Throttle

    class Outbound(Protocol):
        """A connection's way out, as far as it matters here."""

        owner: Any
        pending: int
        sent_bytes: int
        closed: bool

        def send(self) -> int: ...

        def close(self) -> None: ...

    class Peer(Protocol):
        """Who decides about the connection."""

        def on_deadline(self, text: str) -> None: ...

        def on_broken(self, code: int) -> None: ...


STALL_NS = 10 * MS_NS
"""How long a producer waits for slow receivers at most, per read."""
LINGER_NS = 250 * MS_NS
LINGER_BYTES = 1 << 20
LINGER_READ = 65536
MOST_LINGERING = 4096
"""Above so many that flush or linger, the next ones are closed at once: a flood must not collect here."""
LAST_READS = 4096
"""How often a connection that was reset is read at most: more than any receive buffer takes."""
LAST_READS_PER_TURN = 16

_OPEN, _FLUSHING, _LINGERING, _CLOSED = range(4)


class Network:
    """What the connections of one server share."""

    __slots__ = (
        "closing",
        "clock",
        "loop",
        "max_pending",
        "resets",
        "stall_bytes",
        "stalling",
        "throttle",
        "timers",
        "write_deadline_ns",
    )

    def __init__(self, loop: AbstractEventLoop, resets: Resets, clock: Clock, timers: Timers) -> None:
        self.loop = loop
        self.resets = resets
        self.clock = clock
        self.timers = timers
        self.write_deadline_ns = 10 * SECOND_NS
        self.stalling = True
        self.stall_bytes = 1 << 20
        self.max_pending = 64 << 20
        self.throttle: Throttle | None = None
        """Of TLS handshakes."""
        self.closing: set[Connection] = set()
        """Connections that have no session any more and flush or linger."""


class Stall:
    """A producer that waits: for whom, and how far each of them was when it began."""

    __slots__ = ("producer", "receivers", "timer")

    def __init__(self, producer: Connection) -> None:
        self.producer = producer
        self.receivers: list[tuple[Connection | Backlog, int]] = []
        self.timer = producer.network.timers.schedule(STALL_NS, self.on_timeout)

    def wait_for(self, receiver: Connection | Backlog, sent_bytes: int) -> None:
        if self not in receiver.waiting:
            self.receivers.append((receiver, sent_bytes))
            receiver.waiting.append(self)

    def on_caught_up(self, receiver: Connection | Backlog) -> None:
        """One of them has drained, or is gone."""
        self.receivers = [entry for entry in self.receivers if entry[0] is not receiver]
        if not self.receivers:
            self.end()

    def on_timeout(self) -> None:
        """The producer has waited long enough for connections; who did not move meanwhile is not waited for again."""
        lasting = [entry for entry in self.receivers if isinstance(entry[0], Backlog)]
        for receiver, before in self.receivers:
            if isinstance(receiver, Connection):
                receiver.note_progress(before)
                receiver.waiting.remove(self)
        self.receivers = lasting
        if not lasting:
            self.end()

    def end(self) -> None:
        """Let the producer go on."""
        self.cancel()
        self.producer.go_on()

    def cancel(self) -> None:
        self.timer.cancel()
        for receiver, _ in self.receivers:
            receiver.waiting.remove(self)
        self.receivers = []


class Backlog:
    """What waits for something slower than any socket, a disk. Producers that add to it when it is full wait until it
    is released, however long that takes. On a road's list of the congested it stands beside the outbounds."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: list[Stall] = []

    def release(self) -> None:
        """Let everybody go on."""
        waiting, self.waiting = self.waiting, []
        for stall in waiting:
            stall.on_caught_up(self)


class Connection:
    """One accepted socket. Bind `outbound` and `peer`, then `start`."""

    __slots__ = (
        "_blocked_ns",
        "_drained",
        "_linger",
        "_mark",
        "_last_reads",
        "_read",
        "_sock",
        "_stall",
        "_state",
        "_stuck_at",
        "_timer",
        "_writing",
        "fd",
        "network",
        "outbound",
        "peer",
        "waiting",
    )

    def __init__(self, network: Network, sock: socket.socket) -> None:
        self.network = network
        self._sock = sock
        self.fd = sock.fileno()
        self.outbound: Outbound
        self.peer: Peer
        self.waiting: list[Stall] = []
        """Producers that wait for this connection to take what was sent to it."""
        self._read: Callable[[int], None]
        self._state = _OPEN
        self._writing = False
        self._linger = False
        self._drained = 0
        self._mark = 0  # how far the outbound must be sent for the deadline to be kept
        self._blocked_ns = 0  # since when that is waited for
        self._timer: Timer | None = None  # write deadline, or the end of lingering
        self._stall: Stall | None = None
        self._last_reads = -1  # how often to read still, once it was reset
        self._stuck_at = -1  # sent_bytes of one that did not move during a stall
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass  # it was reset before we came to it; reading will tell

    @property
    def is_open(self) -> bool:
        """Whether nobody has begun to close it."""
        return self._state == _OPEN

    def start(self, outbound: Outbound, peer: Peer, read: Callable[[int], None]) -> None:
        """Call `read` with the descriptor whenever there is something to read."""
        self.outbound = outbound
        self.peer = peer
        self._read = read
        self.network.loop.add_reader(self.fd, read, self.fd)
        self.network.resets.watch(self.fd, self)

    def read_by(self, read: Callable[[int], None], take_in: Callable[[bytes], None]) -> None:
        """Have others read from now on; `take_in` gets what came another way than through the descriptor."""
        self._read = read
        if self._state == _OPEN and self._stall is None and self._last_reads < 0:
            self.network.loop.add_reader(self.fd, read, self.fd)

    def on_reset(self) -> None:
        """The other side is gone without a farewell: take in what it said before, up to the error."""
        if self._state == _OPEN:
            self._last_reads = LAST_READS
            self._read_last()
        else:
            self._free()

    def _read_last(self) -> None:
        for _ in range(LAST_READS_PER_TURN):
            if self._state != _OPEN:
                return
            self._read(self.fd)
        self._last_reads -= LAST_READS_PER_TURN
        if self._last_reads > 0:
            self.network.loop.call_soon(self._read_last)
        else:
            self.peer.on_broken(ECONNRESET)

    # Writing.

    def on_blocked(self) -> None:
        """The socket is full: go on when it is not, and mind the write deadline."""
        if self._writing or self._state > _FLUSHING:
            return
        self._writing = True
        self.network.loop.add_writer(self.fd, self.on_writable)
        self._set_mark()
        if self._timer is None:
            self._timer = self.network.timers.schedule(self.network.write_deadline_ns, self._on_deadline)

    def on_output(self) -> None:
        """Only an outbound without a descriptor asks for this."""

    def on_writable(self) -> None:
        """The socket takes more."""
        left = self._send()
        if self._state > _FLUSHING:
            return  # sending failed, and the session closed us
        if not left:
            self._stop_writing()
            if self._state == _FLUSHING:
                self._end_flush()
                return
        elif self._sent() >= self._mark:
            self._set_mark()
        if self.waiting and left < self.network.stall_bytes // 2:
            self._release()

    def _send(self) -> int:
        """Send what the socket takes; returns how much is left."""
        return self.outbound.send()

    def _sent(self) -> int:
        """How much of what went through the outbound is sent for certain."""
        return self.outbound.sent_bytes

    def _set_mark(self) -> None:
        outbound = self.outbound
        self._mark = outbound.sent_bytes + outbound.pending
        self._blocked_ns = self.network.clock.now_ns()

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self.network.loop.remove_writer(self.fd)

    def _on_deadline(self) -> None:
        # Set once and left to run out, since sockets fill and drain far more often than deadlines are missed.
        self._timer = None
        if not self._writing:
            return
        network = self.network
        left_ns = self._blocked_ns + network.write_deadline_ns - network.clock.now_ns()
        if left_ns > 0:
            self._timer = network.timers.schedule(left_ns, self._on_deadline)
        elif self._state == _OPEN:
            seconds = network.write_deadline_ns / SECOND_NS
            self.peer.on_deadline(f"WriteDeadline of {seconds:g}s exceeded with {self.outbound.pending} total bytes.")
        else:
            self._free()

    # Producers and receivers.

    def pause(self, receivers: Sequence[Outbound | Backlog]) -> bool:
        """Stop reading until these receivers have drained, for 10 ms at most but for a backlog; False when there is
        nobody to wait for.

        A receiver that took nothing at all during an earlier stall is only waited for once half of max_pending is
        reached: it must not slow others, and will be cut by max_pending or the deadline.
        """
        network = self.network
        if self._stall is not None or self._state != _OPEN or self._last_reads >= 0:
            return False
        stall: Stall | None = None
        for outbound in receivers:
            if isinstance(outbound, Backlog):
                stall = stall or Stall(self)
                stall.wait_for(outbound, 0)
                continue
            receiver = outbound.owner.wire
            if (
                not network.stalling
                or not isinstance(receiver, Connection)
                or receiver._state != _OPEN
                or not receiver._writing
            ):
                continue
            if receiver._stuck_at == outbound.sent_bytes and outbound.pending <= network.max_pending // 2:
                continue
            if stall is None:
                stall = Stall(self)
            stall.wait_for(receiver, outbound.sent_bytes)
        if stall is None:
            return False
        self._stall = stall
        network.loop.remove_reader(self.fd)
        return True

    def go_on(self) -> None:
        """The wait is over: read again."""
        self._stall = None
        if self._state == _OPEN and self._last_reads < 0:
            self.network.loop.add_reader(self.fd, self._read, self.fd)

    def note_progress(self, before: int) -> None:
        """A producer waited in vain; `before` is how much was sent when it began."""
        self._stuck_at = before if self.outbound.sent_bytes == before else -1

    def _release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for stall in waiting:
            stall.on_caught_up(self)

    # Closing.

    def close(self, *, flush: bool, linger: bool) -> None:
        """Close, in the steps that the top of this file tells."""
        if self._state != _OPEN:
            if not flush:
                self._free()
            return
        self._state = _FLUSHING
        self._linger = linger
        network = self.network
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        else:
            network.loop.remove_reader(self.fd)
        if len(network.closing) >= MOST_LINGERING:
            self._linger = False
        network.closing.add(self)
        self._release()
        if not flush or self.outbound.closed:
            self._free()
        elif not self._send():
            if self._state == _FLUSHING:
                self._end_flush()
        else:
            self.on_blocked()

    def _end_flush(self) -> None:
        if self.outbound.closed or not self._linger:
            self._free()
            return
        network = self.network
        self.outbound.close()
        self._stop_writing()
        self._state = _LINGERING
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._free()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = network.timers.schedule(LINGER_NS, self._free)
        network.loop.add_reader(self.fd, self._drain)

    def _drain(self) -> None:
        try:
            size = len(self._sock.recv(LINGER_READ))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            size = 0
        self._drained += size
        if not size or self._drained > LINGER_BYTES:
            self._free()

    def _free(self) -> None:
        if self._state == _CLOSED:
            return
        if self._state == _LINGERING:
            self.network.loop.remove_reader(self.fd)
        self._state = _CLOSED
        self._stop_writing()
        self.outbound.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.network.closing.discard(self)
        self.network.resets.forget(self.fd)
        self._sock.close()
