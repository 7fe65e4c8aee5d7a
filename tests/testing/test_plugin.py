"""The pytest plugin, as a test suite that uses it sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUITE = """
import socket
import pytest

kept = []

def test_clean(nats_server):
    with socket.create_connection((nats_server.host, nats_server.port)) as sock:
        sock.recv(5)

def test_leak(nats_server):
    kept.append(socket.create_connection((nats_server.host, nats_server.port)))

def test_stopped(nats_server):
    nats_server.stop()

class TestOptions:
    @pytest.fixture
    def nats_server_options(self):
        return {"server_name": "mine"}

    def test_options(self, nats_server):
        assert nats_server.call(lambda server: server.name) == "mine"

def test_session(nats_server_session):
    assert nats_server_session.running
"""


def test_a_suite_gets_servers_and_hears_of_its_leaks(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    probe = subprocess.run([*command, "--fixtures"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    if "nats_server_session" not in probe.stdout:
        command += ["-p", "natsd.testing.plugin"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "5 passed, 1 error" in result.stdout, result.stdout
    assert "open connection 127.0.0.1:" in result.stdout
