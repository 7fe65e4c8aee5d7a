"""The `nats` command and a server for it to talk to: natsd, or the program that NATSD_TEST_SERVER names."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cli.commands import Denying, Nats
from tests.cli.streams import Inside
from tests.places import ServerProcess, Servers
from tests.ports import HeldPort


@pytest.fixture(scope="session")
def nats_process() -> Iterator[ServerProcess]:
    servers = Servers()
    program = os.environ.get("NATSD_TEST_SERVER")
    server = ServerProcess([program], [], {}, dict(os.environ)) if program else servers.start("natsd", [], {})
    yield server
    if program:
        server.stop()
    servers.stop()


@pytest.fixture
def nats(nats_process: ServerProcess) -> Iterator[Nats]:
    command = Nats(f"nats://{nats_process.host}:{nats_process.port}")
    yield command
    command.close()


@pytest.fixture(scope="session")
def stream_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with JetStream: natsd, or the program that NATSD_TEST_SERVER names."""
    flags = ["-js", "-sd", str(tmp_path_factory.mktemp("streams"))]
    servers = Servers()
    program = os.environ.get("NATSD_TEST_SERVER")
    server = ServerProcess([program], flags, {}, dict(os.environ)) if program else servers.start("natsd", flags, {})
    yield server
    if program:
        server.stop()
    servers.stop()


@pytest.fixture
def inside(
    stream_process: ServerProcess, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Inside]:
    """The command against a server without any streams."""
    for name in list(os.environ):
        if name.startswith("NATS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    inside = Inside(f"nats://{stream_process.host}:{stream_process.port}", capfd)
    inside.empty()
    yield inside
    inside.empty()


@pytest.fixture
def denying() -> Iterator[Denying]:
    server = Denying()
    yield server
    server.close()


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a port that nobody listens on."""
    with HeldPort() as port:
        yield f"nats://127.0.0.1:{port}"
