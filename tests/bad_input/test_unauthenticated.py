"""Peers that have not authenticated cost so many bytes for so many seconds and no more. docs/security.md has the same
numbers; what is allowed here is a little more, for what the system's allocator keeps.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.bad_input.peers import HealthyPair, Peer, eventually
from tests.certificates import Authority
from tests.places import PATIENCE_S, ServerProcess, Servers

KIB = 1 << 10
SILENT_BYTES = 4 * KIB
LINE_BYTES = 12 * KIB
HANDSHAKE_BYTES = 96 * KIB
USERS = {"users": [{"user": "anybody"}, {"user": "u", "password": "p"}], "no_auth_user": "anybody"}
"""Somebody has to authenticate, and the healthy pair can."""


@contextmanager
def silent(server: ServerProcess, count: int, data: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that say this and no more."""
    with ExitStack() as stack:
        peers = []
        for _ in range(count):
            peer = stack.enter_context(socket.create_connection((server.host, server.port), PATIENCE_S))
            if data:
                peer.sendall(data)
            peers.append(peer)
        yield peers


def connections(server: ServerProcess) -> int:
    return int(server.page("connz?limit=1")["total"])


def growth(server: ServerProcess, count: int, data: bytes = b"") -> float:
    """How many bytes of memory each of so many such connections costs, the first ones left out."""
    with silent(server, 20, data):
        time.sleep(0.2)
        before = server.rss_bytes()
        with silent(server, count, data):
            assert eventually(lambda: connections(server) >= count + 20)
            time.sleep(0.2)
            return (server.rss_bytes() - before) / count


def client_hello() -> bytes:
    inbound, outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(inbound, outbound).do_handshake()
    return outbound.read()


@pytest.fixture(scope="module")
def tls_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = Authority(folder).sign("server")
    config = folder / "tls.conf"
    config.write_text(
        f"tls {{cert_file: '{cert}', key_file: '{key}', timeout: 1}}\nauthorization {{token: t, timeout: 1.5}}"
    )
    return config


@pytest.mark.parametrize("options", [{}, {**USERS, "auth_timeout_s": 60}], ids=["open", "users"])
def test_five_thousand_silent_connections_cost_little_and_disturb_nobody(
    servers: Servers, options: dict[str, object]
) -> None:
    server = servers.start("natsd", [], options, fresh=True)
    with silent(server, 20):
        before = server.rss_bytes()
        with silent(server, 5000), HealthyPair(server):
            assert eventually(lambda: connections(server) >= 5022)
            time.sleep(0.2)
            each = (server.rss_bytes() - before) / 5000
            assert each < SILENT_BYTES
    assert eventually(lambda: connections(server) == 0)
    server.stop()


@pytest.mark.parametrize(
    "data",
    [b"", b"CON", b"CONNECT {", b"CONNECT {" + b" " * 4000, b"\r\n\r\n"],
    ids=["nothing", "half a verb", "half a line", "a long half line", "blank lines"],
)
def test_who_does_not_authenticate_in_time_is_closed(servers: Servers, data: bytes) -> None:
    server = servers.start("natsd", [], {**USERS, "auth_timeout_s": 1.5})
    with HealthyPair(server), silent(server, 200, data) as peers:
        begin = time.monotonic()
        for peer in peers:
            received = b""
            while chunk := peer.recv(4096):
                received += chunk
            assert received.endswith(b"-ERR 'Authentication Timeout'\r\n") or b"-ERR 'Unknown Protocol" in received
        assert time.monotonic() - begin < PATIENCE_S


def test_bytes_that_dribble_in_buy_no_time(servers: Servers) -> None:
    server = servers.start("natsd", [], {**USERS, "auth_timeout_s": 0.5})
    with silent(server, 50) as peers:
        for byte in itertools.chain(b'CONNECT {"name":"', itertools.repeat(ord("x"), 4000)):
            for peer in peers:
                try:
                    peer.sendall(bytes([byte]))
                except OSError:
                    pass
            if connections(server) == 0:
                break
            time.sleep(0.02)
        else:
            pytest.fail("they dribble on and are still there")


def test_half_a_line_costs_no_more_than_a_line(servers: Servers) -> None:
    server = servers.start("natsd", [], {**USERS, "auth_timeout_s": 60}, fresh=True)
    assert growth(server, 1000, b"CONNECT {" + b" " * 4000) < LINE_BYTES
    with silent(server, 1, b"CONNECT {" + b" " * 8000) as (peer,):
        received = b""
        while chunk := peer.recv(4096):
            received += chunk
        assert received.endswith(b"-ERR 'maximum control line exceeded'\r\n")
    server.stop()


