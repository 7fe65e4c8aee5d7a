"""Requests to the server itself with bodies of any shape, from the system account and from others."""

from __future__ import annotations

import pytest

from natsd.system.service import OF_ACCOUNT, OF_SERVER
from tests.system.house import Client, House

BODIES = (
    b"",
    b"{",
    b"}",
    b"null",
    b"[]",
    b"5",
    b'"x"',
    b"true",
    b"{}x",
    b"\x00",
    b"\xff\xfe",
    b"[" * 5000,
    b'{"a":' * 5000,
    b'{"acc":5}',
    b'{"acc":null,"subject":null}',
    b'{"acc":"A","subject":"a b"}',
    b'{"acc":"A","subject":"foo","queue":"!"}',
    b'{"acc":"A","subject":"foo","queue":"YQ"}',
    b'{"acc":"A","subject":"foo","queue":[1]}',
    b'{"acc":{},"subject":"foo"}',
    b'{"subject":"foo.>","acc":"A"}',
    b'{"cid":-1}',
    b'{"cid":1e99}',
    b'{"cid":' + b"9" * 5000 + b"}",
    b'{"tags":[null]}',
    b'{"accounts":["A","A",null]}',
    b'{"filter_subject":"a..b","acc":"A"}',
    b'{"filter_subject":">.a","acc":"A"}',
    b'{"test":"a b","subscriptions":true}',
    b'{"test":"\\u0000\\ud800"}',
    b'{"sort":"\\n"}',
    b'{"server_name":"\\ud800"}',
)
HEADERS = (
    b"",
    b"NATS/1.0\r\nAccept-Encoding: gzip, snappy\r\n\r\n",
    b"x",
    b"\r\n\r\n",
    b"NATS/1.0\r\n:\r\nA\r\n\r\n",
    b"\x00" * 20,
)
SUBJECTS = (
    *(
        f"$SYS.REQ.SERVER.{whom}.{kind}"
        for whom in ("PING", "{id}", "X")
        for kind in ("", *OF_SERVER, "NONE", "KICK", "LDM")
    ),
    *(
        f"$SYS.REQ.ACCOUNT.{name}.{kind}"
        for name in ("A", "PING", "$SYS", "NONE", "*")
        for kind in (*OF_ACCOUNT, "NONE")
    ),
    "$SYS.REQ.USER.INFO",
    "$SYS.REQ.USER.A.INFO",
    "$SYS.DEBUG.SUBSCRIBERS",
    "$SYS._INBOX_.x",
    "$SYS.REQ.ACCOUNT.NSUBS",
    "$SYS.ACCOUNT.A.CONNECT",
    "$SYS.SERVER.{id}.STATSZ",
    "$SYS.REQ.SERVER.{id}.RELOAD",
)


def send(client: Client, subject: str, header: bytes, body: bytes) -> None:
    head = subject.replace("{id}", client.house.id).rstrip(".")
    if header:
        client.say(
            f"HPUB {head} _INBOX.me {len(header)} {len(header) + len(body)}\r\n".encode() + header + body + b"\r\n"
        )
    else:
        client.say(f"PUB {head} _INBOX.me {len(body)}\r\n".encode() + body + b"\r\n")


@pytest.mark.parametrize("user", ["sys", "a", "b"])
def test_no_request_ends_anything_but_its_own_answer(user: str) -> None:
    house = House()
    house.client("a").listen("foo")
    client = house.client(user)
    for subject in SUBJECTS:
        if subject.endswith(("KICK", "LDM", "RELOAD")) and user == "sys":
            continue  # these may end what they are about
        for at, body in enumerate(BODIES):
            send(client, subject, HEADERS[at % len(HEADERS)], body)
    house.clock.move(5)
    client.heard()
    assert not client.closed
    answer = client.ask("$SYS.REQ.USER.INFO")
    assert answer["data"]["user"] == user
    assert "Traceback" not in house.lines.text and "handler" not in house.lines.text


@pytest.mark.parametrize("kind", ["KICK", "LDM"])
def test_nobody_outside_the_system_account_closes_a_connection(kind: str) -> None:
    house = House()
    victim, client = house.client("b"), house.client("a")
    before = victim.text
    for subject in (f"$SYS.REQ.SERVER.{house.id}.{kind}", f"$SYS.REQ.SERVER.PING.{kind}", f"$SYS.REQ.ACCOUNT.A.{kind}"):
        for cid in range(1, 20):
            send(client, subject, b"", b'{"cid":%d}' % cid)
    house.clock.move(1)
    assert not victim.closed and not client.closed
    assert victim.text == before


def test_nobody_outside_the_system_account_hears_or_asks_of_others() -> None:
    """No page and no event names another account's connections or subjects to an ordinary user."""
    house = House()
    other = house.client("b", name="hidden-name")
    other.listen("foo")
    client = house.client("a", echo=False)
    client.say(b"SUB > 99\r\n")
    client.text = b""
    for subject in SUBJECTS:
        for body in (
            b"",
            b'{"acc":"B","auth":true,"subscriptions_detail":true}',
            b'{"account":"B"}',
            b'{"accounts":["B"]}',
        ):
            send(client, subject.replace(".A.", ".B."), b"", body)
    other.hang_up()
    house.clock.move(60)
    house.server.road.settle()
    told = client.text
    assert b"hidden-name" not in told and b'"B"' not in told
    assert b'"acc":"A"' in told or b'"account":"A"' in told
