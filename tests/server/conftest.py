"""A clock that leaves clients alone, and certificates for tests of TLS, made once for each file of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from natsd.session.roster import Roster
from tests.certificates import Authority


@pytest.fixture(autouse=True)
def late_first_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """No PING comes into what a client reads, however long a busy machine takes for it."""
    monkeypatch.setattr(Roster, "first_ping_delay_ns", lambda roster: roster.rules.ping_interval_ns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def pair(authority: Authority) -> tuple[str, str]:
    return authority.sign("server")


@pytest.fixture(scope="module")
def client_pair(authority: Authority) -> tuple[str, str]:
    return authority.sign("client")
