"""/healthz: healthy or not, and how it is said."""

from __future__ import annotations

import pytest

from natsd.monitor.healthz import healthz
from natsd.monitor.query import BadQuery, Query
from tests.monitor.fakes import FakeServer


@pytest.mark.parametrize(
    "query",
    [{}, {"details": "1"}, {"js-enabled-only": "1"}, {"js-server-only": "true"}, {"account": "A", "stream": "S"}],
)
def test_a_server_that_takes_connections_is_healthy(query: dict[str, str]) -> None:
    assert healthz(FakeServer(), Query(query)) == (200, {"status": "ok"})


@pytest.mark.parametrize(("running", "lame"), [(False, False), (True, True), (False, True)])
def test_a_server_that_takes_none_is_not(running: bool, lame: bool) -> None:
    server = FakeServer()
    server.running, server.lame = running, lame
    text = "failed to be ready for connections: server"
    assert healthz(server, Query()) == (500, {"status": "error", "error": text})
    errors = [{"type": "CONNECTION", "error": text}]
    assert healthz(server, Query({"details": "1"})) == (500, {"status": "error", "errors": errors})


@pytest.mark.parametrize(("thing", "place"), [("stream", "account"), ("consumer", "stream")])
def test_a_question_has_to_say_where(thing: str, place: str) -> None:
    text = f'"{place}" must not be empty when checking {thing} health'
    assert healthz(FakeServer(), Query({thing: "x"})) == (400, {"status": "error", "error": text})
    errors = [{"type": "BAD_REQUEST", "error": text}]
    assert healthz(FakeServer(), Query({thing: "x", "details": "t"})) == (400, {"status": "error", "errors": errors})


@pytest.mark.parametrize("name", ["js-enabled", "js-enabled-only", "js-server-only", "js-meta-only", "details"])
def test_bad_options_are_refused(name: str) -> None:
    with pytest.raises(BadQuery):
        healthz(FakeServer(), Query({name: "x"}))
