"""Servers with JetStream for tests that need a listening one: natsd, and the Go servers at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ServerProcess, Servers


class WithJetStream:
    """Starts servers with JetStream, each with a folder of its own."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self._servers = servers
        self._folder = folder
        self._count = 0

    def start(self, form: str, config: str = "") -> ServerProcess:
        """config: the text of a configuration file beside the flags."""
        self._count += 1
        store = self._folder / str(self._count)
        flags = ["-js", "-sd", str(store)]
        if config:
            file = self._folder / f"{self._count}.conf"
            file.write_text(config)
            flags += ["-c", str(file)]
        return self._servers.start(form, flags, {}, fresh=True)


@pytest.fixture(scope="module")
def jetstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithJetStream]:
    servers = Servers()
    yield WithJetStream(servers, tmp_path_factory.mktemp("jetstream"))
    servers.stop()
