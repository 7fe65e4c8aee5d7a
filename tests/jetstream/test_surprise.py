"""A mistake of ours in one request: it gets an error, the log a line, everybody else an answer."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.jetstream.home import Home
from tests.jetstream.house import House


def broken(*_: Any) -> Any:
    raise KeyError("x")


def test_a_request_that_fails_unexpectedly_is_answered_and_so_are_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    house.ask("STREAM.CREATE.S", {"name": "S"})
    monkeypatch.setattr(Home, "usage", broken)
    answer = house.ask("INFO")
    assert answer["error"]["code"] == 500
    assert answer["error"]["err_code"] == 10051
    (line,) = [line for line in house.log.lines if line.startswith("ERR")]
    assert line.startswith("ERR Unexpected error in the request $JS.API.INFO: KeyError: 'x' (")
    assert house.ask("STREAM.INFO.S")["config"]["name"] == "S"


def test_an_account_whose_end_fails_does_not_keep_the_store_open(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    closed: list[str] = []
    monkeypatch.setattr(Home, "close", broken)
    monkeypatch.setattr(house.jetstream.commits("file").store, "close", lambda: closed.append("file"))
    house.jetstream.close()
    assert closed == ["file"]
    assert any("the end of JetStream of account $G" in line for line in house.log.lines)


def test_where_it_happened_is_told_to_whoever_debugs() -> None:
    house = House()
    house.log.debugging = True
    from natsd.base.surprise import tell

    try:
        broken()
    except KeyError as error:
        tell(house.log, "a test", error)
    assert any("Traceback" in line for line in house.log.lines)
