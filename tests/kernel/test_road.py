"""The way out: buffers, partial sends, slow receivers, order of settling, in both forms of the kernel."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from .conftest import Bench


@pytest.fixture
def pair() -> Any:
    """Two ends of a socket with small buffers, ours not waiting."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    theirs.settimeout(60)
    with ours, theirs:
        yield ours, theirs


def drain(peer: Any, theirs: socket.socket, size: int) -> bytes:
    """Read `size` bytes on the other end while the peer is told that it may write."""
    got = bytearray()
    while len(got) < size:
        got += theirs.recv(1 << 16)
        peer.outbound.send()
    return bytes(got)


def test_protocol_bytes_are_sent_when_the_road_settles(bench: Bench, pair: Any) -> None:
    ours, theirs = pair
    peer = bench.peer(ours.fileno())
    calls: list[int] = []
    bench.road.on_work = lambda: calls.append(1)
    peer.outbound.append(b"INFO {} \r\n")
    peer.outbound.append(b"PING\r\n")
    assert calls == [1]
    assert peer.outbound.pending == 16
    assert peer.outbound.dirty
    bench.road.settle()
    assert theirs.recv(100) == b"INFO {} \r\nPING\r\n"
    assert (peer.outbound.pending, peer.outbound.sent_bytes) == (0, 16)


@pytest.mark.parametrize("size", [10, 1000, 4096, 100_000, 300_000])
def test_what_a_full_socket_does_not_take_is_sent_later_and_in_order(bench: Bench, pair: Any, size: int) -> None:
    ours, theirs = pair
    peer = bench.peer(ours.fileno())
    publisher = bench.peer()
    bench.subscribe(peer, b"a")
    expected = b""
    for number in range(40):
        payload = bytes([number]) * size
        publisher.says(b"PUB a %d\r\n%b\r\n" % (size, payload))
        expected += b"MSG a 1 %d\r\n%b\r\n" % (size, payload)
    if size > 1000:
        assert peer.told.count("blocked") == 1
    assert peer.outbound.pending + peer.outbound.sent_bytes == len(expected)
    assert drain(peer, theirs, len(expected)) == expected
    assert peer.outbound.pending == 0


def test_large_payloads_straight_from_the_read_are_sent_whole_to_every_receiver(bench: Bench, pair: Any) -> None:
    ours, theirs = pair
    reading, writing = socket.socketpair()
    with reading, writing:
        reading.setblocking(False)
        writing.setblocking(False)
        publisher = bench.peer(reading.fileno())
        quick = bench.peer(ours.fileno())
        memory = bench.peer()
        bench.subscribe(quick, b"a", b"1")
        bench.subscribe(quick, b"a", b"2")
        bench.subscribe(memory, b"a")
        stream = b"".join(
            b"PUB a %d\r\n%b\r\n" % (size, bytes([size & 255]) * size) for size in (5000, 100, 20_000, 70_000, 5, 9000)
        )
        view = memoryview(stream)
        while view:
            try:
                view = view[writing.send(view[:60_000]) :]
            except BlockingIOError:
                pass
            publisher.inbound.on_readable(reading.fileno())
        publisher.inbound.on_readable(reading.fileno())
        expected = b""
        for size in (5000, 100, 20_000, 70_000, 5, 9000):
            for sid in (1, 2):
                expected += b"MSG a %d %d\r\n%b\r\n" % (sid, size, bytes([size & 255]) * size)
        assert drain(quick, theirs, len(expected)) == expected
        assert len(memory.gets()) * 2 == len(expected)


def test_more_than_max_pending_closes_and_tells_the_owner(bench: Bench) -> None:
    bench.road.max_pending = 1000
    publisher, slow, other = bench.peer(), bench.peer(), bench.peer()
    slow.on_output = lambda: None  # type: ignore[method-assign]
    bench.subscribe(slow, b"a")
    bench.subscribe(other, b"a")
    for _ in range(8):
        publisher.says(b"PUB a 200\r\n" + b"x" * 200 + b"\r\n")
    assert slow.told.count("slow") == 1
    assert slow.outbound.closed
    assert slow.outbound.pending == 0
    assert other.outbound.out_msgs == 8
    slow.outbound.append(b"more")
    assert slow.outbound.pending == 0


def test_a_congested_receiver_stalls_its_producer(bench: Bench) -> None:
    bench.road.stall_bytes = 500
    publisher, slow = bench.peer(), bench.peer()
    slow.on_output = lambda: None  # type: ignore[method-assign]
    bench.subscribe(slow, b"a")
    publisher.says(b"PUB a 200\r\n" + b"x" * 200 + b"\r\n")
    assert publisher.told == []
    publisher.says(b"PUB a 300\r\n" + b"x" * 300 + b"\r\n")
    assert publisher.told == [("stalled", [slow.outbound])]
    publisher.says(b"PING\r\n")
    assert len(publisher.told) == 1


def test_a_broken_socket_is_told_to_the_owner(bench: Bench, pair: Any) -> None:
    ours, theirs = pair
    peer = bench.peer(ours.fileno())
    theirs.close()
    peer.outbound.append(b"PING\r\n")
    bench.road.settle()
    assert peer.told[0][0] == "broken"
    assert peer.outbound.closed


