"""What a configuration says about users, accounts and TLS, as plain records. Nothing here enforces anything.

Two records are equal when all their fields are: that is how a reload sees what changed. A repr hides secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SECRETS = frozenset(("password", "token"))
CONNECTION_TYPES = frozenset(("STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS"))
DEFAULT_MAX_RESPONSES = 1
DEFAULT_RESPONSE_EXPIRES_S = 120.0


class Record:
    """Fields by name, comparable."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ((name, getattr(self, name)) for name in self.__slots__)
        shown = (f"{name}={'***' if name in SECRETS and value else repr(value)}" for name, value in fields if value)
        return f"{type(self).__name__}({', '.join(shown)})"


class SubjectRules(Record):
    """What may be published or subscribed to. allow: None for everything, empty for nothing; deny goes before allow.

    Rules of subscriptions may have the form "subject queue": they hold for queue subscriptions of that group, which may
    be a pattern too.
    """

    __slots__ = ("allow", "deny")

    def __init__(self, allow: list[str] | None = None, deny: list[str] | None = None) -> None:
        self.allow = allow
        self.deny = deny or []


class ResponseRules(Record):
    """Publishing to the reply subject of a message one has received: how often, and how long after it.

    A negative number means without limit.
    """

    __slots__ = ("expires_s", "max_msgs")

    def __init__(self, max_msgs: int = DEFAULT_MAX_RESPONSES, expires_s: float = DEFAULT_RESPONSE_EXPIRES_S) -> None:
        self.max_msgs = max_msgs
        self.expires_s = expires_s


class Permissions(Record):
    """The rights of a user. None for publish or subscribe: everything is allowed.

    Where responses are set and nothing says what may be published, publish.allow is empty: replies only.
    """

    __slots__ = ("publish", "responses", "subscribe")

    def __init__(
        self,
        publish: SubjectRules | None = None,
        subscribe: SubjectRules | None = None,
        responses: ResponseRules | None = None,
    ) -> None:
        self.publish = publish
        self.subscribe = subscribe
        self.responses = responses

    @property
    def key(self) -> tuple[object, ...]:
        """Equal where all the rules are; unlike the record it may be the key of a mapping."""
        parts: list[object] = [
            None if rules is None else (None if rules.allow is None else tuple(rules.allow), tuple(rules.deny))
            for rules in (self.publish, self.subscribe)
        ]
        responses = self.responses
        return (*parts, None if responses is None else (responses.max_msgs, responses.expires_s))


class User(Record):
    """One user: with a name and a password (plain or a bcrypt hash), or with a public user nkey.

    permissions: its own, or the default ones of its block; None for everything. account: empty for the global one.
    connection_types: in upper case, such as STANDARD; empty for all.
    """

    __slots__ = ("account", "connection_types", "nkey", "password", "permissions", "proxy_required", "user")

    def __init__(
        self,
        user: str = "",
        password: str = "",
        *,
        nkey: str = "",
        permissions: Permissions | None = None,
        account: str = "",
        connection_types: Iterable[str] = (),
        proxy_required: bool = False,
    ) -> None:
        self.user = user
        self.password = password
        self.nkey = nkey
        self.permissions = permissions
        self.account = account
        self.connection_types = frozenset(connection_types)
        self.proxy_required = proxy_required

    @property
    def name(self) -> str:
        """What no other user has: its nkey or its name."""
        return self.nkey or self.user


class AuthCallout(Record):
    """The service that decides who may connect."""

    __slots__ = ("account", "allowed_accounts", "auth_users", "issuer", "xkey")

    def __init__(
        self,
        issuer: str,
        auth_users: list[str],
        account: str = "$G",
        xkey: str = "",
        allowed_accounts: list[str] | None = None,
    ) -> None:
        self.issuer = issuer
        self.auth_users = auth_users
        self.account = account
        self.xkey = xkey
        self.allowed_accounts = allowed_accounts or []


class AccountLimits(Record):
    """Limits of an account; -1 for none."""

    __slots__ = ("max_connections", "max_leafnodes", "max_payload", "max_subscriptions")

    def __init__(
        self, max_connections: int = -1, max_subscriptions: int = -1, max_payload: int = -1, max_leafnodes: int = -1
    ) -> None:
        self.max_connections = max_connections
        self.max_subscriptions = max_subscriptions
        self.max_payload = max_payload
        self.max_leafnodes = max_leafnodes


class Latency(Record):
    """Where the latency of a service is reported. sampling: percent of the requests; 0: those whose headers ask."""

    __slots__ = ("sampling", "subject")

    def __init__(self, subject: str, sampling: int = 100) -> None:
        self.subject = subject
        self.sampling = sampling


