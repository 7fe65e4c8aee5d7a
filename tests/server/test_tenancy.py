"""The accounts of a server, and what becomes of its connections when they change."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.base.errors import OptionsError
from natsd.server.options import Options
from natsd.server.tenancy import swap_accounts
from tests.memory import MemoryLine, MemoryPlace

A = {"users": [{"user": "a", "password": "a"}], "exports": [{"stream": "x.*"}]}
B: dict[str, Any] = {"users": [{"user": "b", "password": "b"}]}
IMPORT = {"stream": {"account": "A", "subject": "x.*"}, "prefix": "in"}


def login(place: MemoryPlace, user: str, more: str = "") -> MemoryLine:
    line = MemoryLine(place)
    line.receive(0)
    line.send(f'CONNECT {{"verbose":false,"user":"{user}","pass":"{user}"}}\r\n{more}PING\r\n'.encode())
    assert line.receive(0) == b"PONG\r\n"
    return line


def swap(place: MemoryPlace, **options: Any) -> list[str]:
    server = place.server
    return [
        session.user for session in swap_accounts(Options(**options), server.roster, server.border, server.accounts)
    ]


def test_connections_take_other_streams_when_their_account_imports_others() -> None:
    place = MemoryPlace([], {"accounts": {"A": A, "B": B}})
    a, b = login(place, "a"), login(place, "b", "SUB > 1\r\nSUB in.x.1 2\r\nUNSUB 2 1\r\n")
    a.send(b"PUB x.1 1\r\n1\r\n")
    assert b.receive(0) == b""
    assert swap(place, accounts={"A": A, "B": {**B, "imports": [IMPORT]}}) == []
    a.send(b"PUB x.1 1\r\n2\r\nPUB x.1 1\r\n3\r\n")
    said = b.receive(0) or b""
    assert said.count(b"MSG in.x.1 1 1\r\n") == 2 and said.count(b"MSG in.x.1 2 1\r\n2\r\n") == 1
    assert said.count(b"MSG") == 3
    b.send(b"UNSUB 1\r\nSUB in.> 3\r\n")
    a.send(b"PUB x.1 1\r\n4\r\n")
    assert b.receive(0) == b"MSG in.x.1 3 1\r\n4\r\n"
    assert swap(place, accounts={"A": A, "B": B}) == []
    a.send(b"PUB x.1 1\r\n5\r\n")
    assert b.receive(0) == b""


def test_connections_of_an_account_that_is_gone_are_told() -> None:
    place = MemoryPlace([], {"accounts": {"A": A, "B": B}})
    login(place, "a")
    login(place, "b")
    assert swap(place, accounts={"A": {**A, "limits": {"max_payload": 5}}}) == ["b"]
    assert [session.inbound.max_payload for session in place.server.connections.values()] == [5, -1]
    assert set(place.server.accounts) == {"$G", "$SYS", "A"}


def test_what_cannot_be_changes_nothing() -> None:
    place = MemoryPlace([], {"accounts": {"A": A, "B": {**B, "imports": [IMPORT]}}})
    before = dict(place.server.accounts)
    wrong = Options(accounts={"A": A, "B": B})
    wrong.accounts[1].imports = Options(accounts={"A": A, "B": {**B, "imports": [IMPORT]}}).accounts[1].imports
    wrong.accounts[0].exports = []
    with pytest.raises(OptionsError, match="not exported"):
        swap_accounts(wrong, place.server.roster, place.server.border, place.server.accounts)
    assert place.server.accounts == before and len(before["B"].stream_imports) == 1


@pytest.mark.parametrize(
    ("options", "names", "system"),
    [
        ({}, {"$G", "$SYS"}, "$SYS"),
        ({"no_system_account": True}, {"$G"}, None),
        ({"accounts": {"S": {}}, "system_account": "S"}, {"$G", "S"}, "S"),
        ({"accounts": {"$SYS": {}}, "no_system_account": True}, {"$G", "$SYS"}, "$SYS"),
        ({"users": [{"user": "u", "account": "X.Y"}]}, {"$G", "$SYS", "X.Y"}, "$SYS"),
    ],
)
def test_which_accounts_there_are(options: dict[str, Any], names: set[str], system: str | None) -> None:
    server = MemoryPlace([], options).server
    assert set(server.accounts) == names
    assert (server.roster.system_account and server.roster.system_account.name) == system


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"system_account": "X"}, "there is no account 'X'"),
        ({"accounts": {"A": {"exports": [{"stream": "x y"}]}}}, "no valid subject"),
        ({"accounts": {"$G": {}}}, "name of the global account"),
        ({"accounts": {"A": {"users": None}}}, "no text, number, list or dictionary"),
        ({"accounts": {"A": {"nonsense": 1}}}, "nonsense"),
    ],
)
def test_accounts_of_a_program_that_cannot_be_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(OptionsError, match=complaint):
        Options(**options).check()


def test_every_account_may_ask_about_itself_and_no_other() -> None:
    place = MemoryPlace([], {"accounts": {"A": A}})
    asked: list[Any] = []
    from natsd.kernel import Subscription

    place.server.accounts["$SYS"].sublist.insert(Subscription(b"$SYS.REQ.>", b"", None, None, asked.extend))
    words = [b"USER.INFO", b"ACCOUNT.PING.CONNZ", b"SERVER.PING.CONNZ", b"ACCOUNT.PING.STATZ", b"USER.B.INFO",
             b"ACCOUNT.B.CONNZ", b"SERVER.PING"]  # fmt: skip
    login(place, "a").send(b"".join(b"PUB $SYS.REQ.%b inbox 0\r\n\r\n" % word for word in words))
    assert [subject.decode() for subject, *_ in asked] == [
        "$SYS.REQ.USER.A.INFO",
        "$SYS.REQ.ACCOUNT.A.CONNZ",
        "$SYS.REQ.ACCOUNT.A.CONNZ",
        "$SYS.REQ.ACCOUNT.A.STATZ",
    ]
    assert b'"acc":"A"' in asked[0][2] and b'"user":"a"' in asked[0][2]
    assert b'"user"' not in asked[1][2] and b'"server":' in asked[1][2]
