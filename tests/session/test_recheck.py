"""What a change of users does to the sessions that are there."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.accounts.permissions import Rights
from natsd.accounts.users import as_user
from natsd.auth.credentials import Credentials
from natsd.session.recheck import Recheck
from tests.session.memory import Client, House

U = {"user": "u", "password": "p"}
LOGIN = '"verbose":false,"user":"u","pass":"p"'
VIOLATION = b"-ERR 'Authorization Violation'\r\n"


def credentials(house: House, **given: Any) -> Credentials:
    users = [as_user(user) for user in given.pop("users", [])]
    return Credentials(
        users=[(user, user.permissions and Rights(user.permissions, house.road)) for user in users], **given
    )


def change(house: House, **given: Any) -> None:
    before, house.roster.credentials = house.roster.credentials, credentials(house, **given)
    recheck = Recheck(before, house.roster.credentials)
    for session in list(house.roster.connections.values()):
        recheck.take(session)


def house_of(**given: Any) -> House:
    house = House()
    house.roster.credentials = credentials(house, **given)
    return house


def reason(client: Client) -> str:
    return client.session.reason


def test_a_user_that_is_the_same_notices_nothing() -> None:
    house = house_of(users=[U])
    client = house.client(LOGIN)
    client.say(b"SUB a 1\r\n")
    change(house, users=[U, {"user": "another"}])
    assert client.say(b"PUB a 2\r\nhi\r\n") == b"MSG a 1 2\r\nhi\r\n"


@pytest.mark.parametrize("after", [[], [{"user": "another"}], [{**U, "account": "$SYS"}]])
def test_a_user_that_is_gone_or_has_moved_is_closed_without_a_word(after: list[dict[str, Any]]) -> None:
    house = house_of(users=[U])
    client = house.client(LOGIN)
    change(house, users=after)
    assert (client.heard(), reason(client)) == (b"", "Client Closed")


@pytest.mark.parametrize(
    ("before", "connect", "after"),
    [
        ({"users": [U]}, LOGIN, {"users": [{**U, "password": "other"}]}),
        ({"users": [U]}, LOGIN, {"users": [{**U, "allowed_connection_types": ["MQTT"]}]}),
        ({"user": "u", "password": "p"}, LOGIN, {"user": "u", "password": "other"}),
        ({"token": "t"}, '"verbose":false,"auth_token":"t"', {"token": "other"}),
        ({}, '"verbose":false', {"users": [U]}),
        ({}, '"verbose":false', {"token": "t"}),
    ],
)
def test_who_cannot_show_what_is_asked_for_now_is_told_and_closed(
    before: dict[str, Any], connect: str, after: dict[str, Any]
) -> None:
    house = house_of(**before)
    client = house.client(connect)
    client.say(b"SUB a 1\r\n")
    change(house, **after)
    assert (client.heard(), reason(client)) == (VIOLATION, "Authentication Failure")
    assert any("authentication error" in line for line in house.log.lines)
    assert len(house.account.sublist) == 0


@pytest.mark.parametrize(
    ("before", "connect", "after"),
    [
        ({"user": "u", "password": "p"}, LOGIN, {"user": "u", "password": "p"}),
        ({"token": "t"}, '"auth_token":"t"', {"token": "t"}),
        ({"token": "t"}, '"auth_token":"t"', {}),
        ({"user": "u", "password": "p"}, LOGIN, {}),
        ({"user": "u", "password": "p"}, LOGIN, {"users": [U]}),
        ({}, LOGIN, {"users": [U]}),
        ({}, LOGIN, {}),
        ({"users": [U], "no_auth_user": "u"}, '"verbose":false', {"users": [U], "no_auth_user": "u"}),
    ],
)
def test_who_may_stay_stays(before: dict[str, Any], connect: str, after: dict[str, Any]) -> None:
    house = house_of(**before)
    client = house.client(connect)
    client.say(b"SUB a 1\r\n")
    change(house, **after)
    assert reason(client) == ""
    assert client.say(b"PUB a 0\r\n\r\n").endswith(b"MSG a 1 0\r\n\r\n")


def test_a_hash_of_the_same_password_is_as_good_and_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import bcrypt

    house = house_of(users=[U])
    clients = [house.client(LOGIN) for _ in range(5)]
    checks = []
    check = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda given, known: checks.append(1) or check(given, known))
    change(house, users=[{**U, "password": bcrypt.hashpw(b"p", bcrypt.gensalt(4)).decode()}])
    assert [reason(client) for client in clients] == [""] * 5
    assert len(checks) == 1


def test_subscriptions_that_may_not_be_any_more_are_taken_away() -> None:
    house = house_of(users=[U])
    client = house.client(LOGIN)
    client.say(b"SUB foo 1\r\nSUB bar 2\r\nSUB baz q 3\r\nSUB > 4\r\n")
    change(house, users=[{**U, "permissions": {"subscribe": {"allow": [">"], "deny": ["foo", "baz q"]}}}])
    assert client.heard() == (
        b'-ERR \'Permissions Violation for Subscription to "foo" (sid "1")\'\r\n'
        b'-ERR \'Permissions Violation for Subscription to "baz" using queue "q" (sid "3")\'\r\n'
    )
    assert house.log.lines == [
        'INF Removed sub "foo" (sid "1") for User "u" - not authorized',
        'INF Removed sub "baz" using queue "q" (sid "3") for User "u" - not authorized',
    ]
    # What is left is filtered by the new rules.
    assert client.say(b"PUB foo 0\r\n\r\nPUB bar 0\r\n\r\n").count(b"MSG bar") == 2
    assert client.say(b"PUB foo 0\r\n\r\n") == b""


def test_rights_to_publish_are_those_of_today() -> None:
    house = house_of(users=[U])
    client = house.client(LOGIN)
    assert client.say(b"PUB a 0\r\n\r\n") == b""
    change(house, users=[{**U, "permissions": {"publish": "b"}}])
    assert client.say(b"PUB a 0\r\n\r\n") == b"-ERR 'Permissions Violation for Publish to \"a\"'\r\n"
    change(house, users=[U])
    assert client.say(b"PUB a 0\r\n\r\n") == b""


def test_a_filter_goes_when_nothing_is_denied_any_more() -> None:
    house = house_of(users=[{**U, "permissions": {"subscribe": {"deny": ["a.no"]}}}])
    client = house.client(LOGIN)
    client.say(b"SUB a.* 1\r\n")
    assert client.say(b"PUB a.no 0\r\n\r\n") == b""
    change(house, users=[U])
    assert client.say(b"PUB a.no 0\r\n\r\n") == b"MSG a.no 1 0\r\n\r\n"


def test_who_has_not_logged_in_yet_does_so_by_the_new_credentials() -> None:
    house = house_of(users=[U])
    old, new = house.client(), house.client()
    change(house, users=[{"user": "n", "password": "q"}])
    assert old.say(b"CONNECT {%b}\r\n" % LOGIN.encode()) == VIOLATION
    assert new.say(b'CONNECT {"verbose":false,"user":"n","pass":"q"}\r\nPING\r\n').startswith(b"PONG")


def test_who_has_said_nothing_has_to_authenticate_in_time_from_now_on() -> None:
    house = House()
    silent, good = house.client(), house.client()
    change(house, users=[U])
    assert good.say(b"CONNECT {%b}\r\nPING\r\n" % LOGIN.encode()).startswith(b"PONG")
    house.clock.move(2.5)
    assert silent.heard() == b"-ERR 'Authentication Timeout'\r\n"
    assert reason(good) == ""


def test_who_waits_at_the_gate_is_let_in_when_nobody_has_to_authenticate() -> None:
    house = house_of(users=[U])
    client = house.client()
    change(house)
    house.clock.move(5)
    assert reason(client) == ""
    assert client.say(b"SUB a 1\r\nPUB a 0\r\n\r\n").endswith(b"MSG a 1 0\r\n\r\n")


def test_an_nkey_signs_what_its_own_connection_was_told_once_more() -> None:
    import base64

    from natsd.keys.seed import Seed
    from tests.session.memory import info_of

    seed = Seed("user", b"a" * 32)
    public = seed.public
    house = house_of(users=[{"nkey": public}])
    client = house.client()
    signature = base64.urlsafe_b64encode(seed.sign(info_of(client.greeting)["nonce"].encode())).decode().rstrip("=")
    assert client.say(
        b'CONNECT {"verbose":false,"nkey":"%b","sig":"%b"}\r\nPING\r\n' % (public.encode(), signature.encode())
    ).startswith(b"PONG")
    change(house, users=[{"nkey": public, "allowed_connection_types": ["STANDARD"]}])
    assert reason(client) == ""
    change(house, users=[U])
    assert reason(client) == "Client Closed"
