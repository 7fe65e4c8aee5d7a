"""The check for what a test left behind."""

from __future__ import annotations

import asyncio
import socket

import pytest

import natsd
from natsd.base.clock import SECOND_NS
from natsd.embed import Server, ThreadedServer
from natsd.testing.leaks import find_leaks


def test_a_server_that_nobody_used_is_clean() -> None:
    with natsd.run_in_thread() as server:
        assert find_leaks(server) == []


def test_a_connection_that_was_closed_in_time_is_no_leak() -> None:
    with natsd.run_in_thread() as server:
        socket.create_connection(("127.0.0.1", server.port)).close()
        assert find_leaks(server) == []


def test_an_open_connection_is_named() -> None:
    with natsd.run_in_thread() as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.recv(1000)
        sock.sendall(b'CONNECT {"name":"forgotten","verbose":false}\r\nPING\r\n')
        sock.recv(1000)
        (leak,) = find_leaks(server, patience_s=0.02)
        assert leak.startswith("open connection 127.0.0.1:")
        assert "forgotten" in leak


def test_a_socket_that_lingers_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natsd.net.connection.LINGER_NS", 60 * SECOND_NS)
    with natsd.run_in_thread() as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.recv(1000)
        sock.sendall(b"X")
        sock.recv(1000)
        assert find_leaks(server, patience_s=0) == ["1 sockets not closed yet"]


def test_an_unfinished_task_is_named() -> None:
    async def forever() -> None:
        await asyncio.sleep(60)

    def begin(server: Server) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(forever(), name="stray")

    with natsd.run_in_thread() as server:
        task = server.call(begin)
        (leak,) = find_leaks(server, patience_s=0.02)
        assert leak.startswith("unfinished task stray")
        server.call(lambda inner: task.cancel())
        assert find_leaks(server) == []


def test_the_fixtures_give_servers(nats_server: ThreadedServer, nats_server_session: ThreadedServer) -> None:
    assert nats_server.port != nats_server_session.port
    with socket.create_connection((nats_server.host, nats_server.port)) as sock:
        assert sock.recv(5) == b"INFO "