class Export(Record):
    """A subject that other accounts may import. accounts: None for all of them.

    For services: response is single, stream or chunked; threshold_s the time in which an answer has to come, 0 for
    the usual one. account_token_position: which token of the subject, from 1, is the importing account; 0 for none.
    """

    __slots__ = (
        "account_token_position",
        "accounts",
        "allow_trace",
        "latency",
        "response",
        "service",
        "subject",
        "threshold_s",
    )

    def __init__(
        self,
        subject: str,
        *,
        service: bool = False,
        accounts: list[str] | None = None,
        response: str = "single",
        threshold_s: float = 0.0,
        latency: Latency | None = None,
        account_token_position: int = 0,
        allow_trace: bool = False,
    ) -> None:
        self.subject = subject
        self.service = service
        self.accounts = accounts
        self.response = response
        self.threshold_s = threshold_s
        self.latency = latency
        self.account_token_position = account_token_position
        self.allow_trace = allow_trace


class Import(Record):
    """A subject of another account. to: the local subject, never empty for a service; prefix: what stands before it.

    At most one of `to` and `prefix` is set for a stream, and with neither the subject stays as it is.
    """

    __slots__ = ("account", "allow_trace", "prefix", "service", "share", "subject", "to")

    def __init__(
        self,
        account: str,
        subject: str,
        *,
        service: bool = False,
        to: str = "",
        prefix: str = "",
        share: bool = False,
        allow_trace: bool = False,
    ) -> None:
        self.account = account
        self.subject = subject
        self.service = service
        self.to = to
        self.prefix = prefix
        self.share = share
        self.allow_trace = allow_trace


class AccountRecord(Record):
    """An account. Its users are in here too, with the name of the account and their permissions settled.

    mappings: by source, a list of `{"destination": subject, "weight": percent}`, maybe with a "cluster".
    jetstream: None without it, or its limits by name beside `enabled`. trace_sampling: percent, or 0.
    """

    __slots__ = (
        "default_permissions",
        "exports",
        "imports",
        "jetstream",
        "limits",
        "mappings",
        "name",
        "nkey",
        "trace_destination",
        "trace_sampling",
        "users",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.nkey = ""
        self.users: list[User] = []
        self.default_permissions: Permissions | None = None
        self.exports: list[Export] = []
        self.imports: list[Import] = []
        self.mappings: dict[str, list[dict[str, object]]] = {}
        self.limits = AccountLimits()
        self.jetstream: dict[str, object] | None = None
        self.trace_destination = ""
        self.trace_sampling = 0


class TlsRecord(Record):
    """A tls block. Files are names of PEM files.

    certs: pairs of certificate and key, the single pair included. verify: true with verify_and_map too.
    handshake_first: the handshake comes before INFO; with handshake_fallback_s above 0 only when the client begins it
    within that time. cipher_suites: IANA names, curve_preferences: Go's names, both empty for the defaults.
    pinned_certs: SHA-256 of the public key in lower-case hex, empty for any.
    """

    __slots__ = (
        "ca_file",
        "certs",
        "check_known_urls",
        "cipher_suites",
        "connection_rate_limit",
        "curve_preferences",
        "handshake_fallback_s",
        "handshake_first",
        "insecure",
        "min_version",
        "ocsp_peer",
        "pinned_certs",
        "timeout_s",
        "verify",
        "verify_and_map",
    )

    def __init__(
        self,
        certs: list[tuple[str, str]] | None = None,
        ca_file: str = "",
        *,
        verify: bool = False,
        verify_and_map: bool = False,
        check_known_urls: bool = False,
        insecure: bool = False,
        timeout_s: float = 2.0,
        handshake_first: bool = False,
        handshake_fallback_s: float = 0.0,
        min_version: str = "1.2",
        cipher_suites: list[str] | None = None,
        curve_preferences: list[str] | None = None,
        pinned_certs: frozenset[str] = frozenset(),
        connection_rate_limit: int = 0,
        ocsp_peer: dict[str, object] | None = None,
    ) -> None:
        self.certs = certs or []
        self.ca_file = ca_file
        self.verify = verify or verify_and_map
        self.verify_and_map = verify_and_map
        self.check_known_urls = check_known_urls
        self.insecure = insecure
        self.timeout_s = timeout_s
        self.handshake_first = handshake_first
        self.handshake_fallback_s = handshake_fallback_s
        self.min_version = min_version
        self.cipher_suites = cipher_suites or []
        self.curve_preferences = curve_preferences or []
        self.pinned_certs = pinned_certs
        self.connection_rate_limit = connection_rate_limit
        self.ocsp_peer = ocsp_peer
