"""The authorization block and the users of accounts: from settings to records."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from natsd.config.block_tables import BLOCKS
from natsd.config.problems import quoted
from natsd.config.public_key import is_public_key
from natsd.config.reader import Wrong, mismatch, read_texts
from natsd.config.records import CONNECTION_TYPES, AuthCallout, Permissions, ResponseRules, SubjectRules, User

if TYPE_CHECKING:
    from natsd.config.reader import Fields, Finisher, Kind, Reader
    from natsd.config.setting import Setting


class Authorization:
    """What an authorization block says. token or user and password, or users, never two of them."""

    __slots__ = ("auth_callout", "password", "permissions", "proxy_required", "timeout_s", "token", "user", "users")

    def __init__(
        self,
        user: str = "",
        password: str = "",
        token: str = "",
        timeout_s: float = 0.0,
        users: list[User] | None = None,
        permissions: Permissions | None = None,
        auth_callout: AuthCallout | None = None,
        proxy_required: bool = False,
    ) -> None:
        self.user = user
        self.password = password
        self.token = token
        self.timeout_s = timeout_s
        self.users = users
        self.permissions = permissions
        self.auth_callout = auth_callout
        self.proxy_required = proxy_required


def finish_authorization(reader: Reader, setting: Setting, fields: Fields) -> Authorization:
    authorization = Authorization(
        permissions=cast("Permissions | None", fields.values.get("default_permissions")),
        **fields.pick("user", "password", "token", "timeout_s", "users", "auth_callout", "proxy_required"),  # type: ignore[arg-type]
    )
    if (authorization.user or authorization.password) and authorization.token:
        reader.error(setting, "authorization has both a user and a token")
    elif authorization.users is not None and authorization.user:
        reader.error(setting, "authorization has both a single user and a list of users")
    elif authorization.users is not None and authorization.token:
        reader.error(setting, "authorization has both a token and a list of users")
    apply_defaults(authorization.users or (), authorization.permissions)
    return authorization


def apply_defaults(users: list[User] | tuple[()], permissions: Permissions | None) -> None:
    """Give default permissions to users without any."""
    for user in users:
        if user.permissions is None:
            user.permissions = permissions


def read_users(reader: Reader, setting: Setting, name: str) -> list[User]:
    items = reader.items(setting, name)
    return cast("list[User]", reader.each(items, lambda item: reader.block(item, "user", "user")))


def finish_user(reader: Reader, setting: Setting, fields: Fields) -> User:
    user = User(
        connection_types=cast("frozenset[str]", fields.values.get("allowed_connection_types", frozenset())),
        **fields.pick("user", "password", "nkey", "permissions", "proxy_required"),  # type: ignore[arg-type]
    )
    if user.nkey:
        where = fields.settings["nkey"]
        if not is_public_key(user.nkey, "user"):
            raise Wrong(f"{quoted(user.nkey)} is no public nkey of a user", where)
        if user.user or user.password:
            raise Wrong("a user with an nkey has neither a name nor a password", where)
    elif not user.user:
        raise Wrong("a user needs a name or an nkey")
    return user


def read_connection_types(reader: Reader, setting: Setting, name: str) -> frozenset[str]:
    given = read_texts(reader, setting, name)
    types = frozenset(text.upper() for text in given)
    unknown = [text for text in given if text.upper() not in CONNECTION_TYPES]
    if unknown:
        raise Wrong(
            f"{quoted(name)} has no {', '.join(map(quoted, unknown))}, only {', '.join(sorted(CONNECTION_TYPES))}"
        )
    return types


def finish_permissions(reader: Reader, setting: Setting, fields: Fields) -> Permissions:
    values = fields.values
    permissions = Permissions(
        cast("SubjectRules | None", values.get("publish")),
        cast("SubjectRules | None", values.get("subscribe")),
        cast("ResponseRules | None", values.get("allow_responses")),
    )
    if permissions.responses is not None:
        if permissions.publish is None:
            permissions.publish = SubjectRules(allow=[])
        elif permissions.publish.allow is None:
            permissions.publish.allow = []
    return permissions


def read_rules(reader: Reader, setting: Setting, name: str, block: str = "rules") -> SubjectRules | None:
    """Allowed subjects, or a map of allowed and denied ones; an empty map is the same as none."""
    if not isinstance(setting.value, dict):
        return SubjectRules(allow=cast("list[str]", reader.value(setting, block.replace("rules", "subjects"), name)))
    if not setting.value:
        return None
    values = reader.read(setting.value, BLOCKS[block]).values
    return SubjectRules(cast("list[str] | None", values.get("allow")), cast("list[str] | None", values.get("deny")))


def read_queue_rules(reader: Reader, setting: Setting, name: str) -> SubjectRules | None:
    return read_rules(reader, setting, name, "queue_rules")


def read_subjects(reader: Reader, setting: Setting, name: str) -> list[str]:
    return _subjects(reader, setting, name, with_queue=False)


def read_queue_subjects(reader: Reader, setting: Setting, name: str) -> list[str]:
    return _subjects(reader, setting, name, with_queue=True)


def _subjects(reader: Reader, setting: Setting, name: str, with_queue: bool) -> list[str]:
    if not isinstance(setting.value, str | list):
        raise mismatch(setting, name, "a subject or a list of subjects")
    subjects = read_texts(reader, setting, name)
    for subject in subjects:
        if reader.checks.subject(subject):
            continue
        words = subject.split()
        if with_queue and len(words) == 2:
            for word, what in zip(words, ("subject", "queue"), strict=True):
                if not reader.checks.subject(word):
                    raise Wrong(f"{quoted(word)} is no valid {what}")
        else:
            raise Wrong(f"{quoted(subject)} is no valid subject")
    return subjects


def read_responses(reader: Reader, setting: Setting, name: str) -> ResponseRules | None:
    value = setting.value
    if isinstance(value, bool):
        return ResponseRules() if value else None
    if not isinstance(value, dict):
        raise mismatch(setting, name, "a boolean or a map")
    fields = reader.read(value, BLOCKS["responses"])
    # As everywhere, 0 stands for the default.
    return ResponseRules(**{key: value for key, value in fields.values.items() if value})  # type: ignore[arg-type]


def finish_auth_callout(reader: Reader, setting: Setting, fields: Fields) -> AuthCallout:
    for name in ("issuer", "auth_users"):
        if not fields.values.get(name):
            raise Wrong(f"an authorization callout needs {name}")
    return AuthCallout(**fields.pick("issuer", "auth_users", "account", "xkey", "allowed_accounts"))  # type: ignore[arg-type]


KINDS: dict[str, Kind] = {
    "users": read_users,
    "connection_types": read_connection_types,
    "rules": read_rules,
    "queue_rules": read_queue_rules,
    "subjects": read_subjects,
    "queue_subjects": read_queue_subjects,
    "responses": read_responses,
}
FINISHERS: dict[str, Finisher] = {
    "authorization": finish_authorization,
    "user": finish_user,
    "permissions": finish_permissions,
    "auth_callout": finish_auth_callout,
}
