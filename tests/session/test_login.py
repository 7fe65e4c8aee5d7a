"""Coming in as a user: by CONNECT, by an nkey, and without a word."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from natsd.keys.nkey import render_public
from tests.session.memory import House, info_of

QUIET = '"verbose":false,"protocol":1'
VIOLATION = b"-ERR 'Authorization Violation'\r\n"
ANNA: dict[str, Any] = {"user": "anna", "password": "a", "account": "A"}
BERT: dict[str, Any] = {"user": "bert", "password": "b", "account": "B"}
NOBODY: dict[str, Any] = {"user": "nobody", "password": "n", "account": "B", "permissions": {"publish": "free.>"}}


def login(name: str) -> str:
    return f'{QUIET},"user":"{name}","pass":"{name[0]}"'


def test_a_user_is_bound_to_its_account_and_hears_nothing_of_others() -> None:
    house = House(users=[ANNA, BERT])
    anna, bert = house.client(login("anna")), house.client(login("bert"))
    assert info_of(anna.greeting)["auth_required"] is True
    anna.say(b"SUB > 1\r\n")
    bert.say(b"SUB > 1\r\nPUB x 0\r\n\r\n")
    assert anna.heard() == b""
    assert (anna.session.account_name, anna.session.user) == ("A", "anna")
    assert [house.accounts[name].connections for name in ("$G", "A", "B")] == [0, 1, 1]
    anna.session.on_eof()
    assert house.accounts["A"].connections == 0


@pytest.mark.parametrize("connect", ["", '"user":"anna"', '"user":"anna","pass":"b"', '"auth_token":"a"', '"nkey":"U"'])
def test_who_is_no_user_is_turned_away(connect: str) -> None:
    house = House(users=[ANNA, BERT])
    client = house.client()
    assert client.say(b"CONNECT {%b}\r\n" % connect.encode()) == VIOLATION
    assert client.session.closed
    assert house.accounts["$G"].connections == 0


def test_an_account_named_in_connect_is_never_granted() -> None:
    client = House(users=[ANNA]).client()
    assert client.say(b'CONNECT {"user":"anna","pass":"a","account":"B"}\r\n') == VIOLATION


def test_the_silent_become_the_no_auth_user() -> None:
    house = House(users=[ANNA, NOBODY], no_auth_user="nobody")
    client = house.client(QUIET)
    assert "auth_required" not in info_of(client.greeting)
    assert client.say(b"PUB x 0\r\n\r\n") == b"-ERR 'Permissions Violation for Publish to \"x\"'\r\n"
    assert (client.session.account_name, client.session.user) == ("B", "nobody")


def test_the_no_auth_user_comes_in_with_any_first_verb_and_has_its_own_rights() -> None:
    house = House(users=[ANNA, NOBODY], no_auth_user="nobody")
    client = house.client()
    said = client.say(b"PUB x 0\r\n\r\nPUB free.x 0\r\n\r\nPING\r\n")
    assert said == b"-ERR 'Permissions Violation for Publish to \"x\"'\r\n+OK\r\nPONG\r\n"
    assert client.session.account_name == "B"
    house.clock.move(10)
    assert not client.session.closed


@pytest.mark.parametrize("first", [b"PING\r\n", b"SUB a 1\r\n", b"PUB x 0\r\n\r\n", b"CONNECT {}\r\n"])
def test_every_way_in_asks_for_the_type_of_connection(first: bytes) -> None:
    nobody = {**NOBODY, "allowed_connection_types": ["WEBSOCKET"]}
    assert House(users=[ANNA, nobody], no_auth_user="nobody").client().say(first) == VIOLATION


def test_without_a_no_auth_user_the_first_verb_has_to_be_connect() -> None:
    assert House(users=[ANNA]).client().say(b"PING\r\n") == VIOLATION


def test_who_says_nothing_at_all_is_sent_away_in_time() -> None:
    for no_auth_user in ("", "nobody"):
        house = House(users=[ANNA, NOBODY], no_auth_user=no_auth_user)
        client = house.client()
        house.clock.move(2.1)
        assert client.heard() == b"-ERR 'Authentication Timeout'\r\n"


def test_another_login_leaves_nothing_of_the_first() -> None:
    house = House(users=[ANNA, NOBODY], no_auth_user="nobody")
    client, publisher = house.client(), house.client(QUIET)
    client.say(b"SUB > 1\r\n")
    client.say(b"CONNECT {%b}\r\n" % login("anna").encode())
    assert client.session.account_name == "A"
    assert client.session.subs == {}
    publisher.say(b"PUB free.x 0\r\n\r\n")
    assert client.heard() == b""
    assert client.say(b"PUB x 0\r\n\r\n") == b""
    assert len(house.accounts["B"].sublist) == 0


def test_an_nkey_user_signs_what_its_own_info_said() -> None:
    from nacl.signing import SigningKey

    signer = SigningKey(bytes(32))
    nkey = render_public("user", bytes(signer.verify_key))
    house = House(users=[{"nkey": nkey, "account": "A"}])
    client, other = house.client(), house.client()
    nonce = info_of(client.greeting)["nonce"]
    assert len(nonce) == 15
    assert nonce != info_of(other.greeting)["nonce"]
    signature = base64.urlsafe_b64encode(signer.sign(nonce.encode()).signature).decode().rstrip("=")
    line = f'CONNECT {{{QUIET},"nkey":"{nkey}","sig":"{signature}"}}\r\n'.encode()
    assert client.say(line) == b""
    assert client.session.account_name == "A"
    assert client.session.user == nkey
    assert other.say(line) == VIOLATION
    assert signature not in "".join(house.log.lines)


def test_secrets_of_those_turned_away_are_not_logged() -> None:
    house = House(users=[ANNA])
    for words in ('"user":"x","pass":"canary"', '"auth_token":"canary"', '"nkey":"U","sig":"canary"', '"jwt":"canary"'):
        house.client().say(b"CONNECT {%b}\r\n" % words.encode())
    assert house.log.lines
    assert "canary" not in "".join(house.log.lines)
