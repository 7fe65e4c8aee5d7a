"""A whole configuration: from a file to the values of options, with everything checked that a file can say."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from natsd.config import accounts, auth, later, reader, tls
from natsd.config.digest import digest_of
from natsd.config.not_yet import refuse_what_is_not_there_yet
from natsd.config.options_table import OPTIONS
from natsd.config.parser import parse_file
from natsd.config.problems import ConfigError, Problem, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.config.auth import Authorization
    from natsd.config.parser import World
    from natsd.config.reader import Checks, Fields, Reader
    from natsd.config.records import AccountRecord, TlsRecord, User
    from natsd.config.setting import Map

SYSTEM = "$SYS"
KINDS = {**reader.KINDS, **auth.KINDS, **accounts.KINDS, **tls.KINDS, **later.KINDS}
FINISHERS = {**auth.FINISHERS, **accounts.FINISHERS, **tls.FINISHERS, **later.FINISHERS}

NOT_ATTRIBUTES = frozenset(name for option in OPTIONS if not option.effect for name in option.sets) | frozenset(
    (
        "authorization",
        "cluster",
        "default_sentinel",
        "gateway",
        "leafnodes",
        "mqtt",
        "ocsp",
        "ocsp_cache",
        "operator",
        "proxies",
        "proxy_protocol",
        "resolver",
        "resolver_pinned_accounts",
        "resolver_preload",
        "resolver_tls",
        "trusted_keys",
        "websocket",
    )
)
"""What rows set that is no attribute of Options: read, checked, and refused or left alone."""


class Configuration:
    """What a file says. values: attributes of Options, those that the file gives. warnings: to be shown, no more."""

    __slots__ = ("digest", "path", "values", "warnings")

    def __init__(self, path: str, values: dict[str, object], warnings: list[Problem], digest: str) -> None:
        self.path = path
        self.values = values
        self.warnings = warnings
        self.digest = digest


def load(path: str, world: World, checks: Checks) -> Configuration:
    """Read and check a file. Raises ConfigError with everything that is wrong, and OSError for the file itself."""
    return read_settings(parse_file(path, world), checks, path)


def read_settings(
    settings: Map,
    checks: Checks,
    path: str = "",
    refuse: Callable[[Fields], list[Problem]] = refuse_what_is_not_there_yet,
) -> Configuration:
    """Check settings. Raises ConfigError."""
    top = reader.Reader(checks, KINDS, FINISHERS)
    if not settings:
        top.problems.append(Problem(path, 0, 0, "the file has no values", warning=True))
    fields = top.read(settings, OPTIONS)
    values = _combine(top, fields)
    top.problems += refuse(fields)
    # In the order of the file, and the including file last.
    top.problems.sort(key=lambda problem: (problem.file == path, problem.file, problem.line, problem.column))
    if any(not problem.warning for problem in top.problems):
        raise ConfigError(top.problems)
    return Configuration(path, values, top.problems, digest_of(settings))


def _combine(top: Reader, fields: Fields) -> dict[str, object]:
    """The values of options; what has to hold between them, checked."""
    values = {name: value for name, value in fields.values.items() if name not in NOT_ATTRIBUTES}
    if values.get("max_connections") == 0:
        values["max_connections"] = -1
    # Nothing, in any form, is the same as not being there.
    values = {name: value for name, value in values.items() if value or isinstance(value, bool)}
    authorization = cast("Authorization | None", fields.values.get("authorization"))
    record = cast("TlsRecord | None", fields.values.get("tls"))
    if record is not None:
        # A handshake takes time before credentials can come.
        values["auth_timeout_s"] = record.timeout_s + 1.0
    if authorization is not None:
        for name in ("user", "password", "token"):
            if getattr(authorization, name):
                values[name] = getattr(authorization, name)
        if authorization.timeout_s:
            values["auth_timeout_s"] = authorization.timeout_s
        if authorization.auth_callout is not None:
            values["auth_callout"] = authorization.auth_callout
        if authorization.proxy_required:
            values["proxy_required"] = True
    users = _users(top, fields, authorization)
    if users:
        values["users"] = users
    _check_names(top, fields, users, authorization)
    return values


def _users(top: Reader, fields: Fields, authorization: Authorization | None) -> list[User]:
    """All users there are; no two with the same name."""
    users = list(authorization.users or ()) if authorization is not None else []
    of_accounts = [user for account in _accounts(fields) for user in account.users]
    if of_accounts and authorization is not None and (authorization.user or authorization.token):
        what = "a single user" if authorization.user else "a token"
        top.error(fields.settings["authorization"], f"authorization has {what}, and accounts have users of their own")
    seen: set[str] = set()
    for user in users + of_accounts:
        if user.name in seen:
            top.error(top.marks[id(user)], f"there are two users {quoted(user.name)}")
        seen.add(user.name)
    return users + of_accounts


def _accounts(fields: Fields) -> list[AccountRecord]:
    return cast("list[AccountRecord]", fields.values.get("accounts", []))


def _check_names(top: Reader, fields: Fields, users: list[User], authorization: Authorization | None) -> None:
    names = {account.name for account in _accounts(fields)}
    no_auth_user = fields.values.get("no_auth_user")
    if no_auth_user and no_auth_user not in [user.name for user in users]:
        top.error(fields.settings["no_auth_user"], f"there is no user {quoted(str(no_auth_user))}")
    system = fields.values.get("system_account")
    # In operator mode the name is a key and the account comes from the resolver.
    if system and system not in (names | {SYSTEM}) and "operator" not in fields and "trusted_keys" not in fields:
        top.error(fields.settings["system_account"], f"there is no account {quoted(str(system))}")
    if authorization is not None and authorization.auth_callout is not None:
        for name in authorization.auth_callout.allowed_accounts:
            if name not in names:
                where = fields.settings["authorization"]
                top.error(where, f"auth_callout allows the account {quoted(name)}, which there is not")
    jetstream = fields.values.get("jetstream")
    if isinstance(jetstream, dict) and jetstream.get("store_dir") and fields.values.get("store_dir"):
        top.error(fields.settings["jetstream"], "store_dir stands in the jetstream block and outside of it")
