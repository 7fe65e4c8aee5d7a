"""Every verb divided in two at every byte gives the answer that it gives in one piece."""

from __future__ import annotations

import time

import pytest

from tests.bad_input.peers import CONNECT, Peer
from tests.places import ServerProcess

# "@" becomes a word of the connection's own.
DIALOGUES = {
    "CONNECT": (CONNECT + b"PING\r\n", b"PONG\r\n"),
    "SUB and PUB": (
        CONNECT + b"SUB split.@ 1\r\nPUB split.@ re 5\r\nhel\r\n\r\nPING\r\n",
        b"MSG split.@ 1 re 5\r\nhel\r\n\r\nPONG\r\n",
    ),
    "HPUB": (
        CONNECT + b"SUB split.@ q 1\r\nHPUB split.@ 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n",
        b"HMSG split.@ 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPONG\r\n",
    ),
    "UNSUB": (
        CONNECT + b"SUB split.@ 1\r\nUNSUB 1 1\r\nPUB split.@ 1\r\na\r\nPUB split.@ 1\r\nb\r\nPING\r\n",
        b"MSG split.@ 1 1\r\na\r\nPONG\r\n",
    ),
    "verbose, +OK, PONG, INFO": (
        b'CONNECT {"headers":true}\r\nPONG\r\n+OK\r\nINFO {}\r\nSUB x..y 1\r\nUNSUB 9\r\n-ERR x\r\n',
        b"+OK\r\n-ERR 'Invalid Subject'\r\n+OK\r\n",
    ),
    "tabs and bare line feeds": (
        CONNECT.replace(b"\r", b"") + b"SUB\tsplit.@ \t 1\nPUB  split.@\t2 \nhi\r\nPING \n",
        b"MSG split.@ 1 2\r\nhi\r\nPONG\r\n",
    ),
    "no size": (CONNECT + b"PUB foo -1\r\n", b""),
    "unknown verb": (CONNECT + b"UNSUX 1\r\n", b"-ERR 'Unknown Protocol Operation'\r\n"),
    "payload too long": (CONNECT + b"PUB foo 2\r\nhix\r\n", b"-ERR 'Unknown Protocol Operation'\r\n"),
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_every_verb_in_every_split(server: ServerProcess, name: str) -> None:
    peers = []
    for at in range(len(DIALOGUES[name][0])):
        word = b"%03d" % at
        sent, answer = (text.replace(b"@", word) for text in DIALOGUES[name])
        peer = Peer(server, connect=b"")
        peer.send(sent[:at])
        peers.append((at, sent, answer, peer))
    time.sleep(0.05)
    for at, sent, _, peer in peers:
        peer.send(sent[at:])
    for at, sent, answer, peer in peers:
        if answer.endswith(b"PONG\r\n"):
            got = peer.exactly(len(answer))
        else:
            got = peer.rest()
        assert got == answer, f"divided at {at}: {sent[:at]!r}"
        peer.close()
