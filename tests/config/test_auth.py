"""Users and permissions as a file describes them."""

from __future__ import annotations

from typing import cast

import pytest

from natsd.config.records import AuthCallout, Permissions, ResponseRules, SubjectRules, User
from tests.config.readings import complaints, values

USER_KEY = "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
ACCOUNT_KEY = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL"


def users(text: str) -> list[User]:
    return cast("list[User]", values(f"authorization {{ {text} }}")["users"])


def permissions(text: str) -> Permissions | None:
    (user,) = users(f"users: [{{user: a, permissions {{ {text} }}}}]")
    return user.permissions


def test_a_user_has_a_name_and_a_password_or_an_nkey() -> None:
    assert users(f"users: [{{username: a, pass: b}}, {{user: c, password: $2a$10$xyz}}, {{nkey: {USER_KEY}}}]") == [
        User("a", "b"),
        User("c", "$2a$10$xyz"),
        User(nkey=USER_KEY),
    ]


def test_connection_types_are_in_upper_case() -> None:
    (one, other) = users("users: [{user: a, connection_types: standard}, {user: b, clients: [MQTT, in_process]}]")
    assert one.connection_types == {"STANDARD"}
    assert other.connection_types == {"MQTT", "IN_PROCESS"}


@pytest.mark.parametrize("rule", ["'a.*'", "['a.*']", "{allow: 'a.*'}", "{allow: ['a.*']}"])
def test_permissions_have_short_and_long_forms(rule: str) -> None:
    wanted = SubjectRules(["a.*"])
    assert permissions(f"publish: {rule}, sub: {rule}") == Permissions(wanted, wanted)


def test_permissions_may_deny() -> None:
    assert permissions("publish {deny: [a, b]}, subscribe {allow: '>', deny: 'a queue'}") == Permissions(
        SubjectRules(None, ["a", "b"]), SubjectRules([">"], ["a queue"])
    )


def test_no_rules_are_as_good_as_none() -> None:
    assert permissions("publish {}, subscribe {}") == Permissions()
    assert permissions("publish: []") == Permissions(SubjectRules([]))


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("true", ResponseRules(1, 120.0)),
        ("{}", ResponseRules(1, 120.0)),
        ('{max: 5, expires: "1m"}', ResponseRules(5, 60.0)),
        ('{max_responses: -1, ttl: "-1s"}', ResponseRules(-1, -1.0)),
        ('{max: 0, ttl: "0"}', ResponseRules(1, 120.0)),
    ],
)
def test_responses_take_the_blanket_right_to_publish_away(text: str, rules: ResponseRules) -> None:
    assert permissions(f"allow_responses: {text}") == Permissions(SubjectRules([]), None, rules)
    assert permissions(f"publish_allow_responses: {text}, publish: a") == Permissions(SubjectRules(["a"]), None, rules)
    assert permissions(f"publish {{deny: a}}, allow_responses: {text}") == Permissions(
        SubjectRules([], ["a"]), None, rules
    )


def test_responses_may_be_off() -> None:
    assert permissions("allow_responses: false") == Permissions()


def test_default_permissions_are_for_users_without_any() -> None:
    one, other = users("default_permissions {publish: a}, users: [{user: a}, {user: b, permissions {publish: c}}]")
    assert one.permissions == Permissions(SubjectRules(["a"]))
    assert other.permissions == Permissions(SubjectRules(["c"]))


def test_an_authorization_callout_has_an_issuer_and_its_users() -> None:
    callout = values(f"authorization {{auth_callout {{issuer: {ACCOUNT_KEY}, auth_users: [a], account: A}}}}")[
        "auth_callout"
    ]
    assert callout == AuthCallout(ACCOUNT_KEY, ["a"], "A")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("user: a, token: b", "1:1: authorization has both a user and a token"),
        ("password: a, token: b", "1:1: authorization has both a user and a token"),
        ("user: a, users: [{user: b}]", "1:1: authorization has both a single user and a list of users"),
        ("token: a, users: []", "1:1: authorization has both a token and a list of users"),
        ("users: false", '1:17: "users" must be a list, not a boolean'),
        ("users: [false]", '1:25: "user" must be a map, not a boolean'),
        ("users: [{pass: a}]", "1:25: a user needs a name or an nkey"),
        ("users: [{user: a, token: b}]", '1:35: unknown field "token"'),
        ("users: [{user: a}, {user: a}]", '1:36: there are two users "a"'),
        (f"users: [{{nkey: {USER_KEY}}}, {{nkey: {USER_KEY}}}]", "there are two users"),
        (f"users: [{{nkey: S{USER_KEY[1:]}}}]", "is no public nkey of a user"),
        (f"users: [{{nkey: {ACCOUNT_KEY}}}]", "is no public nkey of a user"),
        (f"users: [{{nkey: {USER_KEY}, pass: a}}]", "a user with an nkey has neither a name nor a password"),
        ("users: [{user: a, proxy_required: 1}]", '"proxy_required" must be a boolean, not an integer'),
        ("users: [{user: a, clients: 5}]", '"clients" must be a string or a list of strings, not an integer'),
        ("users: [{user: a, clients: [5]}]", '"clients" must be a string, not an integer'),
        ("users: [{user: a, clients: [X, MQTT]}]", '"clients" has no "X", only IN_PROCESS, LEAFNODE'),
        ("users: [{user: a, permissions: false}]", '"permissions" must be a map, not a boolean'),
        ("permissions {inboxes: true}", '1:30: unknown field "inboxes"'),
        ("permissions {publish {allowed: a}}", 'unknown field "allowed"'),
        ("permissions {publish: false}", '"publish" must be a subject or a list of subjects, not a boolean'),
        ("permissions {publish {allow: false}}", '"allow" must be a subject or a list of subjects, not a boolean'),
        ("permissions {publish {deny: [true]}}", '"deny" must be a string, not a boolean'),
        ("permissions {publish: a..b}", '"a..b" is no valid subject'),
        ("permissions {publish: 'a b'}", '"a b" is no valid subject'),
        ("permissions {subscribe: 'a. b'}", '"a." is no valid subject'),
        ("permissions {subscribe: 'a .b'}", '".b" is no valid queue'),
        ("permissions {subscribe: 'a b c'}", '"a b c" is no valid subject'),
        ("permissions {allow_responses: 5}", '"allow_responses" must be a boolean or a map, not an integer'),
        ("permissions {allow_responses {max: a}}", '"max" must be an integer, not a string'),
        ("permissions {allow_responses {ttl: 5}}", '"ttl" must be a duration'),
        ("permissions {allow_responses {x: 5}}", 'unknown field "x"'),
        ("timeout: true", '"timeout" must be a number of seconds or a duration, not a boolean'),
        ("timeout: soon", '"timeout" must be a duration'),
        ("auth_callout {auth_users: [a]}", "an authorization callout needs issuer"),
        (f"auth_callout {{issuer: {ACCOUNT_KEY}}}", "an authorization callout needs auth_users"),
        (f"auth_callout {{issuer: {USER_KEY}, auth_users: [a]}}", '"issuer" must be a public account nkey'),
        (
            f"auth_callout {{issuer: {ACCOUNT_KEY}, auth_users: [a], xkey: {USER_KEY}}}",
            '"xkey" must be a public curve nkey',
        ),
        (
            f"auth_callout {{issuer: {ACCOUNT_KEY}, auth_users: [a], allowed_accounts: [X]}}",
            'the account "X", which there',
        ),
    ],
)
def test_what_cannot_be_is_refused(text: str, complaint: str) -> None:
    told = complaints(f"authorization {{ {text} }}")
    assert any(complaint in line for line in told), told
