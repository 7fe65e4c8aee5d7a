"""Users and their rights, whoever wrote them: a program or a configuration file. The records: config/records.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.base.errors import OptionsError
from natsd.config.records import (
    CONNECTION_TYPES,
    DEFAULT_MAX_RESPONSES,
    DEFAULT_RESPONSE_EXPIRES_S,
    Permissions,
    ResponseRules,
    SubjectRules,
    User,
)
from natsd.subjects.valid import is_valid

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Permissions",
    "ResponseRules",
    "SubjectRules",
    "User",
    "as_permissions",
    "as_user",
    "settled",
]


def as_user(given: Any, default: Permissions | None = None) -> User:
    """A user from a record of the same fields, or from a mapping with the keys of the configuration file.

    default: permissions of a user that has none. Raises OptionsError.
    """
    if not isinstance(given, dict):
        permissions = given.permissions
        user = User(
            given.user,
            given.password,
            nkey=given.nkey,
            permissions=default if permissions is None else as_permissions(permissions),
            account=given.account,
            connection_types=given.connection_types,
            proxy_required=given.proxy_required,
        )
    else:
        known = {"user", "password", "nkey", "permissions", "account", "allowed_connection_types"}
        for key in given:
            if key not in known:
                raise OptionsError(f"unknown field {key!r} of a user")
        permissions = given.get("permissions")
        user = User(
            _text(given, "user"),
            _text(given, "password"),
            nkey=_text(given, "nkey"),
            permissions=default if permissions is None else as_permissions(permissions),
            account=_text(given, "account"),
            connection_types=[name.upper() for name in _texts(given.get("allowed_connection_types"))],
        )
    if bool(user.user) == bool(user.nkey):
        raise OptionsError("a user has either a name or an nkey")
    if user.nkey and user.password:
        raise OptionsError("a user with an nkey has no password")
    for name in user.connection_types:
        if name not in CONNECTION_TYPES:
            raise OptionsError(f"unknown connection type {name!r}")
    return user


def as_permissions(given: Any) -> Permissions:
    """Permissions from a record of the same fields, or from a mapping as in the configuration file.

    `publish` and `subscribe` are a subject, a list, or `{"allow": ..., "deny": ...}`; `allow_responses` is true or
    `{"max": number, "expires": seconds}`. Raises OptionsError.
    """
    if not isinstance(given, dict):
        publish, subscribe, responses = given.publish, given.subscribe, given.responses
        return settled(
            Permissions(
                None if publish is None else SubjectRules(publish.allow, publish.deny),
                None if subscribe is None else SubjectRules(subscribe.allow, subscribe.deny),
                None if responses is None else ResponseRules(responses.max_msgs, responses.expires_s),
            )
        )
    for key in given:
        if key not in ("publish", "subscribe", "allow_responses"):
            raise OptionsError(f"unknown field {key!r} of permissions")
    publish, subscribe = _rules(given.get("publish")), _rules(given.get("subscribe"))
    responses = given.get("allow_responses")
    rules = None
    if isinstance(responses, dict):
        rules = ResponseRules(
            int(responses.get("max", DEFAULT_MAX_RESPONSES)),
            float(responses.get("expires", DEFAULT_RESPONSE_EXPIRES_S)),
        )
    elif responses:
        rules = ResponseRules()
    return settled(Permissions(publish, subscribe, rules))


def settled(permissions: Permissions) -> Permissions:
    """The same with what follows from them: replies only, where nothing else says what may be published. Checked."""
    responses = permissions.responses
    if responses is not None:
        publish = permissions.publish
        if publish is None:
            permissions.publish = SubjectRules([])
        elif publish.allow is None:
            permissions.publish = SubjectRules([], publish.deny)
        responses.max_msgs = responses.max_msgs or DEFAULT_MAX_RESPONSES
        responses.expires_s = responses.expires_s or DEFAULT_RESPONSE_EXPIRES_S
    for rules, with_queue in ((permissions.publish, False), (permissions.subscribe, True)):
        if rules is not None:
            for rule in (*(rules.allow or ()), *rules.deny):
                words = rule.split() if with_queue else [rule]
                if not 1 <= len(words) <= 2 or not all(is_valid(word.encode()) for word in words):
                    raise OptionsError(f"subject {rule!r} is not a valid subject")
    return permissions


def _rules(given: Any) -> SubjectRules | None:
    if given is None:
        return None
    if isinstance(given, dict):
        for key in given:
            if key not in ("allow", "deny"):
                raise OptionsError(f"unknown field {key!r} of a permission")
        allow = given.get("allow")
        return SubjectRules(None if allow is None else _texts(allow), _texts(given.get("deny")))
    return SubjectRules(_texts(given))


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str):
        raise OptionsError(f"{key} of a user has to be text")
    return value


def _texts(given: Any) -> list[str]:
    if given is None:
        return []
    texts = [given] if isinstance(given, str) else list(given)
    if not all(isinstance(text, str) for text in texts):
        raise OptionsError(f"{given!r} is not a list of texts")
    return texts
