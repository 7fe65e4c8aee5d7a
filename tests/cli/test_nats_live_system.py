"""Commands of system use against a listening natsd with a system account."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.commands import Nats
from tests.places import Servers

USERS = [{"user": "sys", "password": "p", "account": "$SYS"}, {"user": "a", "password": "p", "account": "A"}]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    servers = Servers()
    server = servers.start("natsd", ["--server_name", "n1"], {"users": USERS})
    yield f"{server.host}:{server.port}"
    servers.stop()


@pytest.fixture
def system(address: str) -> Iterator[Nats]:
    command = Nats(f"nats://sys:p@{address}")
    yield command
    command.close()


@pytest.fixture
def user(address: str) -> Iterator[Nats]:
    command = Nats(f"nats://a:p@{address}")
    yield command
    command.close()


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("server list", "│ n1 "),
        ("server ping", "1 replies"),
        ("server info", "Server information for n1"),
        ("server report connections", "$SYS"),
        ("server report connections --state closed --sort cid", "Client Closed"),
        ("server report accounts", "$SYS"),
        ("server report cpu", "n1:"),
        ("server check server --name n1", "OK n1"),
        ("account info", "Account: $SYS"),
        ("account report connections", "$SYS"),
        ("top n1 -r 1 -o - --delimiter ,", "127.0.0.1"),
    ],
)
def test_what_the_system_account_asks_is_answered(system: Nats, command: str, wanted: str) -> None:
    result = system.run(*command.split())
    assert result.code == 0 and wanted in result.out, result


@pytest.mark.parametrize("kind", ["connections", "ipqueue", "raft"])
def test_requests_are_answered_with_json(system: Nats, kind: str) -> None:
    result = system.run("server", "request", kind)
    assert result.code == 0 and json.loads(result.out)["server"]["name"] == "n1", result


def test_a_client_is_kicked_by_its_number(system: Nats) -> None:
    result = system.run("server", "request", "kick", "99999", "n1")
    assert result.code == 1 and "no such client" in result.err


def test_an_ordinary_user_sees_its_own_account_only(user: Nats) -> None:
    info = user.run("account", "info")
    assert info.code == 0 and "Account: A" in info.out
    found = json.loads(user.run("account", "report", "connections", "-j").out)
    assert [connection["account"] for connection in found] == ["A"]
    assert user.run("server", "list").code == 1


def test_events_are_shown_as_they_happen(system: Nats, user: Nats) -> None:
    watching = system.start("events", "--count", "2")
    watching.wait_for("Authentication Error")
    assert user.run("account", "info").code == 0
    result = watching.finish()
    assert result.code == 0 and "Client Connection" in result.out and "Reason: Client Closed" in result.out
