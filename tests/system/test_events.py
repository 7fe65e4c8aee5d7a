"""Events: what is told, to whom, when, and what they cost while nobody listens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from natsd.protocol.errors import SERVER_SHUTDOWN
from natsd.server.options import Options
from natsd.server.server import Server
from tests.system.house import USERS, House


@pytest.fixture
def house() -> House:
    return House()


def test_who_comes_is_told(house: House) -> None:
    system = house.client("sys")
    system.listen("$SYS.ACCOUNT.*.CONNECT")
    a = house.client("a", name="worker", lang="go", version="1.2")
    [(subject, _, event)] = system.heard()
    assert subject == "$SYS.ACCOUNT.A.CONNECT"
    assert event["type"] == "io.nats.server.advisory.v1.client_connect" and len(event["id"]) == 22
    assert event["timestamp"] == event["server"]["time"]
    assert event["client"] == {
        "start": "2023-11-14T22:13:20Z", "host": "127.0.0.1", "id": a.session.cid, "acc": "A", "user": "a",
        "name": "worker", "lang": "go", "ver": "1.2", "name_tag": "A", "kind": "Client", "client_type": "nats",
    }  # fmt: skip


def test_who_goes_is_told_with_what_it_did(house: House) -> None:
    system = house.client("sys")
    system.listen("$SYS.ACCOUNT.A.DISCONNECT")
    a = house.client("a")
    a.listen("foo")
    a.say(b"PUB foo 5\r\nhello\r\nPUB bar 1\r\nx\r\n")
    house.clock.move(2)
    a.hang_up()
    [(_, _, event)] = system.heard()
    assert event["type"] == "io.nats.server.advisory.v1.client_disconnect"
    assert (event["reason"], event["sent"], event["received"]) == (
        "Client Closed",
        {"msgs": 2, "bytes": 6},
        {"msgs": 1, "bytes": 5},
    )
    assert event["client"]["stop"] == "2023-11-14T22:13:22Z" and event["client"]["rtt"] > 0


def test_who_is_refused_is_told_without_its_secrets(house: House) -> None:
    system = house.client("sys")
    system.listen(f"$SYS.SERVER.{house.id}.CLIENT.AUTH.ERR")
    system.listen("$SYS.ACCOUNT.*.*")
    house.client("a", password="guessed")
    house.client("", auth_token="tok-secret")
    text = house.server.road and system.text.decode()
    found = system.heard()
    assert [subject.split(".")[-1] for subject, _, _ in found] == ["ERR", "DISCONNECT"] * 2
    assert {event["reason"] for _, _, event in found} == {"Authentication Failure"}
    assert [event["client"]["user"] for _, _, event in found] == ["a", "a", "[REDACTED]", "[REDACTED]"]
    assert "guessed" not in text and "tok-secret" not in text


def test_the_connections_of_an_account_are_told_when_they_change(house: House) -> None:
    system = house.client("sys")
    system.listen("$SYS.ACCOUNT.*.SERVER.CONNS")
    system.listen("$SYS.SERVER.ACCOUNT.*.CONNS")
    a = house.client("a")
    a.hang_up()
    found = system.heard()
    assert [(subject, event["conns"]) for subject, _, event in found] == [
        ("$SYS.SERVER.ACCOUNT.A.CONNS", 1),
        ("$SYS.ACCOUNT.A.SERVER.CONNS", 1),
        ("$SYS.SERVER.ACCOUNT.A.CONNS", 0),
        ("$SYS.ACCOUNT.A.SERVER.CONNS", 0),
    ]
    assert found[0][2]["id"] == found[1][2]["id"]
    assert list(found[0][2]) == [
        "type", "id", "timestamp", "server", "acc", "name", "conns", "leafnodes", "total_conns", "num_subscriptions",
        "sent", "received", "slow_consumers",
    ]  # fmt: skip


def test_messages_are_counted_for_their_account(house: House) -> None:
    system, a = house.client("sys"), house.client("a")
    a.listen("foo")
    a.say(b"PUB foo 5\r\nhello\r\nPUB bar 1\r\nx\r\n")
    a.hang_up()
    house.client("a")
    found = system.ask("$SYS.REQ.ACCOUNT.A.CONNS")
    assert (found["received"]["msgs"], found["received"]["bytes"]) == (2, 6)
    assert (found["sent"]["msgs"], found["sent"]["bytes"]) == (1, 5)


def test_connections_and_figures_are_told_by_the_clock(house: House) -> None:
    system = house.client("sys")
    house.client("a")
    house.service.events.start()
    system.listen("$SYS.SERVER.*.STATSZ")
    told: list[int] = []
    for tenth in range(1, 400):
        house.clock.move(0.1)
        if system.heard():
            told.append(tenth)
    # After 0.25 s, then not within a second, then less and less often until every ten seconds.
    assert told == [3, 18, 38, 78, 158, 258, 358]
    system.listen("$SYS.ACCOUNT.A.SERVER.CONNS")
    house.clock.move(30)
    assert [subject for subject, _, _ in system.heard() if "ACCOUNT" in subject] == ["$SYS.ACCOUNT.A.SERVER.CONNS"]
    house.service.events.stop()
    house.clock.move(60)
    assert [subject for subject, _, _ in system.heard() if subject.startswith("$SYS")] == []


def test_an_event_costs_a_comparison_while_nobody_listens(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    events = house.service.events

    def unexpected(*args: Any, **more: Any) -> Any:
        raise AssertionError("an event was made")

    for name in ("_wanted", "_event", "_tell"):
        monkeypatch.setattr(type(events), name, unexpected)
    before = house.server.accounts["$SYS"].sublist.stats()
    a = house.client("a")
    a.hang_up()
    house.client("a", password="wrong")
    events.start()
    house.clock.move(100)
    assert house.server.accounts["$SYS"].sublist.stats() == before
    assert not events.heard


def test_what_nobody_subscribed_to_is_not_made(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    system = house.client("sys")
    system.listen("unrelated")
    monkeypatch.setattr(type(house.service.events), "_event", lambda *args: 1 / 0)
    house.client("a").hang_up()
    assert house.service.events.heard and system.heard() == []


def test_the_end_is_told() -> None:
    async def run() -> tuple[bytes, bytes]:
        short = {"lame_duck_grace_period_s": 0.01, "lame_duck_duration_s": 0.02}
        server = Server(Options(host="127.0.0.1", port=-1, users=USERS, **short))
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b'CONNECT {"verbose":false,"user":"sys","pass":"s"}\r\n'
            b"SUB $SYS.SERVER.*.LAMEDUCK 1\r\nSUB $SYS.SERVER.*.SHUTDOWN 2\r\nPING\r\n"
        )
        while await reader.readline() != b"PONG\r\n":
            pass
        server.start_lame_duck()
        lame = b""
        while b"LAMEDUCK" not in lame:
            lame = await reader.readline()
        await reader.readline()
        await server.wait_stopped()
        rest = await reader.read()
        writer.close()
        assert server.roster.closed[0].reason == SERVER_SHUTDOWN
        return lame, rest

    lame, rest = asyncio.run(run())
    assert lame.startswith(b"MSG $SYS.SERVER.N") and b"SHUTDOWN" not in rest  # it was closed before the server stopped


def test_a_stop_is_told_before_connections_are_closed() -> None:
    async def run() -> bytes:
        server = Server(Options(host="127.0.0.1", port=-1, users=USERS))
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b'CONNECT {"verbose":false,"user":"sys","pass":"s"}\r\nSUB $SYS.SERVER.> 1\r\nPING\r\n')
        while await reader.readline() != b"PONG\r\n":
            pass
        await server.stop()
        rest = await reader.read()
        writer.close()
        return rest

    rest = asyncio.run(run())
    assert b".SHUTDOWN 1 " in rest and b'"name":"N' in rest
