"""Users and permissions as records."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.accounts.users import Permissions, ResponseRules, SubjectRules, User, as_permissions, as_user
from natsd.base.errors import OptionsError


def test_a_mapping_becomes_a_user() -> None:
    user = as_user(
        {
            "user": "a",
            "password": "sesame",
            "account": "A",
            "allowed_connection_types": ["standard"],
            "permissions": {"publish": "x", "subscribe": {"deny": ["y", "z q"]}},
        }
    )
    assert (user.name, user.password, user.account) == ("a", "sesame", "A")
    assert user.connection_types == {"STANDARD"}
    assert user.permissions is not None and user.permissions.publish is not None
    assert user.permissions.publish.allow == ["x"]
    assert "sesame" not in repr(user)


def test_a_record_becomes_a_user_and_keeps_its_fields() -> None:
    record = User("a", "b", permissions=Permissions(SubjectRules(["x"]), None, ResponseRules(0, 0)))
    user = as_user(record)
    assert user.permissions is not None and user.permissions.responses is not None
    assert (user.permissions.responses.max_msgs, user.permissions.responses.expires_s) == (1, 120)


def test_default_permissions_are_for_those_without_their_own() -> None:
    default = as_permissions({"publish": "d"})
    assert as_user({"user": "a"}, default).permissions is default
    assert as_user(User("a"), default).permissions is default
    assert as_user({"user": "a", "permissions": {"publish": "x"}}, default).permissions is not default


def test_responses_alone_mean_replies_only() -> None:
    for given in ({"allow_responses": True}, {"allow_responses": {"max": 3}, "publish": {"deny": "x"}}):
        permissions = as_permissions(given)
        assert permissions.publish is not None
        assert permissions.publish.allow == []
    assert as_permissions({"allow_responses": False}).publish is None


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"user": "a", "nkey": "U"},
        {"nkey": "U", "password": "x"},
        {"user": 1},
        {"user": "a", "pasword": "x"},
        {"user": "a", "allowed_connection_types": ["TELEX"]},
        {"user": "a", "permissions": {"publish": "a..b"}},
        {"user": "a", "permissions": {"publish": "a q"}},
        {"user": "a", "permissions": {"subscribe": "a q r"}},
        {"user": "a", "permissions": {"subscribe": [""]}},
        {"user": "a", "permissions": {"subscribe": [1]}},
        {"user": "a", "permissions": {"publishes": "a"}},
        {"user": "a", "permissions": {"publish": {"allowed": "a"}}},
    ],
)
def test_what_is_no_user_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(OptionsError):
        as_user(bad)