def test_the_picks_of_both_forms_are_alike_and_even(kernel: SimpleNamespace) -> None:
    road = kernel.Road(42)
    picks = [road.pick(5) for _ in range(10_000)]
    assert min(picks.count(n) for n in range(5)) > 1800
    assert kernel.Road(42).pick(1 << 30) == 0x3FFFFFFF & (kernel.Road(42).pick(1 << 31))
    assert [kernel.Road(1).pick(1000), kernel.Road(0).pick(1)] == [kernel.Road(1).pick(1000), 0]


def test_a_local_handler_can_tell_who_spoke(bench: Bench, pair: Any) -> None:
    ours, theirs = pair
    one, other = bench.peer(), bench.peer(ours.fileno())
    spoke: list[Any] = []

    def on_batch(batch: list[Any]) -> None:
        spoke.append(bench.road.speaker)
        bench.sublist.publish(b"reply", None, None, b"x")

    for subject in (b"a", b"reply"):
        handler = on_batch if subject == b"a" else spoke.append
        bench.sublist.insert(bench.kernel.Subscription(subject, b"1", None, None, handler))
    one.says(b"PUB a 0\r\n\r\nPUB a 0\r\n\r\n")
    theirs.send(b"PUB a 0\r\n\r\n")
    other.inbound.on_readable(ours.fileno())
    assert [who for who in spoke if not isinstance(who, list)] == [one, other]
    assert bench.road.speaker is None


def test_nobody_spoke_when_the_server_publishes_or_somebody_broke_off(bench: Bench) -> None:
    peer = bench.peer()
    spoke: list[Any] = []
    sub = bench.kernel.Subscription(b"a", b"1", None, None, lambda batch: spoke.append(bench.road.speaker))
    bench.sublist.insert(sub)
    bench.sublist.publish(b"a", None, None, b"")
    bench.road.settle()

    def fail(ops: list[Any]) -> None:
        raise ValueError("out of order")

    peer.on_ops = fail  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="out of order"):
        peer.says(b"SUB b 1\r\n")
    assert spoke == [None] and bench.road.speaker is None


def test_what_a_local_handler_raises_is_told_and_costs_nobody_else_anything(bench: Bench) -> None:
    def broken(batch: list[Any]) -> None:
        raise KeyError("x")

    taken: list[Any] = []
    failed: list[tuple[bytes, str]] = []
    bench.road.on_failed = lambda sub, error: failed.append((sub.subject, repr(error)))
    for handler in (broken, taken.extend):
        bench.sublist.insert(bench.kernel.Subscription(b"a", b"", None, None, handler))
    peer = bench.peer()
    bench.subscribe(peer, b"a")
    bench.peer().says(b"PUB a 2\r\nhi\r\n")
    assert failed == [(b"a", "KeyError('x')")]
    assert taken == [(b"a", None, None, b"hi")]
    assert peer.gets() == b"MSG a 1 2\r\nhi\r\n"


def test_without_anybody_to_tell_it_goes_up(bench: Bench) -> None:
    def broken(batch: list[Any]) -> None:
        raise KeyError("x")

    bench.sublist.insert(bench.kernel.Subscription(b"a", b"", None, None, broken))
    bench.road.busy = True
    bench.sublist.publish(b"a", None, None, b"")
    with pytest.raises(KeyError):
        bench.road.settle()


def test_work_of_others_has_its_turn_after_the_handlers_that_wait(bench: Bench) -> None:
    order: list[str] = []

    class Work:
        def run_batch(self) -> None:
            order.append("work")

    work = Work()

    def take(batch: list[Any]) -> None:
        bench.road.add_work(work)
        order.append(batch[0][0].decode())

    for subject in (b"a", b"b"):
        bench.sublist.insert(bench.kernel.Subscription(subject, b"1", None, None, take))
    bench.sublist.publish(b"a", None, None, b"")
    bench.sublist.publish(b"b", None, None, b"")
    bench.road.settle()
    assert order == ["a", "b", "work", "work"]


def test_handlers_keep_their_batches_where_another_one_fails(bench: Bench) -> None:
    heard: list[bytes] = []

    def take(batch: list[Any]) -> None:
        heard.extend(message[0] for message in batch)
        if batch[0][0] == b"a":
            raise ValueError("no")

    for subject in (b"a", b"b"):
        bench.sublist.insert(bench.kernel.Subscription(subject, b"1", None, None, take))
        bench.sublist.publish(subject, None, None, b"")
    with pytest.raises(ValueError, match="no"):
        bench.road.settle()
    bench.road.settle()
    bench.sublist.publish(b"b", None, None, b"")
    bench.road.settle()
    assert heard == [b"a", b"b", b"b"]


def test_the_road_knows_a_message_that_comes_alone(bench: Bench) -> None:
    lone: list[bool] = []

    class Work:
        def run_batch(self) -> None:
            lone.append(bench.road.lone)

    def take(batch: list[Any]) -> None:
        lone.append(bench.road.lone)

    for subject in (b"a", b"b"):
        bench.sublist.insert(bench.kernel.Subscription(subject, b"1", None, None, take))
    for read in ((b"a",), (b"a", b"a"), (b"a", b"b"), (b"b",)):
        for subject in read:
            bench.sublist.publish(subject, None, None, b"")
        bench.road.settle()
        lone.append(bench.road.lone)
    assert lone == [True, False] + [False, False] + [False, False, False] + [True, False]
    bench.road.add_work(Work())
    bench.sublist.publish(b"a", None, None, b"")
    bench.road.settle()
    assert lone[-2:] == [False, False]
