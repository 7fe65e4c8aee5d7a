"""A mebibyte without a line end, and random bytes: -ERR or silence as the Go server's, and bounded memory."""

from __future__ import annotations

import random
import re
import select

import pytest

from tests.bad_input.peers import CONNECT, HealthyPair, Peer
from tests.places import ServerProcess

MIB = 1 << 20
UNKNOWN = b"-ERR 'Unknown Protocol Operation'\r\n"
TOO_LONG = b"-ERR 'maximum control line exceeded'\r\n"


@pytest.mark.parametrize(
    ("start", "answer"),
    [
        (b"\x00", UNKNOWN),
        (b"x", UNKNOWN),
        (b"PUBx", UNKNOWN),
        (b"PUB x", TOO_LONG),
        (b"HPUB x", TOO_LONG),
        (b"SUB x", TOO_LONG),
        (b"UNSUB x", TOO_LONG),
        (b"CONNECT x", TOO_LONG),
        (b"INFO x", TOO_LONG),
        (b"-ERR x", TOO_LONG),
        (b"MSG x", UNKNOWN),
    ],
)
def test_a_line_without_end_is_cut_off(server: ServerProcess, start: bytes, answer: bytes) -> None:
    with HealthyPair(server):
        peer = Peer(server)
        peer.send(start + b"x" * (MIB - len(start)))
        assert peer.rest() == answer
        peer.close()


@pytest.mark.parametrize("start", [b"PING ", b"PONG ", b"+OK ", b"PUB ", b"SUB ", b"CONNECT "])
def test_what_is_skipped_may_go_on_for_ever_and_is_not_kept(server: ServerProcess, start: bytes) -> None:
    filler = b" " if start in (b"PUB ", b"SUB ", b"CONNECT ") else b"x"
    with HealthyPair(server):
        peer = Peer(server)
        before = server.rss_bytes()
        peer.send(start)
        for _ in range(16):
            assert peer.send(filler * MIB)
        tail = {b"PUB ": b"foo 1\r\nx\r\n", b"SUB ": b"foo 1\r\n", b"CONNECT ": CONNECT[8:]}.get(start, b"\r\n")
        assert peer.send(tail)
        if start == b"PING ":
            assert peer.line() == b"PONG"
        peer.settle()
        assert server.rss_bytes() - before < 8 * MIB
        peer.close()


def test_many_unfinished_lines_are_kept_only_up_to_the_limit(server: ServerProcess) -> None:
    peers = [Peer(server) for _ in range(200)]
    before = server.rss_bytes()
    with HealthyPair(server):
        for peer in peers:
            peer.send(b"SUB " + b"x" * 4096)
        for peer in peers:
            assert not select.select([peer.socket], [], [], 0)[0]
        for peer in peers:
            peer.send(b"x")
        for peer in peers:
            assert peer.rest() == TOO_LONG
            peer.close()
    assert server.rss_bytes() - before < 16 * MIB


def test_random_bytes_end_a_connection_and_nothing_else(server: ServerProcess) -> None:
    chance = random.Random(7)
    words = [*b"PUB SUB HPUB UNSUB PING PONG CONNECT {} foo 9".split(), b" ", b"\t", b"\r\n", b"\n"]
    answer = re.compile(rb"((\+OK|PONG|-ERR '[^\r\n]*')\r\n)*", re.DOTALL)
    with HealthyPair(server):
        for _ in range(150):
            peer = Peer(server, connect=b"")
            pieces = [chance.choice((*words, chance.randbytes(chance.randint(1, 40)))) for _ in range(60)]
            junk = b"".join(pieces)
            peer.send(junk + b"\r\n\r\n\r\n!\r\n")
            peer.end()
            assert answer.fullmatch(re.sub(rb"H?MSG [^\n]*\n[^\n]*\n", b"", peer.rest())), junk
            peer.close()
