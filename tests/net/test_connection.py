"""One connection on the loop, with a real pair of sockets and a loop that is turned by hand."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from natsd.base.clock import HandClock, Timers
from natsd.net.connection import Backlog, Connection, Network


class Loop:
    """An event loop that only remembers which descriptors it was asked to watch."""

    def __init__(self) -> None:
        self.readers: dict[int, Any] = {}
        self.writers: dict[int, Any] = {}
        self.soon: list[Any] = []

    def call_soon(self, callback: Any) -> None:
        self.soon.append(callback)

    def add_reader(self, fd: int, callback: Any, *args: Any) -> None:
        self.readers[fd] = lambda: callback(*args)

    def remove_reader(self, fd: int) -> bool:
        return self.readers.pop(fd, None) is not None

    def add_writer(self, fd: int, callback: Any) -> None:
        self.writers[fd] = callback

    def remove_writer(self, fd: int) -> bool:
        return self.writers.pop(fd, None) is not None


class Outbound:
    """A way out whose socket takes `room` bytes at most; each time it is full it says so."""

    def __init__(self, peer: Peer) -> None:
        self.owner: Any = peer
        self.pending = 0
        self.sent_bytes = 0
        self.closed = False
        self.room = 0
        self.breaks = False

    def send(self) -> int:
        if self.breaks:
            self.close()
            self.owner.on_broken()
            return 0
        size = min(self.pending, self.room)
        self.sent_bytes += size
        self.room -= size
        self.pending -= size
        return self.pending

    def close(self) -> None:
        self.closed = True
        self.pending = 0


class Peer:
    """Who decides: closes the connection for a missed deadline, as a session does."""

    def __init__(self, wire: Connection) -> None:
        self.wire = wire
        self.told: list[str] = []
        self.read = 0
        self.ends_at = -1

    def on_deadline(self, text: str) -> None:
        self.told.append(text)
        self.wire.close(flush=False, linger=False)

    def on_broken(self, code: int = 0) -> None:
        self.told.append("broken")
        self.wire.close(flush=False, linger=False)

    def on_readable(self, fd: int) -> None:
        self.read += 1
        if self.read == self.ends_at:
            self.wire.close(flush=False, linger=False)


class NoResets:
    """A watch for resets that is told of them by the test."""

    def __init__(self) -> None:
        self.watched: dict[int, Connection] = {}

    def watch(self, fd: int, who: Connection) -> None:
        self.watched[fd] = who

    def forget(self, fd: int) -> None:
        self.watched.pop(fd, None)


class Setting:
    def __init__(self) -> None:
        self.loop: Any = Loop()
        self.clock = HandClock()
        self.timers = self.clock.timers = Timers(self.clock)
        self.resets: Any = NoResets()
        self.network = Network(self.loop, self.resets, self.clock, self.timers)
        self.network.stall_bytes = 1000
        self.network.max_pending = 100_000
        self.others: list[socket.socket] = []

    def connection(self) -> tuple[Connection, Any]:
        ours, other = socket.socketpair()
        ours.setblocking(False)
        self.others.append(other)
        connection = Connection(self.network, ours)
        peer = Peer(connection)
        outbound = Outbound(peer)
        connection.start(outbound, peer, peer.on_readable)
        return connection, outbound

    def block(self, connection: Connection, pending: int) -> None:
        connection.outbound.pending += pending
        connection.on_blocked()


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_reading_is_left_to_whoever_was_named(setting: Setting) -> None:
    connection, outbound = setting.connection()
    setting.loop.readers[connection.fd]()
    assert outbound.owner.read == 1


def test_only_an_outbound_without_descriptor_asks_for_its_output_to_be_taken(setting: Setting) -> None:
    connection, _ = setting.connection()
    connection.on_output()


def test_a_full_socket_is_watched_until_all_is_sent(setting: Setting) -> None:
    connection, outbound = setting.connection()
    setting.block(connection, 500)
    setting.block(connection, 100)
    outbound.room = 200
    setting.loop.writers[connection.fd]()
    assert (outbound.pending, connection.fd in setting.loop.writers) == (400, True)
    outbound.room = 400
    setting.loop.writers[connection.fd]()
    assert setting.loop.writers == {}


def test_the_write_deadline_is_missed_by_what_was_there_when_the_socket_filled(setting: Setting) -> None:
    connection, outbound = setting.connection()
    setting.block(connection, 500)
    setting.clock.move(9)
    outbound.pending += 1000
    outbound.room = 499
    connection.on_writable()
    setting.clock.move(1)
    assert outbound.owner.told == ["WriteDeadline of 10s exceeded with 1001 total bytes."]
    assert setting.loop.readers == setting.loop.writers == {}


def test_the_deadline_moves_on_once_that_much_is_sent(setting: Setting) -> None:
    connection, outbound = setting.connection()
    setting.block(connection, 500)
    setting.clock.move(9)
    outbound.pending += 1000
    outbound.room = 500
    connection.on_writable()
    setting.clock.move(9.9)
    assert outbound.owner.told == []
    setting.clock.move(0.1)
    assert len(outbound.owner.told) == 1


def test_a_socket_that_drained_in_time_misses_nothing(setting: Setting) -> None:
    connection, outbound = setting.connection()
    setting.block(connection, 500)
    outbound.room = 500
    connection.on_writable()
    setting.clock.move(60)
    assert outbound.owner.told == []
    assert len(setting.timers) == 0


def test_a_socket_that_filled_again_has_its_full_time(setting: Setting) -> None:
    connection, outbound = setting.connection()
    setting.block(connection, 500)
    outbound.room = 500
    connection.on_writable()
    setting.clock.move(5)
    setting.block(connection, 500)
    setting.clock.move(9)
    assert outbound.owner.told == []
    setting.clock.move(1)
    assert len(outbound.owner.told) == 1


def test_a_send_that_fails_leaves_nothing_watched(setting: Setting) -> None:
    connection, outbound = setting.connection()
    setting.block(connection, 500)
    outbound.breaks = True
    connection.on_writable()
    assert outbound.owner.told == ["broken"]
    assert setting.loop.readers == setting.loop.writers == {}
    assert len(setting.timers) == 0
    connection.on_blocked()
    assert setting.loop.writers == {}


# Producers and receivers.


def test_a_producer_waits_until_its_receivers_have_drained_to_half(setting: Setting) -> None:
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    assert producer.pause([outbound])
    assert producer.fd not in setting.loop.readers
    assert not producer.pause([outbound])
    outbound.room = 1500
    receiver.on_writable()
    assert producer.fd not in setting.loop.readers
    outbound.room = 1
    receiver.on_writable()
    assert producer.fd in setting.loop.readers
    assert receiver.waiting == []


def test_a_producer_waits_for_all_of_them_but_for_no_longer_than_a_moment(setting: Setting) -> None:
    producer, _ = setting.connection()
    receivers = [setting.connection() for _ in range(2)]
    for receiver, _ in receivers:
        setting.block(receiver, 2000)
    assert producer.pause([outbound for _, outbound in receivers])
    receivers[0][1].room = 2000
    receivers[0][0].on_writable()
    assert producer.fd not in setting.loop.readers
    setting.clock.move(0.01)
    assert producer.fd in setting.loop.readers
    assert receivers[1][0].waiting == []


def test_a_full_backlog_is_waited_for_however_long_it_takes(setting: Setting) -> None:
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    backlog = Backlog()
    assert producer.pause([outbound, backlog, backlog])
    setting.clock.move(60)
    assert producer.fd not in setting.loop.readers
    assert receiver.waiting == []
    backlog.release()
    assert producer.fd in setting.loop.readers
    assert producer.pause([backlog])
    producer.close(flush=False, linger=False)
    assert backlog.waiting == []


def test_a_receiver_named_twice_is_waited_for_once(setting: Setting) -> None:
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    assert producer.pause([outbound, outbound])
    outbound.room = 2000
    receiver.on_writable()
    assert producer.fd in setting.loop.readers


def test_a_receiver_that_took_nothing_is_not_waited_for_again_until_it_moves(setting: Setting) -> None:
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    assert producer.pause([outbound])
    setting.clock.move(0.01)
    assert not producer.pause([outbound])
    outbound.room = 100
    receiver.on_writable()
    assert producer.pause([outbound])


def test_a_receiver_that_moved_a_little_is_waited_for_again(setting: Setting) -> None:
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    producer.pause([outbound])
    outbound.room = 100
    receiver.on_writable()
    setting.clock.move(0.01)
    assert producer.pause([outbound])


def test_near_its_end_even_a_stuck_receiver_is_waited_for(setting: Setting) -> None:
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    producer.pause([outbound])
    setting.clock.move(0.01)
    outbound.pending = setting.network.max_pending // 2 + 1
    assert producer.pause([outbound])


def test_nobody_waits_for_receivers_that_are_not_full_or_not_sockets(setting: Setting) -> None:
    producer, _ = setting.connection()
    _, outbound = setting.connection()
    stranger = Outbound(Peer(producer))
    stranger.owner.wire = object()
    assert not producer.pause([outbound, stranger])


def test_stalling_can_be_switched_off(setting: Setting) -> None:
    setting.network.stalling = False
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    assert not producer.pause([outbound])


def test_a_receiver_that_closes_releases_its_producers(setting: Setting) -> None:
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    producer.pause([outbound])
    receiver.close(flush=False, linger=False)
    assert producer.fd in setting.loop.readers
    assert len(setting.timers) == 0


def test_a_producer_that_closes_waits_for_nobody(setting: Setting) -> None:
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    producer.pause([outbound])
    fd = producer.fd
    producer.close(flush=False, linger=False)
    assert receiver.waiting == []
    setting.clock.move(0.02)
    assert fd not in setting.loop.readers
    assert not producer.pause([outbound])


# Closing.


def closed_for(other: socket.socket) -> bool:
    other.setblocking(False)
    try:
        return other.recv(10) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_closing_without_anything_pending_is_done_at_once(setting: Setting) -> None:
    connection, _ = setting.connection()
    connection.close(flush=True, linger=False)
    assert closed_for(setting.others[0])
    assert setting.loop.readers == {}
    assert setting.network.closing == set()


def test_what_is_pending_is_sent_before_the_end(setting: Setting) -> None:
    connection, outbound = setting.connection()
    outbound.pending = 100
    outbound.room = 40
    connection.close(flush=True, linger=False)
    assert setting.network.closing == {connection}
    assert not closed_for(setting.others[0])
    outbound.room = 60
    setting.loop.writers[connection.fd]()
    assert closed_for(setting.others[0])
    assert setting.network.closing == set()


def test_what_nobody_takes_is_given_up_at_the_deadline(setting: Setting) -> None:
    connection, outbound = setting.connection()
    outbound.pending = 100
    connection.close(flush=True, linger=True)
    setting.clock.move(10)
    assert closed_for(setting.others[0])
    assert outbound.owner.told == []


def test_without_flush_what_is_pending_is_dropped(setting: Setting) -> None:
    connection, outbound = setting.connection()
    setting.block(connection, 100)
    connection.close(flush=False, linger=False)
    assert closed_for(setting.others[0])
    assert setting.loop.writers == {}
    assert outbound.closed


def test_a_flush_that_fails_ends_at_once(setting: Setting) -> None:
    connection, outbound = setting.connection()
    outbound.pending = 100
    outbound.breaks = True
    connection.close(flush=True, linger=True)
    assert closed_for(setting.others[0])
    assert setting.network.closing == set()


def test_an_outbound_that_is_closed_already_has_nothing_to_flush(setting: Setting) -> None:
    connection, outbound = setting.connection()
    outbound.close()
    connection.close(flush=True, linger=True)
    assert closed_for(setting.others[0])


def test_lingering_shuts_our_side_and_throws_away_what_still_comes(setting: Setting) -> None:
    connection, _ = setting.connection()
    other = setting.others[0]
    setting.block(connection, 0)
    connection.close(flush=True, linger=True)
    assert other.recv(1) == b""
    other.sendall(b"x" * 1000)
    setting.loop.readers[connection.fd]()
    setting.loop.readers[connection.fd]()
    assert setting.network.closing == {connection}
    other.close()
    setting.loop.readers[connection.fd]()
    assert setting.network.closing == set()
    assert setting.loop.readers == {}
    assert len(setting.timers) == 0


def test_lingering_has_an_end_in_time_and_in_bytes(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    late, _ = setting.connection()
    late.close(flush=True, linger=True)
    setting.clock.move(0.25)
    assert setting.network.closing == set()
    talkative, _ = setting.connection()
    monkeypatch.setattr("natsd.net.connection.LINGER_BYTES", 10)
    talkative.close(flush=True, linger=True)
    setting.others[1].sendall(b"x" * 20)
    setting.loop.readers[talkative.fd]()
    assert setting.network.closing == set()


def test_a_socket_that_is_reset_while_it_lingers_is_freed(setting: Setting) -> None:
    connection, _ = setting.connection()
    connection.close(flush=True, linger=True)
    connection._sock.close()
    setting.loop.readers[connection.fd]()
    assert setting.network.closing == set()


def test_a_socket_that_cannot_be_shut_does_not_linger(setting: Setting) -> None:
    connection, _ = setting.connection()
    connection._sock.detach()
    connection.close(flush=True, linger=True)
    assert setting.network.closing == set()


def test_lingering_can_be_cut_short(setting: Setting) -> None:
    connection, _ = setting.connection()
    connection.close(flush=True, linger=True)
    connection.close(flush=True, linger=True)
    assert setting.network.closing == {connection}
    connection.close(flush=False, linger=False)
    connection.close(flush=False, linger=False)
    assert setting.network.closing == set()
    assert setting.loop.readers == {}


# Resets.


def test_a_connection_that_was_reset_is_read_to_its_end_in_bounded_turns(setting: Setting) -> None:
    connection, outbound = setting.connection()
    outbound.owner.ends_at = 20
    setting.resets.watched[connection.fd].on_reset()
    assert (outbound.owner.read, len(setting.loop.soon)) == (16, 1)
    setting.loop.soon.pop()()
    assert outbound.owner.read == 20
    assert setting.loop.soon == []
    assert setting.resets.watched == {}


def test_a_reset_that_reading_never_shows_is_an_error_in_the_end(setting: Setting) -> None:
    connection, outbound = setting.connection()
    connection.on_reset()
    while setting.loop.soon:
        setting.loop.soon.pop()()
    assert outbound.owner.told == ["broken"]
    assert outbound.owner.read == 4096


def test_a_connection_that_was_reset_waits_for_no_receiver(setting: Setting) -> None:
    producer, _ = setting.connection()
    receiver, outbound = setting.connection()
    setting.block(receiver, 2000)
    assert producer.pause([outbound])
    producer.on_reset()
    setting.clock.move(0.01)
    assert producer.fd not in setting.loop.readers
    assert not producer.pause([outbound])


def test_one_that_was_reset_while_it_closes_is_freed_at_once(setting: Setting) -> None:
    connection, outbound = setting.connection()
    outbound.pending = 100
    connection.close(flush=True, linger=True)
    connection.on_reset()
    assert setting.network.closing == set()
    assert outbound.owner.read == 0
