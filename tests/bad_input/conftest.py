"""Servers for tests of bad input: one of each form for a module, with monitoring."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.places import FORMS, ServerProcess, Servers


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(servers: Servers, form: str) -> ServerProcess:
    return servers.start(form, [], {})
