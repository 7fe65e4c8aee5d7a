"""/subsz: figures of all accounts, and the list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from natsd.accounts.account import SYSTEM
from natsd.kernel import Subscription
from natsd.monitor.document import pieces
from natsd.monitor.query import BadQuery, Query
from natsd.monitor.subsz import subsz
from tests.monitor.fakes import FakeServer


def page(server: FakeServer, **query: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads("".join(pieces(subsz(server, Query(query)))))
    return document


def subjects(server: FakeServer, **query: str) -> list[str]:
    return [detail["subject"] for detail in page(server, subs="1", **query).get("subscriptions_list", [])]


@pytest.fixture
def server() -> FakeServer:
    server = FakeServer()
    one, two = server.connect(1), server.connect(2, account_name=SYSTEM)
    for subject in (b"foo.*", b"foo.a", b"bar"):
        server.subscribe(one, subject)
    server.subscribe(two, b"foo.>", b"workers")
    server.subscribe(two, b"baz").max = 5
    return server


def test_the_page_has_go_s_keys_in_go_s_order() -> None:
    assert list(page(FakeServer()).items()) == [
        ("server_id", "NSERVER"),
        ("now", "2023-11-14T22:13:20Z"),
        ("num_subscriptions", 0),
        ("num_cache", 0),
        ("num_inserts", 0),
        ("num_removes", 0),
        ("num_matches", 0),
        ("cache_hit_rate", 0),
        ("max_fanout", 0),
        ("avg_fanout", 0),
        ("total", 0),
        ("offset", 0),
        ("limit", 1024),
    ]


def test_the_figures_are_those_of_all_accounts(server: FakeServer) -> None:
    both, system = page(server), page(server, acc=SYSTEM)
    assert (both["num_subscriptions"], both["num_inserts"]) == (5, 5)
    assert (system["num_subscriptions"], system["num_inserts"]) == (2, 2)
    assert both["total"] == 0 and "subscriptions_list" not in both


def test_rates_are_weighted_by_what_they_are_rates_of() -> None:
    class Sublist:
        def __init__(self, **stats: float) -> None:
            self._stats = stats

        def stats(self) -> dict[str, float]:
            return self._stats

    class Tenant:
        def __init__(self, **stats: float) -> None:
            self.sublist = Sublist(num_subscriptions=1, num_inserts=1, num_removes=0, **stats)

    server = FakeServer()
    server.accounts = {
        "a": Tenant(num_matches=30, cache_hit_rate=0.5, num_cache=4, avg_fanout=1.0, max_fanout=3),  # type: ignore[dict-item]
        "b": Tenant(num_matches=10, cache_hit_rate=0.1, num_cache=1, avg_fanout=6.0, max_fanout=9),  # type: ignore[dict-item]
    }
    found = page(server)
    assert (found["num_matches"], found["cache_hit_rate"]) == (40, 0.4)
    assert (found["num_cache"], found["avg_fanout"], found["max_fanout"]) == (5, 2, 9)


def test_subscriptions_are_listed_with_account_and_connection(server: FakeServer) -> None:
    found = page(server, subs="1")
    assert found["total"] == 5
    assert [list(detail.items()) for detail in found["subscriptions_list"][-2:]] == [
        [
            ("account", "$SYS"),
            ("account_tag", "$SYS"),
            ("subject", "foo.>"),
            ("qgroup", "workers"),
            ("sid", "1"),
            ("msgs", 0),
            ("cid", 2),
        ],
        [
            ("account", "$SYS"),
            ("account_tag", "$SYS"),
            ("subject", "baz"),
            ("sid", "2"),
            ("msgs", 0),
            ("max", 5),
            ("cid", 2),
        ],
    ]


def test_lists_have_an_offset_and_a_limit_across_connections(server: FakeServer) -> None:
    everything = ["foo.*", "foo.a", "bar", "foo.>", "baz"]
    assert subjects(server) == everything
    for offset in range(7):
        for limit in range(1, 7):
            shown = everything[offset : offset + limit]
            assert subjects(server, offset=str(offset), limit=str(limit)) == shown
    assert "subscriptions_list" not in page(server, subs="1", offset="5")


def test_an_account_can_be_chosen(server: FakeServer) -> None:
    assert subjects(server, acc=SYSTEM) == ["foo.>", "baz"]
    assert subjects(server, acc="nobody") == []


def test_subscriptions_can_be_tested_with_a_subject(server: FakeServer) -> None:
    assert sorted(subjects(server, test="foo.a")) == ["foo.*", "foo.>", "foo.a"]
    found = page(server, subs="1", test="foo.a", limit="1")
    assert (found["total"], len(found["subscriptions_list"])) == (3, 1)
    assert subjects(server, test="nothing") == []


def test_subscriptions_of_the_server_itself_are_not_listed(server: FakeServer) -> None:
    local = Subscription(b"foo.a", b"", handler=lambda batch: None)
    server.accounts[SYSTEM].sublist.insert(local)
    assert len(subjects(server, test="foo.a")) == 3


@pytest.mark.parametrize("subject", ["a.*", ">", "a..b", "a b", ".a"])
def test_the_test_subject_has_to_be_one_that_can_be_published_to(subject: str) -> None:
    with pytest.raises(BadQuery) as refused:
        subsz(FakeServer(), Query({"test": subject}))
    assert str(refused.value) == f"invalid test subject, must be valid publish subject: {subject}"


@pytest.mark.parametrize("name", ["subs", "offset", "limit"])
def test_bad_options_are_refused(name: str) -> None:
    with pytest.raises(BadQuery):
        subsz(FakeServer(), Query({name: "x"}))
