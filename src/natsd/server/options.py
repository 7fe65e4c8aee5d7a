"""The options of a server, with their defaults: the one record that files, flags and embedding programs fill.

What each is called in a file and what it means is in natsd/config/options_table.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.base.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from natsd.accounts.users import User
    from natsd.base.tls_options import TlsOptions
    from natsd.config.records import AccountRecord, AuthCallout
    from natsd.server.jetstream_options import JetStreamOptions

AUTH_TIMEOUT_S = 2.0
MAX_PAYLOAD_WARNING = 8 << 20
"""A max_payload above this is allowed and warned of."""

RARE = (
    "auth_callout",
    "proxy_required",
)
"""Options that few starts have set: only then it is worth looking whether the server can do all of it."""


class Options:
    """What can be set. Intervals are in seconds; port -1 means any free one; a limit of 0 means none.

    max_connections is the exception: 0 stands for its default, and with -1 nobody is let in.
    auth_timeout_s: 0 for 2 s, or a second more than the TLS time-out. tls: None for none.
    mappings: by source, a destination, or one or a list of `{"destination": subject, "weight": percent}`.
    users: natsd.accounts.users.User, or mappings such as `{"user": "a", "password": "b", "account": "A", "permissions":
    {"publish": {"allow": [...], "deny": [...]}, "subscribe": ..., "allow_responses": {"max": 1, "expires": 120}}}`, or
    what a configuration file gave. default_permissions: those of users without any. no_auth_user: the name of the user
    that silent clients become. accounts: records, or by name what the accounts block of a configuration file has.
    What records of accounts and auth_callout hold is in natsd/config/records.py.
    jetstream: True, or a mapping with the keys of the block in a configuration file. store_dir: where streams are kept.
    """

    __slots__ = (
        "accounts",
        "allow_non_tls",
        "auth_callout",
        "auth_timeout_s",
        "client_advertise",
        "config_digest",
        "config_file",
        "debug",
        "default_permissions",
        "host",
        "http_base_path",
        "http_host",
        "http_port",
        "https_port",
        "jetstream",
        "lame_duck_duration_s",
        "lame_duck_grace_period_s",
        "log_file",
        "log_max_files",
        "log_size_limit",
        "logtime",
        "logtime_utc",
        "mappings",
        "max_closed_clients",
        "max_connections",
        "max_control_line",
        "max_payload",
        "max_pending",
        "max_sub_tokens",
        "max_subscriptions",
        "max_traced_msg_len",
        "no_auth_user",
        "no_fast_producer_stall",
        "no_header_support",
        "no_system_account",
        "password",
        "pid_file",
        "ping_interval_s",
        "ping_max",
        "port",
        "ports_file_dir",
        "proxy_required",
        "remote_syslog",
        "server_metadata",
        "server_name",
        "server_tags",
        "store_dir",
        "syslog",
        "system_account",
        "tls",
        "token",
        "trace",
        "trace_headers",
        "trace_verbose",
        "user",
        "users",
        "write_deadline_s",
    )

    def __init__(
        self,
        *,
        host: str = "0.0.0.0",
        port: int = 4222,
        server_name: str = "",
        client_advertise: str = "",
        user: str = "",
        password: str = "",
        token: str = "",
        http_host: str = "",
        http_port: int = 0,
        https_port: int = 0,
        pid_file: str = "",
        ports_file_dir: str = "",
        log_file: str = "",
        logtime: bool = True,
        debug: bool = False,
        trace: bool = False,
        max_payload: int = 1 << 20,
        max_control_line: int = 4096,
        max_pending: int = 64 << 20,
        max_connections: int = 65536,
        max_subscriptions: int = 0,
        max_sub_tokens: int = 0,
        ping_interval_s: float = 120.0,
        ping_max: int = 2,
        write_deadline_s: float = 10.0,
        auth_timeout_s: float = 0.0,
        lame_duck_duration_s: float = 120.0,
        lame_duck_grace_period_s: float = 10.0,
        no_header_support: bool = False,
        no_fast_producer_stall: bool = False,
        max_traced_msg_len: int = 0,
        max_closed_clients: int = 10000,
        mappings: dict[str, Any] | None = None,
        accounts: Sequence[AccountRecord] | Mapping[str, Any] = (),
        allow_non_tls: bool = False,
        auth_callout: AuthCallout | None = None,
        config_digest: str = "",
        config_file: str = "",
        http_base_path: str = "",
        log_max_files: int = 0,
        log_size_limit: int = 0,
        logtime_utc: bool = False,
        no_system_account: bool = False,
        proxy_required: bool = False,
        remote_syslog: str = "",
        server_metadata: dict[str, str] | None = None,
        server_tags: Sequence[str] = (),
        syslog: bool = False,
        system_account: str = "",
        tls: TlsOptions | None = None,
        trace_headers: bool = False,
        trace_verbose: bool = False,
        users: Iterable[Any] | None = None,
        no_auth_user: str = "",
        default_permissions: Any = None,
        jetstream: bool | dict[str, Any] = False,
        store_dir: str = "",
    ) -> None:
        self.host = host
        self.port = port
        self.server_name = server_name
        self.client_advertise = client_advertise
        self.user = user
        self.password = password
        self.token = token
        self.http_host = http_host or host
        self.http_port = http_port
        self.https_port = https_port
        self.pid_file = pid_file
        self.ports_file_dir = ports_file_dir
        self.log_file = log_file
        self.logtime = logtime
        self.debug = debug
        self.trace = trace
        self.max_payload = max_payload
        self.max_control_line = max_control_line
        self.max_pending = max_pending
        self.max_connections = max_connections
        self.max_subscriptions = max_subscriptions
        self.max_sub_tokens = max_sub_tokens
        self.ping_interval_s = ping_interval_s
        self.ping_max = ping_max
        self.write_deadline_s = write_deadline_s
        self.tls = tls
        # A client has to have its handshake behind it before it can say who it is.
        self.auth_timeout_s = auth_timeout_s or (tls.timeout_s + 1.0 if tls is not None else AUTH_TIMEOUT_S)
        self.lame_duck_duration_s = lame_duck_duration_s
        self.lame_duck_grace_period_s = lame_duck_grace_period_s
        self.no_header_support = no_header_support
        self.no_fast_producer_stall = no_fast_producer_stall
        self.max_traced_msg_len = max_traced_msg_len
        self.max_closed_clients = max_closed_clients
        self.mappings = mappings or {}
        if isinstance(accounts, dict):
            from natsd.server.configure import read_accounts

            accounts = read_accounts(accounts)
            users = [*(users or ()), *(user for account in accounts for user in account.users)]
        self.accounts: list[AccountRecord] = list(accounts)  # type: ignore[arg-type]  # no mapping any more
        self.allow_non_tls = allow_non_tls
        self.auth_callout = auth_callout
        self.config_digest = config_digest
        self.config_file = config_file
        self.http_base_path = http_base_path
        self.log_max_files = log_max_files
        self.log_size_limit = log_size_limit
        self.logtime_utc = logtime_utc
        self.no_system_account = no_system_account
        self.proxy_required = proxy_required
        self.remote_syslog = remote_syslog
        self.server_metadata = server_metadata or {}
        self.server_tags = list(server_tags)
        self.syslog = syslog
        self.system_account = system_account
        self.trace_headers = trace_headers
        self.trace_verbose = trace_verbose
        self.users = list(users or ())
        self.no_auth_user = no_auth_user
        self.default_permissions = default_permissions
        self.jetstream = jetstream
        self.store_dir = store_dir

    def check(self) -> None:
        """Raises OptionsError for what cannot be."""
        for name in ("port", "http_port", "https_port"):
            port = getattr(self, name)
            if not -1 <= port <= 65535:
                raise OptionsError(f"{name} {port} is not between -1 and 65535")
        if self.http_port and self.https_port:
            raise OptionsError(f"http_port {self.http_port} and https_port {self.https_port} exclude each other")
        if self.https_port and self.tls is None:
            raise OptionsError(f"https_port {self.https_port} needs TLS: a certificate and its key")
        if self.max_payload > self.max_pending:
            raise OptionsError(
                f"max_payload ({self.max_payload}) cannot be higher than max_pending ({self.max_pending})"
            )
        for name in ("max_payload", "max_control_line", "max_pending"):
            if getattr(self, name) <= 0:
                raise OptionsError(f"{name} must be more than 0")
        if self.password and not self.user:
            raise OptionsError("a password needs a user")
        if any(blank in self.server_name for blank in " \t\r\n"):
            raise OptionsError("server name cannot contain spaces")
        if self.client_advertise:
            split_host_port(self.client_advertise, self.port)
        if self.tls is not None:
            self.tls.check()
        if self.mappings:
            from natsd.accounts.mappings import parse_mappings

            parse_mappings(self.mappings)
        if self.lame_duck_duration_s > 0 and self.lame_duck_grace_period_s >= self.lame_duck_duration_s:
            raise OptionsError("lame_duck_grace_period must be shorter than lame_duck_duration")
        self.check_jetstream()
        if any(getattr(self, name) for name in RARE):
            from natsd.config.not_yet import missing_for

            missing = missing_for(self)
            if missing:
                raise OptionsError(missing)
        users = self.check_users()
        if self.accounts or self.system_account:
            self._check_accounts(users)

    def _check_accounts(self, users: list[User]) -> None:
        from natsd.accounts.account import SYSTEM
        from natsd.accounts.build import build_accounts

        names = set(build_accounts(self.accounts).records)
        names.update(user.account for user in users if user.account)
        if self.system_account and self.system_account not in (names | {SYSTEM}):
            raise OptionsError(f"system_account: there is no account {self.system_account!r}")
        system = self.system_account or SYSTEM
        if self.jetstream and any(record.name == system and record.jetstream for record in self.accounts):
            raise OptionsError("Not allowed to enable JetStream on the system account")

    def check_jetstream(self) -> JetStreamOptions | None:
        """What JetStream is to be like, None without it. Raises OptionsError."""
        if not self.jetstream:
            return None
        from natsd.server.jetstream_options import as_jetstream

        return as_jetstream(self.jetstream, self.store_dir)

    def check_users(self) -> list[User]:
        """The users as records with their permissions settled. Raises OptionsError."""
        if not self.users:
            if self.no_auth_user:
                raise OptionsError(f'no_auth_user: "{self.no_auth_user}" present, but users/nkeys are not defined')
            return []
        from natsd.accounts.users import as_permissions, as_user

        default = None if self.default_permissions is None else as_permissions(self.default_permissions)
        users = [as_user(user, default) for user in self.users]
        names = {user.name for user in users}
        if len(names) < len(users):
            raise OptionsError("two users have the same name")
        if self.no_auth_user and self.no_auth_user not in names:
            raise OptionsError(f'no_auth_user: "{self.no_auth_user}" not present as user or nkey')
        return users

    def as_dict(self) -> dict[str, Any]:
        """Name to value."""
        return {name: getattr(self, name) for name in self.__slots__}


def split_host_port(text: str, default_port: int) -> tuple[str, int]:
    """`host`, `host:port` or `[v6]:port` in its parts. Raises OptionsError."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = text, ""
    try:
        number = int(port) if port else default_port
    except ValueError:
        raise OptionsError(f"{text!r} is no host:port") from None
    host = host.removeprefix("[").removesuffix("]")
    if not host or not -1 <= number <= 65535:
        raise OptionsError(f"{text!r} is no host:port")
    return host, number if number > 0 else default_port
