"""What clients and disks can do to the log."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.bad_input.peers import HealthyPair, Peer
from tests.places import Servers

CANARY = "CANARY-9f2c"


def test_no_client_can_forge_a_line_or_drive_a_terminal(servers: Servers) -> None:
    server = servers.start("natsd", ["-DV"], {}, fresh=True)
    forged = "[1] 2026/01/01 00:00:00.000000 [INF] forged"
    name = "\\n" + forged + "\\u001b[2J\\u2028\\u0085"
    peer = Peer(
        server, connect=b'CONNECT {"verbose":false,"name":"%b","lang":"%b","version":"%b"}\r\n' % ((name.encode(),) * 3)
    )
    payload = b"\r\n" + forged.encode() + b"\x1b]0;x\x07\r\n"
    peer.send(b"SUB a\x1b[31m 1\r\nPUB a\x1b[31m %d\r\n%b\r\n" % (len(payload), payload))
    peer.send(b"\x1b[31mNOSUCHVERB\r\n")
    peer.rest()
    text = server.log.read_bytes().decode()
    server.stop()
    assert "forged" in text and not re.search(r"(?m)^\[1\]", text)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk to be had here")
def test_a_full_disk_stops_nobody(servers: Servers) -> None:
    server = servers.start("natsd", ["-DV", "-l", "/dev/full"], {}, fresh=True)
    with HealthyPair(server) as pair:
        for _ in range(100):
            Peer(server).close()
    assert pair.count > 10 and server.process.poll() is None
    server.stop()


def test_no_secret_is_in_the_log_or_on_a_page(servers: Servers, tmp_path: Path) -> None:
    config = tmp_path / "secret.conf"
    config.write_text(
        f"authorization {{users: [{{user: u, password: '{CANARY}'}}, {{user: n, password: n}}]}}\nno_auth_user: n"
    )
    server = servers.start("natsd", ["-DV", "-c", str(config)], {}, fresh=True)
    for connect in (
        f'{{"user":"u","pass":"{CANARY}"}}',
        f'{{"user":"u","pass":"{CANARY}x"}}',
        f'{{"auth_token":"{CANARY}"}}',
        f'{{"nkey":"N","sig":"{CANARY}","jwt":"{CANARY}"}}',
        f'{{"user":"u","PASS":"{CANARY}"}}',
        f'{{"user":"u","pass":"{CANARY}',
        f'{{"user":"u","pass":"{CANARY}","pass":5}}',
    ):
        peer = Peer(server, connect=b"")
        peer.send(f"CONNECT {connect}\r\nPING\r\nFOO\r\n".encode())
        peer.rest()
    pages = [server.page(f"{page}?auth=1&subs=1&state=all") for page in ("varz", "connz", "subsz")]
    text = server.log.read_text()
    server.stop()
    assert "CONNECT" in text
    assert CANARY not in text and CANARY not in str(pages)


def test_a_client_that_does_everything_wrong_does_not_fill_the_disk(servers: Servers) -> None:
    options = {"users": [{"user": "u", "permissions": {"publish": "a"}}], "no_auth_user": "u"}
    server = servers.start("natsd", [], options, fresh=True)
    peer = Peer(server)
    for _ in range(20):
        peer.send(b"PUB b 0\r\n\r\n" * 1000)
        peer.exactly(1000 * len(b"-ERR 'Permissions Violation for Publish to \"b\"'\r\n"))
    for _ in range(300):
        other = Peer(server, connect=b"")
        other.send(b"FOO\r\n")
        other.rest()
    lines = server.log.read_text().count("\n")
    server.stop()
    assert lines < 1500
