"""Load that comes from one peer: very many subscriptions, readers that do not read, senders that take their time."""

from __future__ import annotations

import threading
import time

import pytest

from tests.bad_input.peers import CONNECT, HealthyPair, Peer, eventually
from tests.places import ServerProcess, Servers

MIB = 1 << 20
MANY = 100_000


def test_a_hundred_thousand_subscriptions_to_everything(servers: Servers, form: str) -> None:
    server = servers.start(form, [], {}, fresh=True)
    before = server.page("subsz")["num_subscriptions"]
    greedy = Peer(server)
    greedy.send(b"".join(b"SUB > %d\r\n" % sid for sid in range(MANY)))
    greedy.settle()
    assert server.page("subsz")["num_subscriptions"] >= MANY
    speaker = Peer(server)
    speaker.send(b"PUB foo 1\r\nx\r\n")
    frames = [b"MSG foo %d 1\r\nx\r\n" % sid for sid in range(MANY)]
    got = greedy.exactly(sum(map(len, frames)))
    assert sorted(got.replace(b"\r\nx\r\n", b"\r\nx\r\n|").split(b"|")[:-1]) == sorted(frames)
    greedy.settle()
    greedy.send(b"".join(b"UNSUB %d\r\n" % sid for sid in range(0, MANY, 2)))
    greedy.settle()
    speaker.send(b"PUB foo 1\r\ny\r\n")
    frames = [b"MSG foo %d 1\r\ny\r\n" % sid for sid in range(1, MANY, 2)]
    greedy.exactly(sum(map(len, frames)))
    greedy.settle()
    greedy.close()
    assert eventually(lambda: server.page("subsz")["num_subscriptions"] == before)
    with HealthyPair(server):
        time.sleep(0.05)
    server.stop()


def test_subscriptions_that_come_and_go_leave_nothing_behind(server: ServerProcess) -> None:
    with HealthyPair(server):
        peer = Peer(server)
        before = server.page("subsz")["num_subscriptions"]
        rounds = [b"SUB churn.%d.* 1\r\nSUB churn.*.%d q 2\r\nUNSUB 1\r\nUNSUB 2\r\n" % (i, i) for i in range(20_000)]
        for start in range(0, len(rounds), 1000):
            peer.send(b"".join(rounds[start : start + 1000]))
        peer.settle()
        assert server.page("subsz")["num_subscriptions"] == before
        peer.close()


@pytest.mark.parametrize("pending", [4 * MIB])
def test_a_reader_that_does_not_read_is_cut_off_and_costs_no_more_than_its_share(
    servers: Servers, form: str, pending: int
) -> None:
    server = servers.start(form, [], {"max_pending": pending, "write_deadline_s": 3}, fresh=True)
    subscriptions = server.page("subsz")["num_subscriptions"]
    lazy = Peer(server, receive_buffer=4096)
    lazy.send(b"SUB flood 1\r\n")
    lazy.settle()
    before = server.rss_bytes()
    with HealthyPair(server):
        flooder = Peer(server)
        chunk = b"PUB flood 16384\r\n" + b"f" * 16384 + b"\r\n"
        for _ in range(64):
            flooder.send(chunk * 16)
        flooder.settle()
        assert eventually(lambda: server.page("varz")["slow_consumers"] == 1)
        assert server.rss_bytes() - before < pending + 24 * MIB
    flooder.settle()
    got = lazy.rest()
    assert len(got) < 64 * 16 * len(chunk)
    assert b"-ERR" not in got[-200:]
    lazy.close()
    assert eventually(lambda: server.page("subsz")["num_subscriptions"] == subscriptions)
    server.stop()


def test_a_reader_that_does_not_read_is_cut_off_at_the_write_deadline(servers: Servers, form: str) -> None:
    server = servers.start(form, [], {"write_deadline_s": 0.5}, fresh=True)
    lazy = Peer(server, receive_buffer=4096)
    lazy.send(b"SUB flood 1\r\n")
    lazy.settle()
    speaker = Peer(server)
    with HealthyPair(server):
        speaker.send((b"PUB flood 65536\r\n" + b"f" * 65536 + b"\r\n") * 160)
        speaker.settle()
        assert eventually(lambda: server.page("varz")["slow_consumers"] == 1)
        assert eventually(lambda: server.page("connz")["num_connections"] == 3)
    lazy.close()
    server.stop()


def test_a_fast_producer_is_slowed_before_a_steady_reader_is_cut_off(servers: Servers, form: str) -> None:
    server = servers.start(form, [], {"max_pending": 8 * MIB}, fresh=True)
    reader = Peer(server)
    reader.send(b"SUB stream 1\r\n")
    reader.settle()
    frames = 3000
    payload = b"s" * 16384

    def produce() -> None:
        producer = Peer(server)
        for _ in range(frames // 20):
            producer.send((b"PUB stream 16384\r\n" + payload + b"\r\n") * 20)
        producer.settle()
        producer.close()

    thread = threading.Thread(target=produce)
    thread.start()
    total = frames * (len(b"MSG stream 1 16384\r\n") + len(payload) + 2)
    got, tail = 0, b""
    while got < total:
        data = reader.socket.recv(MIB // 2)
        assert data, f"cut off after {got} of {total} bytes"
        pings = (tail + data).count(b"PING\r\n")
        tail = (tail + data)[-5:]
        got += len(data) - pings * len(b"PING\r\n")
        time.sleep(0.003)
    thread.join()
    assert got == total
    assert server.page("varz")["slow_consumers"] == 0
    server.stop()


def test_senders_that_take_their_time_disturb_nobody(server: ServerProcess) -> None:
    count = 100
    script = CONNECT + b"SUB loris.%03d 1\r\nPUB loris.%03d 6\r\nslow\r\n\r\nPING\r\n"
    senders = [(number, Peer(server, connect=b"")) for number in range(count)]
    with HealthyPair(server, worst_s=1.0) as pair:
        streams = [script.replace(b"%03d", b"%03d" % number) for number, _ in senders]
        for at in range(len(streams[0])):
            for stream, (_, peer) in zip(streams, senders, strict=True):
                peer.send(stream[at : at + 1])
            time.sleep(0.004)
    assert pair.count > len(streams[0]) / 10
    for number, peer in senders:
        answer = b"MSG loris.%03d 1 6\r\nslow\r\n\r\nPONG\r\n" % number
        assert peer.exactly(len(answer)) == answer
        peer.close()
