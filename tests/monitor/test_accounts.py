"""/accountz, /accstatz, and the pages about what there is none of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from natsd.accounts.account import Account
from natsd.monitor.accounts import accountz, accstatz
from natsd.monitor.document import pieces
from natsd.monitor.jsz import jsz
from natsd.monitor.mesh import gatewayz, leafz, routez
from natsd.monitor.query import BadQuery, Query
from natsd.monitor.queues import ipqueuesz
from tests.monitor.fakes import FakeServer


def page(build: Any, server: FakeServer | None = None, **query: str) -> Any:
    return json.loads("".join(pieces(build(server or FakeServer(), Query(query)))))


def test_accounts_are_listed_or_told_about() -> None:
    server = FakeServer()
    assert page(accountz, server)["accounts"] == ["$G", "$SYS"]
    server.accounts["A"] = Account("A", server.road)
    server.accounts["A"].connections = 2
    detail = page(accountz, server, acc="A")["account_detail"]
    assert (detail["account_name"], detail["client_connections"], detail["complete"]) == ("A", 2, True)
    assert "is_system" not in detail and "exports" not in detail and len(detail["imports"]) == 4
    assert detail["imports"][3]["subject"] == "$SYS.REQ.USER.A.INFO" and detail["imports"][3]["share"]
    system = page(accountz, server, acc="$SYS")["account_detail"]
    assert system["is_system"] and len(system["exports"]) == 4 and len(system["imports"]) == 1
    with pytest.raises(BadQuery, match="Account nope does not exist"):
        page(accountz, server, acc="nope")


def test_without_a_system_account_nothing_is_imported() -> None:
    server = FakeServer()
    server.roster.system_account = None  # type: ignore[assignment]
    assert "system_account" not in page(accountz, server)
    assert "imports" not in page(accountz, server, acc="$G")["account_detail"]


def test_figures_are_of_accounts_in_use_or_of_all() -> None:
    server = FakeServer()
    assert page(accstatz, server)["account_statz"] == []
    server.accounts["$G"].connections = 1
    server.accounts["$G"].slow_consumers = 2
    [found] = page(accstatz, server)["account_statz"]
    assert (found["acc"], found["conns"], found["slow_consumers"]) == ("$G", 1, 2)
    assert found["sent"]["routes"] == {"msgs": 0, "bytes": 0}
    assert [one["acc"] for one in page(accstatz, server, unused="1")["account_statz"]] == ["$G", "$SYS"]


def test_of_other_servers_there_are_none() -> None:
    assert page(routez)["routes"] == [] and page(routez)["num_routes"] == 0
    assert page(gatewayz)["outbound_gateways"] == page(gatewayz)["inbound_gateways"] == {}
    assert page(leafz)["leafs"] == []
    for build, parameter in ((routez, "subs"), (gatewayz, "accs"), (leafz, "subs")):
        with pytest.raises(BadQuery):
            page(build, **{parameter: "x"})


def test_jetstream_is_off() -> None:
    assert page(jsz)["disabled"] is True and page(jsz, acc="A", streams="1")["streams"] == 0
    with pytest.raises(BadQuery, match="limit"):
        page(jsz, limit="x")


def test_queues_are_told_when_something_waits_or_all_are_wanted() -> None:
    server = FakeServer()
    assert page(ipqueuesz, server) == {}
    server.half_closed = 3
    assert page(ipqueuesz, server) == {"Half-closed connections": {"pending": 3}}
    assert set(page(ipqueuesz, server, all="1")) == {"Timers", "Half-closed connections", "System answers"}
    assert page(ipqueuesz, server, all="1", queues="Tim") == {"Timers": {"pending": 0}}
