"""The load generator's loops over socket pairs: every frame is counted once, in any split, and rubbish is noticed."""

from __future__ import annotations

import mmap
import random
import socket
import threading
import time
from array import array
from collections.abc import Iterator

import pytest

load = pytest.importorskip("natsd.kernel._native_load")

FRAMES = b"MSG a 1 5\r\nhello\r\nPING\r\nHMSG b 2 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n+OK\r\nMSG a 1 0\r\n\r\n"
MESSAGES = 3
PAYLOAD_BYTES = 19


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def tally(slots: int = 4) -> load.Tally:
    return load.Tally(mmap.mmap(-1, 64 * slots))


def in_a_minute() -> int:
    return time.monotonic_ns() + 60_000_000_000


def test_counters_are_shared_and_keep_to_their_slots() -> None:
    memory = mmap.mmap(-1, 256)
    one, other = load.Tally(memory), load.Tally(memory)
    one[3] = 7
    assert [other[slot] for slot in range(other.slots)] == [0, 0, 0, 7]
    with pytest.raises(IndexError):
        one[4]
    with pytest.raises(IndexError):
        one[-1] = 1


@pytest.mark.parametrize("seed", range(8))
def test_frames_in_any_split_are_counted_once(seed: int, pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    chance = random.Random(seed)
    data = FRAMES * 20
    counters = tally()
    counters[0] = 20 * MESSAGES

    def send_in_pieces() -> None:
        at = 0
        while at < len(data):
            step = chance.randrange(1, 40)
            here.sendall(data[at : at + step])
            at += step
            if chance.random() < 0.3:
                time.sleep(0.0002)

    sender = threading.Thread(target=send_in_pieces)
    sender.start()
    counts, payload_bytes, first_ns, last_ns = load.receive([there.fileno()], counters, 1, 0, in_a_minute())
    sender.join()
    assert counts == [20 * MESSAGES]
    assert payload_bytes == 20 * PAYLOAD_BYTES
    assert 0 < first_ns <= last_ns
    assert counters[1] == 20 * MESSAGES


def test_a_ping_is_answered(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    counters = tally()
    counters[0] = MESSAGES
    here.sendall(FRAMES)
    load.receive([there.fileno()], counters, 1, 0, in_a_minute())
    assert here.recv(100) == b"PONG\r\n"


def test_many_sockets_are_counted_each_for_itself() -> None:
    pairs = [socket.socketpair() for _ in range(5)]
    counters = tally()
    counters[0] = 15
    for number, (here, _) in enumerate(pairs, 1):
        here.sendall(b"MSG a 1 1\r\nx\r\n" * number)
    counts, *_ = load.receive([there.fileno() for _, there in pairs], counters, 1, 0, in_a_minute())
    assert counts == [1, 2, 3, 4, 5]
    for here, there in pairs:
        here.close()
        there.close()


def test_a_group_is_done_when_all_members_together_have_everything(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    counters = tally()
    counters[0] = MESSAGES + 10
    counters[2] = 10  # what the other member of the group has counted
    here.sendall(FRAMES)
    counts, *_ = load.receive([there.fileno()], counters, 1, 0, in_a_minute(), group=(1, 2))
    assert counts == [MESSAGES]


@pytest.mark.parametrize(
    "data",
    [
        b"MSG a 1 1\r\nxy\r\n",
        b"MSG a 1 1\r\nx\n\n",
        b"MSG a 1 -1\r\nx\r\n",
        b"MSG a 1 99999999999999999999\r\n",
        b"MSG a 1 5\nhello\r\n",
        b"MSG a1x\r\n",
        b"-ERR 'Slow Consumer'\r\n",
        b"PUB a 1\r\nx\r\n",
        b"\r\n",
        b"MSG " + b"a" * 5000,
    ],
)
def test_rubbish_and_errors_end_the_count(data: bytes, pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    counters = tally()
    counters[0] = 100
    here.sendall(b"MSG a 1 1\r\nx\r\n" + data)
    with pytest.raises(ValueError, match="after 1 messages"):
        load.receive([there.fileno()], counters, 1, 0, in_a_minute())


def test_an_ended_stream_and_a_passed_deadline_are_told_apart(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    counters = tally()
    counters[0] = 1
    with pytest.raises(TimeoutError):
        load.receive([there.fileno()], counters, 1, 0, time.monotonic_ns())
    here.close()
    with pytest.raises(ConnectionError):
        load.receive([there.fileno()], counters, 1, 0, in_a_minute())


def test_a_publisher_sends_whole_blocks_and_says_how_many(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    counters = tally()
    block = b"PUB a 1\r\nx\r\n" * 3
    messages, first_ns, last_ns = load.publish(here.fileno(), block, 3, counters, 1, blocks=4)
    assert (messages, counters[1]) == (12, 12)
    assert first_ns < last_ns
    assert there.recv(1000) == block * 4


def test_a_publisher_with_a_window_waits_for_its_receivers(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    counters = tally()
    with pytest.raises(TimeoutError):
        load.publish(
            here.fileno(),
            b"PUB a 1\r\nx\r\n",
            1,
            counters,
            1,
            duration_ns=5_000_000,
            window=4,
            publishers=(1, 1),
            receivers=(2, 1),
        )
    assert counters[1] == 4
    assert there.recv(1000).count(b"PUB") == 4


def test_a_publisher_notices_that_the_server_is_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    there.close()
    with pytest.raises(ConnectionError):
        load.publish(here.fileno(), b"PUB a 1\r\nx\r\n", 1, tally(), 1, blocks=1)


def test_requests_are_answered_and_timed(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    counters = tally()
    counters[0] = -1
    answered = []
    responder = threading.Thread(
        target=lambda: answered.append(load.respond(there.fileno(), b"answer", counters, 0, b"MSG 1 "))
    )
    responder.start()
    latencies_ns = array("q", bytes(8 * 50))
    load.request(here.fileno(), b"PING\r\nMSG service 1 inbox 2\r\nhi\r\n", latencies_ns, in_a_minute())
    counters[0] = 0
    responder.join()
    assert answered == [50]
    assert all(latency_ns > 0 for latency_ns in latencies_ns)


def test_a_message_without_reply_is_not_answered(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    counters = tally()
    counters[0] = -1
    here.sendall(b"MSG service 1 2\r\nhi\r\n")
    here.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError, match="after 0 requests"):
        load.respond(there.fileno(), b"answer", counters, 0)
