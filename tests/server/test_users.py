"""Users of a server inside a program."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import natsd
from natsd.accounts.users import Permissions, SubjectRules, User
from natsd.base.log import silent


async def said(server: natsd.Server, words: bytes) -> bytes:
    """What a new connection is told that sends these words and a PING."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        await reader.readline()
        writer.write(words + b"PING\r\n")
        answer = b""
        while not answer.endswith(b"PONG\r\n"):
            more = await asyncio.wait_for(reader.read(4096), 60)
            if not more:
                break
            answer += more
        return answer
    finally:
        writer.close()


def login(name: str, password: str) -> bytes:
    return b'CONNECT {"verbose":false,"user":"%b","pass":"%b"}\r\n' % (name.encode(), password.encode())


PUBLISH = b"PUB x 0\r\n\r\n"
DENIED = b"-ERR 'Permissions Violation for Publish to \"x\"'\r\n"


def test_users_may_be_given_as_records_or_as_mappings() -> None:
    async def scene() -> None:
        users: list[Any] = [
            User("anna", "a", account="A", permissions=Permissions(SubjectRules(["y"]))),
            {"user": "bert", "password": "b"},
            {"user": "carl", "password": "c", "permissions": {"publish": ">"}},
        ]
        async with natsd.Server(users=users, default_permissions={"publish": {"deny": "x"}}) as server:
            assert set(server.accounts) == {"$G", "$SYS", "A"}
            assert await said(server, login("anna", "a") + PUBLISH) == DENIED + b"PONG\r\n"
            assert await said(server, login("bert", "b") + PUBLISH) == DENIED + b"PONG\r\n"
            assert await said(server, login("carl", "c") + PUBLISH) == b"PONG\r\n"
            assert b"Authorization Violation" in await said(server, login("anna", "b"))
            assert b"Authorization Violation" in await said(server, b"")

    asyncio.run(scene())


@pytest.mark.parametrize(("password", "warned"), [("plain", 1), ("$2a$04$" + "x" * 53, 0)])
def test_plain_passwords_are_warned_of_at_start(password: str, warned: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    log = silent()
    monkeypatch.setattr(type(log), "warn", lambda self, text: lines.append(text))

    async def scene() -> None:
        async with natsd.Server(users=[{"user": "a", "password": password}], log=log):
            pass

    asyncio.run(scene())
    assert lines.count("Plaintext passwords detected, use nkeys or bcrypt") == warned
