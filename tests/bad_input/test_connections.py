"""Connections that never speak, half-open ones, ten thousand at once, and clients that die within a payload."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time

from tests.bad_input.peers import CONNECT, HealthyPair, Peer, eventually
from tests.places import PATIENCE_S, ServerProcess, Servers

SILENT = 300
CROWD = 10_000


def connections(server: ServerProcess) -> int:
    return int(server.page("connz?limit=1")["total"])


def subscriptions(server: ServerProcess) -> int:
    return int(server.page("subsz")["num_subscriptions"])


def test_connections_that_never_speak_disturb_nobody(server: ServerProcess) -> None:
    before = connections(server)
    with HealthyPair(server):
        silent = [Peer(server, connect=b"") for _ in range(SILENT)]
        assert eventually(lambda: connections(server) == before + SILENT + 2)
        time.sleep(0.3)
        assert not select.select([peer.socket for peer in silent], [], [], 0)[0]
    for peer in silent:
        peer.close()
    assert eventually(lambda: connections(server) <= before)


def test_connections_that_never_speak_are_closed_where_credentials_are_required(servers: Servers, form: str) -> None:
    server = servers.start(form, [], {"user": "anna", "password": "pier7", "auth_timeout_s": 0.4})
    silent = [Peer(server, connect=b"") for _ in range(SILENT)]
    loris = Peer(server, connect=b"")
    for byte in b'CONNECT {"user":"an':
        loris.send(bytes([byte]))
        time.sleep(0.01)
    for peer in [*silent, loris]:
        assert peer.rest() == b"-ERR 'Authentication Timeout'\r\n"
        peer.close()
    assert eventually(lambda: connections(server) == 0)


def test_a_half_closed_connection_is_closed_after_what_it_said_was_done(server: ServerProcess) -> None:
    before = connections(server)
    witness = Peer(server)
    witness.send(b"SUB half.closed 1\r\n")
    witness.settle()
    for tail in (b"", b"PUB half.closed 10\r\nonly", b"SUB unfinished", b"PI"):
        peer = Peer(server)
        peer.send(b"PUB half.closed 2\r\nhi\r\n" + tail)
        peer.end()
        assert peer.rest() == b""
        assert (witness.line(), witness.line()) == (b"MSG half.closed 1 2", b"hi")
        peer.close()
    witness.settle()
    witness.close()
    assert eventually(lambda: connections(server) <= before)


def test_connections_that_break_at_every_stage_leave_nothing_behind(server: ServerProcess) -> None:
    before = connections(server), subscriptions(server)
    subscribing = CONNECT + b"SUB a.b 1\r\nSUB a.* q 2\r\nSUB > 3\r\nUNSUB 3 5\r\n"
    stages = [b"", b"CONN", CONNECT, subscribing, CONNECT + b"PUB a.b 100\r\nhalf"]
    with HealthyPair(server):
        for stage in stages * 20:
            peer = Peer(server, connect=b"")
            peer.send(stage)
            peer.reset()
        for _ in range(100):
            hasty = socket.create_connection((server.host, server.port))
            hasty.close()
    assert eventually(lambda: (connections(server), subscriptions(server)) == before)


def test_a_client_killed_in_the_middle_of_a_payload_leaves_nothing_behind(server: ServerProcess) -> None:
    before = connections(server), subscriptions(server)
    witness = Peer(server)
    witness.send(b"SUB killed.> 1\r\n")
    witness.settle()
    program = f"""
import socket, time
link = socket.create_connection(({server.host!r}, {server.port}))
link.sendall({CONNECT!r} + b"SUB killed.mine 1\\r\\nSUB killed.* workers 2\\r\\nPUB killed.first 2\\r\\nhi\\r\\n")
link.sendall(b"PUB killed.half 1000000\\r\\n" + b"x" * 500_000)
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", program])
    try:
        assert witness.line() == b"MSG killed.first 1 2"
        assert witness.line() == b"hi"
        assert eventually(lambda: (connections(server), subscriptions(server)) == (before[0] + 2, before[1] + 3))
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert eventually(lambda: (connections(server), subscriptions(server)) == (before[0] + 1, before[1] + 1))
    witness.settle()
    witness.close()
    assert eventually(lambda: (connections(server), subscriptions(server)) == before)


def open_files_limit(wanted: int) -> int:
    """Raise the limit of open files as far as allowed; return how many connections that makes room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted + 500 if hard == resource.RLIM_INFINITY else min(wanted + 500, hard)
    if limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return min(wanted, max(limit, soft) - 400)


def test_ten_thousand_connections_at_once(servers: Servers, form: str) -> None:
    count = open_files_limit(CROWD)
    server = servers.start(form, [], {}, fresh=True, under=("sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh"))
    before = subscriptions(server)
    crowd = []
    with HealthyPair(server, worst_s=3.0):
        for _ in range(count):
            crowd.append(socket.create_connection((server.host, server.port), timeout=PATIENCE_S))
        for peer in crowd:
            peer.sendall(CONNECT + b"SUB crowd 1\r\nPING\r\n")
        for peer in crowd:
            heard = b""
            while b"PONG\r\n" not in heard:
                heard += (data := peer.recv(4096))
                assert data, heard
        assert connections(server) == count + 2
        speaker = Peer(server)
        speaker.send(b"PUB crowd 5\r\nhello\r\n")
        for peer in crowd:
            heard = b""
            while not heard.endswith(b"hello\r\n"):
                # The first PING is due two seconds after the CONNECT, which may be before this.
                heard = (heard + (data := peer.recv(4096))).replace(b"PING\r\n", b"")
                assert data, heard
            assert heard == b"MSG crowd 1 5\r\nhello\r\n"
        speaker.close()
    for peer in crowd:
        peer.close()
    assert eventually(lambda: connections(server) == 0)
    assert eventually(lambda: subscriptions(server) == before)
    server.stop()


def test_a_server_without_a_file_descriptor_left_goes_on_and_takes_the_rest_later(servers: Servers, form: str) -> None:
    open_files_limit(500)
    server = servers.start(form, [], {}, fresh=True, under=("sh", "-c", 'ulimit -n 200; exec "$@"', "sh"))
    with HealthyPair(server):
        crowd = [socket.create_connection((server.host, server.port), timeout=PATIENCE_S) for _ in range(250)]
        assert eventually(lambda: len(select.select(crowd, [], [], 0)[0]) > 100)
        time.sleep(0.3)
        greeted = select.select(crowd, [], [], 0)[0]
        assert len(greeted) < 200
        time.sleep(0.3)
        for peer in greeted:
            peer.close()
        for peer in crowd:
            if peer not in greeted:
                assert peer.recv(5) == b"INFO "
                peer.close()
    server.stop()
