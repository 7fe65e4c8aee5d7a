"""Entries for syslog daemons: layouts, priorities, and what happens when a daemon is not there."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from natsd.base.errors import OptionsError
from natsd.base.log import Log
from natsd.net import syslog
from natsd.net.syslog import RETRY_NS, Syslog
from tests.ports import HeldPort

MOMENT_NS = 1_686_645_943_820_464_999
PID = os.getpid()


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(60)
        yield sock


def address(sock: socket.socket, scheme: str) -> str:
    return f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"


def test_a_remote_entry_has_date_and_host_and_no_prefix_of_its_own(udp: socket.socket) -> None:
    sink = Syslog(address(udp, "udp"), lambda: MOMENT_NS)
    log = Log(sink, lambda: MOMENT_NS, pid=PID, debug=True, trace=True)
    for write in (log.info, log.warn, log.error, log.fatal, log.debug, log.trace):
        write("hello\nforged")
    shape = re.compile(rf"<(\d)>2023-06-13T\d\d:45:43(?:Z|[+-]\d\d:\d\d) \S+ nats-server\[{PID}\]: hello\\nforged\n")
    severities = []
    for _ in range(6):
        match = shape.fullmatch(udp.recv(1000).decode())
        assert match
        severities.append(int(match[1]))
    assert severities == [5, 4, 3, 2, 7, 5]
    log.close()


def test_a_local_entry_is_a_daemons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        daemon.settimeout(60)
        monkeypatch.setattr(syslog, "LOCAL_SOCKETS", (path,))
        sink = Syslog(wall_ns=lambda: MOMENT_NS)
        sink.enter("ERR", "x")
        sink.write(b"a line\n")
        assert re.fullmatch(rf"<27>Jun 13 \d\d:45:43 nats-server\[{PID}\]: x\n", daemon.recv(1000).decode())
        assert daemon.recv(1000).endswith(b"]: a line\n")
        sink.close()


def test_a_stream_that_breaks_is_made_anew_and_what_was_lost_is_counted() -> None:
    now = [MOMENT_NS]
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = Syslog(address(server, "tcp"), lambda: now[0])
        peer, _ = server.accept()
        sink.enter("INF", "one")
        assert peer.recv(1000).endswith(b": one\n")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        peer.close()
        for number in range(3):
            sink.enter("INF", f"lost {number}")
        now[0] += RETRY_NS
        server.settimeout(60)
        sink.enter("INF", "begins the connection")
        peer, _ = server.accept()
        peer.settimeout(60)
        sink.enter("INF", "after")
        received = b""
        while b": after\n" not in received:
            received += peer.recv(1000)
        assert re.search(rb"<4>\S+ \S+ nats-server\[\d+\]: \d log entries were lost", received)
        peer.close()
        sink.close()


def test_a_daemon_that_takes_nothing_stops_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = Syslog(address(server, "tcp"))
        for _ in range(300):
            sink.enter("INF", "x" * 100_000)
        sink.close()
        sink.enter("INF", "after the end")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("http://127.0.0.1:1", 'invalid network type: "http"'),
        ("unix:///nowhere/at/all", "no such file or directory"),
        ("udp://127.0.0.1:x", "port could not be cast"),
    ],
)
def test_a_daemon_that_cannot_be_reached_is_an_error(given: str, why: str) -> None:
    with pytest.raises(OptionsError, match=f"^error connecting to syslog: .*{re.escape(why)}"):
        Syslog(given)


def test_a_daemon_that_is_not_there_is_an_error() -> None:
    with HeldPort() as port, pytest.raises(OptionsError, match="^error connecting to syslog: connection refused"):
        Syslog(f"tcp://127.0.0.1:{port}")


def test_without_a_local_daemon_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "LOCAL_SOCKETS", ())
    with pytest.raises(OptionsError, match="unix syslog delivery error"):
        Syslog()
