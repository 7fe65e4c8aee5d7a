"""What is said of accounts with borders, value by value, beside a Go server that has led the same life."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.places import Servers
from tests.system.test_go import NEWEST, User

ACCOUNTS: dict[str, Any] = {
    "A": {
        "users": [{"user": "a", "password": "p"}],
        "exports": [
            {"stream": "s.>"},
            {"stream": "private", "accounts": ["B"]},
            {"service": "req.*", "accounts": ["B", "C"], "response_type": "stream", "response_threshold": "5s"},
            {"service": "pub"},
            {"service": "lat", "latency": {"sampling": "50%", "subject": "lat.results"}},
        ],
        "mappings": {
            "foo": "bar",
            "x.*": [{"destination": "y.$1", "weight": "30%"}, {"destination": "z.$1", "weight": "50%"}],
            "one": [{"destination": "two", "weight": 40}],
        },
    },
    "B": {
        "users": [{"user": "b", "password": "p"}],
        "imports": [
            {"stream": {"account": "A", "subject": "s.>"}, "prefix": "imp"},
            {"stream": {"account": "A", "subject": "private"}, "to": "mine"},
            {"stream": {"account": "A", "subject": "s.*.b"}, "to": "t.$1"},
            {"service": {"account": "A", "subject": "req.*"}, "to": "ask.*", "share": True},
            {"service": {"account": "A", "subject": "lat"}},
        ],
    },
    "C": {
        "users": [{"user": "c", "password": "p"}],
        "imports": [{"service": {"account": "A", "subject": "req.x"}, "to": "q"}],
    },
    "$SYS": {"users": [{"user": "sys", "password": "p"}]},
}
OWN_QUESTIONS = ("$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.STATZ")


class Life:
    """Three accounts that talk over their borders."""

    def __init__(self, servers: Servers, form: str) -> None:
        self.server = servers.start(form, ["--server_name", "one"], {"accounts": ACCOUNTS}, fresh=True)
        self.users = {name: User(self.server, name) for name in ("a", "b", "c", "sys")}
        for user in self.users.values():
            user.say(b"SUB _INBOX.x 1\r\n")
        a, b, c = (self.users[name] for name in "abc")
        a.say(b"SUB req.* 2\r\nSUB foo 3\r\nSUB bar 4\r\n")
        b.say(b"SUB imp.s.a 2\r\nSUB mine 3\r\nSUB t.* 4\r\n")
        a.say(b"PUB s.a 2\r\n{}\r\nPUB private 2\r\n{}\r\nPUB s.q.b 2\r\n{}\r\nPUB foo 2\r\n{}\r\n")
        b.say(b"PUB ask.1 2\r\n{}\r\n")
        c.say(b"PUB q 2\r\n{}\r\n")
        for user in self.users.values():
            user.say(b"")

    def accountz(self, name: str) -> Any:
        detail = self.server.page(f"accountz?acc={name}")["account_detail"]
        for kind in ("exports", "imports"):
            detail[kind] = sorted(map(repr, detail.get(kind, [])))
        return {key: value for key, value in detail.items() if key not in ("update_time", "sublist_stats")}

    def figures(self, name: str) -> Any:
        (found,) = [one for one in self.server.page("accstatz?unused=1")["account_statz"] if one["acc"] == name]
        found["sent"].pop("bytes")  # the line that says who asks holds a round trip time
        return found


@pytest.fixture(scope="module")
def lives() -> Iterator[tuple[Life, Life]]:
    if not NEWEST:
        pytest.skip("no newer Go nats-server on PATH and none named by NATS_SERVER_GO")
    servers = Servers()
    yield Life(servers, NEWEST), Life(servers, "natsd")
    servers.stop()


@pytest.mark.parametrize("name", ["A", "B", "C", "$G"])
def test_borders_and_mappings_are_shown_as_go_shows_them(lives: tuple[Life, Life], name: str) -> None:
    go, ours = (life.accountz(name) for life in lives)
    assert ours == go
    assert list(ours) == list(go)


@pytest.mark.parametrize("name", ["A", "B", "C", "$G"])
def test_figures_of_accounts_are_go_s(lives: tuple[Life, Life], name: str) -> None:
    go, ours = (life.figures(name) for life in lives)
    assert ours == go


@pytest.mark.parametrize("query", ["acc=A", "acc=B&state=any", "acc=$SYS&auth=1", "acc=A&subs=1", "user=b"])
def test_connections_of_an_account_are_go_s(lives: tuple[Life, Life], query: str) -> None:
    go, ours = (life.server.page(f"connz?{query}") for life in lives)
    for page in (go, ours):
        page["connections"] = sorted(
            (one["in_msgs"], one["out_msgs"], one["subscriptions"], sorted(one.get("subscriptions_list", [])),
             one.get("account"), one.get("authorized_user"), one["name"])
            for one in page["connections"]
        )  # fmt: skip
    keys = ("num_connections", "total", "offset", "limit", "connections")
    assert [ours[key] for key in keys] == [go[key] for key in keys]


@pytest.mark.parametrize("subject", OWN_QUESTIONS)
@pytest.mark.parametrize("user", ["a", "b", "c"])
def test_an_account_is_told_of_itself_whatever_it_asks_for(lives: tuple[Life, Life], user: str, subject: str) -> None:
    for body in ({}, {"acc": "A"}, {"acc": "$SYS", "auth": True}, {"accounts": ["A", "B", "C"]}):
        go, ours = (life.users[user].ask(subject, body)["data"] for life in lives)
        shown = []
        for data in (go, ours):
            if "account_statz" in data:
                shown.append([(one["acc"], one["conns"], one["num_subscriptions"]) for one in data["account_statz"]])
            else:
                found = sorted((one.get("account", user), one["subscriptions"]) for one in data["connections"])
                shown.append([data["num_connections"], data["total"], *found])
        assert shown[0] == shown[1], (body, shown)