def test_in_an_open_server_who_says_nothing_and_answers_no_ping_is_closed(servers: Servers) -> None:
    server = servers.start("natsd", [], {"ping_interval_s": 0.3, "ping_max": 1})
    for data in (b"", b"CONNECT {", b"PUB a 100000\r\n" + b"x" * 50000):
        with silent(server, 50, data) as peers:
            for peer in peers:
                received = b""
                while chunk := peer.recv(4096):
                    received += chunk
                assert received.endswith(b"-ERR 'Stale Connection'\r\n")
        assert eventually(lambda: connections(server) == 0)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0], ids=["nothing", "half a hello", "a hello"])
def test_half_a_handshake_ends_in_time(servers: Servers, tls_config: Path, share: float) -> None:
    server = servers.start("natsd", ["-c", str(tls_config)], {})
    hello = client_hello()
    with silent(server, 200, hello[: int(len(hello) * share)]) as peers:
        begin = time.monotonic()
        for peer in peers:
            while peer.recv(4096):
                pass
        assert time.monotonic() - begin < PATIENCE_S
    assert eventually(lambda: connections(server) == 0)


def test_half_a_handshake_costs_what_openssl_takes_and_no_more(servers: Servers, tls_config: Path) -> None:
    config = tls_config.with_name("slow.conf")
    config.write_text(tls_config.read_text().replace("timeout: 1}", "timeout: 60}"))
    server = servers.start("natsd", ["-c", str(config)], {}, fresh=True)
    assert growth(server, 500) < SILENT_BYTES
    assert growth(server, 500, client_hello()[:100]) < HANDSHAKE_BYTES
    assert growth(server, 500, b"\x16\x03\x01\x40\x00" + b"x" * 16000) < HANDSHAKE_BYTES
    server.stop()


def test_a_handshake_does_not_stand_for_authentication(servers: Servers, tls_config: Path) -> None:
    server = servers.start("natsd", ["-c", str(tls_config)], {})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with silent(server, 1) as (raw,):
        assert raw.recv(4096).startswith(b"INFO")
        with context.wrap_socket(raw) as peer:
            begin = time.monotonic()
            received = b""
            while chunk := peer.recv(4096):
                received += chunk
            assert received == b"-ERR 'Authentication Timeout'\r\n"
            assert time.monotonic() - begin < PATIENCE_S


def test_a_flood_of_connections_above_the_limit_collects_nowhere(servers: Servers) -> None:
    server = servers.start("natsd", [], {"max_connections": 50}, fresh=True)
    with HealthyPair(server), silent(server, 48):
        for _ in range(5):
            with silent(server, 400) as peers:
                assert all(b"INFO" in peer.recv(4096) for peer in peers)
        assert connections(server) == 50
    descriptors = Path(f"/proc/{server.process.pid}/fd")
    assert eventually(lambda: connections(server) == 0)
    assert eventually(lambda: len(list(descriptors.iterdir())) < 40)
    log = server.log.read_text()
    assert 1 <= log.count("maximum connections exceeded") <= 20
    server.stop()


def test_who_is_refused_and_does_not_read_is_freed_all_the_same(servers: Servers) -> None:
    server = servers.start("natsd", [], {"user": "u", "password": "p", "auth_timeout_s": 0.3}, fresh=True)
    descriptors = Path(f"/proc/{server.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    with silent(server, 300, b'CONNECT {"user":"u","pass":"wrong"}\r\n'):
        assert eventually(lambda: len(list(descriptors.iterdir())) <= before + 5)
    log = server.log.read_text()
    assert 1 <= log.count("authentication error") <= 300
    server.stop()


def test_a_client_that_came_in_keeps_its_place_while_others_knock(servers: Servers) -> None:
    server = servers.start("natsd", [], {**USERS, "auth_timeout_s": 1.5})
    peer = Peer(server)
    with silent(server, 100) as others:
        for other in others:
            while other.recv(4096):
                pass
        peer.send(b"SUB a 1\r\nPUB a 2\r\nhi\r\n")
        assert (peer.line(), peer.line()) == (b"MSG a 1 2", b"hi")
    peer.close()
