"""What a user may publish and subscribe to, as its connection is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.session.memory import Client, House

LOGIN = '"verbose":false,"headers":true,"no_responders":true,"user":"u"'


def house_with(**permissions: Any) -> House:
    return House(users=[{"user": "u", "permissions": permissions}, {"user": "free"}])


def free(house: House) -> Client:
    return house.client('"verbose":false,"user":"free"')


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"SUB b 1", b'Subscription to "b"'),
        (b"SUB b q 1", b'Subscription to "b" using queue "q"'),
        (b"SUB > 1", b'Subscription to ">"'),
        (b"SUB a.no 1", b'Subscription to "a.no"'),
        (b"SUB a.* 1", None),
        (b"SUB a.> 1", None),
        (b"SUB a.b q 1", None),
        (b"SUB a.g g1 1", b'Subscription to "a.g" using queue "g1"'),
        (b"SUB a.g g2 1", None),
    ],
)
def test_a_subscription_outside_the_rules_is_refused_and_the_connection_stays(line: bytes, told: bytes | None) -> None:
    house = house_with(subscribe={"allow": ["a.>"], "deny": ["a.no", "a.g g1"]})
    client = house.client(LOGIN)
    heard = client.say(line + b"\r\n")
    assert heard == (b"" if told is None else b"-ERR 'Permissions Violation for %b'\r\n" % told)
    assert len(house.account.sublist) == (told is None)
    assert not client.session.closed


def test_a_refused_subscription_is_not_acknowledged() -> None:
    client = house_with(subscribe="a").client('"user":"u"')
    assert client.say(b"SUB b 1\r\n").count(b"+OK") == 0


def test_a_wide_subscription_is_filtered_when_messages_are_delivered() -> None:
    house = house_with(subscribe={"deny": ["a.no", "a.secret.>"]})
    client, other = house.client(LOGIN), free(house)
    client.say(b"SUB a.> 1\r\nSUB a.* q 2\r\n")
    other.say(
        b"".join(b"PUB %b 0\r\n\r\n" % subject for subject in (b"a.no", b"a.secret.x", b"a.yes", b"a.no", b"a.x.y"))
    )
    assert sorted(line for line in client.heard().split(b"\r\n") if line) == [
        b"MSG a.x.y 1 0",
        b"MSG a.yes 1 0",
        b"MSG a.yes 2 0",
    ]


def test_a_publish_outside_the_rules_is_refused_with_its_subject() -> None:
    house = house_with(publish={"allow": ["a.*"], "deny": ["a.no"]})
    client, other = house.client(LOGIN), free(house)
    other.say(b"SUB > 1\r\n")
    heard = client.say(b"PUB a.x 0\r\n\r\nPUB a.no 0\r\n\r\nPUB b 0\r\n\r\nPUB a.x 0\r\n\r\n")
    assert heard == (
        b"-ERR 'Permissions Violation for Publish to \"a.no\"'\r\n-ERR 'Permissions Violation for Publish to \"b\"'\r\n"
    )
    assert other.heard() == b"MSG a.x 1 0\r\n\r\n" * 2
    assert any("Publish Violation" in line for line in house.log.lines)


def test_a_service_may_answer_what_it_was_asked_and_nothing_else() -> None:
    house = house_with(subscribe="s", allow_responses={"max": 2, "expires": 60})
    service, asker = house.client(LOGIN), free(house)
    service.say(b"SUB s 1\r\n")
    asker.say(b"SUB r.* 1\r\nPUB s r.1 0\r\n\r\n")
    heard = service.say(b"PUB r.1 0\r\n\r\n" * 3 + b"PUB r.2 0\r\n\r\n")
    assert heard.startswith(b"MSG s 1 r.1 0\r\n\r\n-ERR 'Permissions Violation for Publish to \"r.1\"'")
    assert heard.endswith(b'Publish to "r.2"\'\r\n')
    assert asker.heard().count(b"MSG r.1") == 2
    asker.say(b"PUB s r.3 0\r\n\r\n")
    house.clock.move(61)
    assert b"-ERR" in service.say(b"PUB r.3 0\r\n\r\n")


def test_users_of_one_name_share_rules_and_not_replies() -> None:
    house = house_with(allow_responses=True)
    one, two, asker = house.client(LOGIN), house.client(LOGIN), free(house)
    one.say(b"SUB s 1\r\n")
    asker.say(b"PUB s r 0\r\n\r\n")
    assert b"-ERR" in two.say(b"PUB r 0\r\n\r\n")
    assert b"-ERR" not in one.say(b"PUB r 0\r\n\r\n")


def test_reserved_replies_stay_reserved_whatever_the_rules_say() -> None:
    house = house_with(publish=">")
    house.road.reserved_replies = (b"_R_.",)
    client = house.client(LOGIN)
    assert client.say(b"PUB a _R_.x 0\r\n\r\n") == (
        b"-ERR 'Permissions Violation for Publish with Reply of \"_R_.x\"'\r\n"
    )
