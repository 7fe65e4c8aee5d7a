"""/connz: rows, filters, order and pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from natsd.accounts.account import SYSTEM, Account
from natsd.monitor.connz import connz
from natsd.monitor.document import pieces
from natsd.monitor.query import BadQuery, Query
from tests.monitor.fakes import START_NS, FakeServer


def page(server: FakeServer, **query: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads("".join(pieces(connz(server, Query(query)))))
    return document


def cids(server: FakeServer, **query: str) -> list[int]:
    return [row["cid"] for row in page(server, **query)["connections"]]


def test_a_server_without_connections_has_an_empty_page() -> None:
    assert page(FakeServer()) == {
        "server_id": "NSERVER",
        "now": "2023-11-14T22:13:20Z",
        "num_connections": 0,
        "total": 0,
        "offset": 0,
        "limit": 1024,
        "connections": [],
    }


def test_an_open_connection_tells_all_in_go_s_order() -> None:
    server = FakeServer()
    connection = server.connect(
        5,
        name="one",
        lang="go",
        version="1.2",
        rtt_ns=545_678,
        pending=3,
        in_msgs=1,
        out_msgs=2,
        in_bytes=10,
        out_bytes=20,
    )
    server.subscribe(connection, b"foo.*")
    server.clock.move(3661)
    (row,) = page(server)["connections"]
    assert list(row.items()) == [
        ("cid", 5),
        ("kind", "Client"),
        ("type", "nats"),
        ("ip", "127.0.0.1"),
        ("port", 50005),
        ("start", "2023-11-14T22:13:20.000000005Z"),
        ("last_activity", "2023-11-14T22:13:20.000000005Z"),
        ("rtt", "545µs"),
        ("uptime", "1h1m0s"),
        ("idle", "1h1m0s"),
        ("pending_bytes", 3),
        ("in_msgs", 1),
        ("out_msgs", 2),
        ("in_bytes", 10),
        ("out_bytes", 20),
        ("subscriptions", 1),
        ("name", "one"),
        ("lang", "go"),
        ("version", "1.2"),
    ]


def test_a_closed_connection_tells_when_and_why_it_ended() -> None:
    server = FakeServer()
    server.close(7, "Stale Connection", stop_wall_ns=START_NS + 90 * 10**9, subscriptions=4)
    server.clock.move(3600)
    (row,) = page(server, state="closed", subs="detail")["connections"]
    assert list(row)[7:11] == ["stop", "reason", "rtt", "uptime"]
    assert row["stop"] == "2023-11-14T22:14:50Z"
    assert (row["reason"], row["uptime"], row["idle"], row["subscriptions"]) == (
        "Stale Connection",
        "1m29s",
        "1m29s",
        4,
    )
    assert "subscriptions_list_detail" not in row


def test_subscriptions_are_listed_by_subject_or_in_detail() -> None:
    server = FakeServer()
    connection = server.connect(5)
    server.subscribe(connection, b"foo.*").delivered = 3
    server.subscribe(connection, b"b\xff", b"workers").max = 5
    (row,) = page(server, subs="1")["connections"]
    assert row["subscriptions_list"] == ["foo.*", "b\ufffd"]
    (row,) = page(server, subs="detail")["connections"]
    assert [list(detail.items()) for detail in row["subscriptions_list_detail"]] == [
        [("subject", "foo.*"), ("sid", "1"), ("msgs", 3), ("cid", 5)],
        [("subject", "b\ufffd"), ("qgroup", "workers"), ("sid", "2"), ("msgs", 0), ("max", 5), ("cid", 5)],
    ]


def test_a_connection_without_subscriptions_has_no_list() -> None:
    server = FakeServer()
    server.connect(5)
    assert "subscriptions_list" not in page(server, subs="1")["connections"][0]


def test_users_and_accounts_are_told_only_on_request() -> None:
    server = FakeServer()
    server.accounts["A"] = Account("A", server.road)
    server.connect(1, user="bob", account_name="A")
    server.connect(2)
    server.close(3)
    server.close(4, account_name="A")
    rows = page(server, auth="1", state="all")["connections"]
    keys = ("authorized_user", "account", "name_tag")
    assert [[row.get(key) for key in keys] for row in rows] == [
        ["bob", "A", "A"],
        [None, None, "$G"],
        [None, None, None],
        [None, "A", "A"],
    ]
    assert not any(key in row for row in page(server, state="all")["connections"] for key in keys)


def three() -> FakeServer:
    server = FakeServer()
    for cid, value in ((1, 20), (2, 30), (3, 10)):
        connection = server.connect(cid, pending=value, out_msgs=value, in_msgs=value, out_bytes=value, in_bytes=value)
        connection.rtt_ns = value
        connection.subscriptions = value
        connection.last_wall_ns = START_NS + value
    server.clock.move(60)
    return server


@pytest.mark.parametrize("sort", ["subs", "pending", "msgs_to", "msgs_from", "bytes_to", "bytes_from", "rtt", "last"])
def test_the_greatest_comes_first(sort: str) -> None:
    assert cids(three(), sort=sort) == [2, 1, 3]


@pytest.mark.parametrize(
    ("sort", "order"), [("cid", [1, 2, 3]), ("start", [1, 2, 3]), ("idle", [3, 1, 2]), ("uptime", [3, 2, 1])]
)
def test_other_orders(sort: str, order: list[int]) -> None:
    assert cids(three(), sort=sort) == order


def test_closed_connections_sort_by_end_and_reason() -> None:
    server = FakeServer()
    server.close(1, "b", stop_wall_ns=START_NS + 3)
    server.close(2, "c", stop_wall_ns=START_NS + 9)
    server.close(3, "a", stop_wall_ns=START_NS + 6)
    assert cids(server, state="closed", sort="stop") == [2, 3, 1]
    assert cids(server, state="closed", sort="reason") == [3, 1, 2]
    assert cids(server, state="closed", sort="uptime") == [1, 3, 2]


def test_states_can_be_chosen() -> None:
    server = FakeServer()
    server.connect(2)
    server.close(1)
    assert cids(server) == cids(server, state="OPEN") == [2]
    assert cids(server, state="closed") == [1]
    assert cids(server, state="any") == cids(server, state="all") == [1, 2]


def test_pages_have_an_offset_and_a_limit() -> None:
    server = FakeServer()
    for cid in range(1, 1501):
        server.connect(cid)
    first = page(server)
    assert (first["num_connections"], first["total"], first["limit"]) == (1024, 1500, 1024)
    assert cids(server, offset="1498") == [1499, 1500]
    assert cids(server, offset="3", limit="2") == [4, 5]
    assert cids(server, offset="2000") == []
    negative = page(server, offset="-3", limit="-4")
    assert (negative["offset"], negative["limit"], negative["num_connections"]) == (0, 1024, 1024)


def test_one_connection_can_be_asked_for() -> None:
    server = FakeServer()
    server.connect(1)
    server.connect(2)
    server.close(3)
    found = page(server, cid="2")
    assert (found["total"], found["limit"], found["num_connections"]) == (2, 1, 1)
    assert found["connections"][0]["cid"] == 2
    assert cids(server, cid="3") == []
    assert cids(server, cid="3", state="any") == [3]


def test_users_and_accounts_filter() -> None:
    server = FakeServer()
    server.connect(1, user="bob")
    server.connect(2, user="eve")
    server.connect(3, user="bob", account_name=SYSTEM)
    server.close(4, account_name=SYSTEM)
    assert cids(server, user="bob") == [1, 3]
    found = page(server, acc=SYSTEM, state="any")
    assert (found["total"], [row["cid"] for row in found["connections"]]) == (2, [3, 4])
    assert page(server, acc="nobody")["connections"] == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"sort": "size"}, "invalid sorting option: size"),
        ({"sort": "stop"}, "sort by stop only valid on closed connections"),
        ({"sort": "reason", "state": "all"}, "sort by reason only valid on closed connections"),
        ({"state": "half"}, "Error decoding state for half"),
        ({"subs": "x"}, "Error decoding boolean for 'subs'"),
        ({"limit": "x"}, "Error decoding int for 'limit'"),
        ({"offset": "x"}, "Error decoding int for 'offset'"),
        ({"cid": "x"}, "Error decoding uint64 for 'cid'"),
        ({"auth": "x"}, "Error decoding boolean for 'auth'"),
    ],
)
def test_bad_options_are_refused(query: dict[str, str], words: str) -> None:
    with pytest.raises(BadQuery) as refused:
        connz(FakeServer(), Query(query))
    assert str(refused.value).startswith(words)


def test_rows_are_made_when_their_turn_comes() -> None:
    server = FakeServer()
    connection = server.connect(1, name="before")
    parts = pieces(connz(server, Query()))
    connection.name = "after"
    assert '"after"' in "".join(parts)
