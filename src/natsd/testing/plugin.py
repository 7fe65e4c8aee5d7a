"""Pytest fixtures, present wherever natsd is installed. Each server has a thread of its own, so any test can use them.

    def test_publishing(nats_server):
        connect(nats_server.client_url)

To set options, override the fixture `nats_server_options` (or `nats_server_session_options`) with a dict of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.embed import ThreadedServer


@pytest.fixture
def nats_server_options() -> dict[str, Any]:
    """Options for `nats_server`: none unless a test or a module overrides this."""
    return {}


@pytest.fixture(scope="session")
def nats_server_session_options() -> dict[str, Any]:
    """Options for `nats_server_session`: none unless a conftest overrides this."""
    return {}


@pytest.fixture
def nats_server(nats_server_options: dict[str, Any]) -> Iterator[ThreadedServer]:
    """A fresh server for one test. Connections that the test leaves open make it fail."""
    yield from _serve(nats_server_options)


@pytest.fixture(scope="session")
def nats_server_session(nats_server_session_options: dict[str, Any]) -> Iterator[ThreadedServer]:
    """One server for the whole run, for tests that keep to subjects of their own."""
    yield from _serve(nats_server_session_options)


def _serve(options: dict[str, Any]) -> Iterator[ThreadedServer]:
    from natsd.embed import run_in_thread
    from natsd.testing.leaks import find_leaks

    with run_in_thread(**options) as server:
        yield server
        # A test may have stopped the server itself.
        leaks = find_leaks(server) if server.running else []
    if leaks:
        pytest.fail("left behind in the NATS server:\n  " + "\n  ".join(leaks), pytrace=False)
