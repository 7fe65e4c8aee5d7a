"""What a reload would change: two sets of options compared, by the tables. Nothing here changes anything.

A row for each option, in the order in which the Go server compares them, which is the order of its log lines. Whether
an option may change is said in config/options_table.py; one that may not refuses the whole reload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.base.clock import to_ns
from natsd.base.errors import OptionsError
from natsd.base.units import render_duration
from natsd.config.options_table import OPTIONS
from natsd.server.reload_change import Change
from natsd.server.reload_jetstream import compare_jetstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from natsd.base.tls_options import TlsOptions
    from natsd.server.options import Options

    Show = Callable[[Any], str]

RELOADABLE = frozenset(name for option in OPTIONS if option.reload for name in option.sets) | {
    # Of the authorization block.
    "auth_timeout_s",
    "password",
    "token",
    "user",
    "users",
}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _seconds(value: float) -> str:
    return render_duration(to_ns(value))


def _fast(value: bool) -> str:
    return "not " if value else ""


ROWS: tuple[tuple[str, str, str, Show], ...] = (
    # Attribute of Options, its name in a refusal, the line of the log with the new value, how values are shown.
    ("server_name", "ServerName", "", _text),
    ("host", "Host", "", _text),
    ("port", "Port", "", _text),
    ("client_advertise", "ClientAdvertise", "Reload: client_advertise = {}", _text),
    ("trace", "Trace", "Reloaded: trace = {}", _text),
    ("debug", "Debug", "Reloaded: debug = {}", _text),
    ("trace_verbose", "TraceVerbose", "Reloaded: trace_verbose = {}", _text),
    ("trace_headers", "TraceHeaders", "Reloaded: trace_headers = {}", _text),
    ("no_header_support", "NoHeaderSupport", "", _text),
    ("logtime", "Logtime", "Reloaded: logtime = {}", _text),
    ("logtime_utc", "LogtimeUTC", "Reloaded: logtime_utc = {}", _text),
    ("max_connections", "MaxConn", "Reloaded: max_connections = {}", _text),
    ("max_subscriptions", "MaxSubs", "", _text),
    ("max_sub_tokens", "MaxSubTokens", "", _text),
    ("users", "Users", "Reloaded: authorization users", _text),
    ("accounts", "Accounts", "Reloaded: accounts", _text),
    ("mappings", "Mappings", "", _text),
    ("no_auth_user", "NoAuthUser", "", _text),
    ("system_account", "SystemAccount", "", _text),
    ("no_system_account", "NoSystemAccount", "", _text),
    ("user", "Username", "Reloaded: authorization username", _text),
    ("password", "Password", "Reloaded: authorization password", _text),
    ("proxy_required", "ProxyRequired", "", _text),
    ("token", "Authorization", "Reloaded: authorization token", _text),
    ("auth_callout", "AuthCallout", "", _text),
    ("ping_interval_s", "PingInterval", "Reloaded: ping_interval = {}", _seconds),
    ("ping_max", "MaxPingsOut", "Reloaded: ping_max = {}", _text),
    ("http_host", "HTTPHost", "", _text),
    ("http_port", "HTTPPort", "", _text),
    ("http_base_path", "HTTPBasePath", "", _text),
    ("https_port", "HTTPSPort", "", _text),
    ("auth_timeout_s", "AuthTimeout", "Reloaded: authorization timeout = {}", _text),
    ("max_control_line", "MaxControlLine", "Reloaded: max_control_line = {}", _text),
    ("max_payload", "MaxPayload", "Reloaded: max_payload = {}", _text),
    ("max_pending", "MaxPending", "", _text),
    ("no_fast_producer_stall", "NoFastProducerStall", "Reloaded: fast producers will {}be stalled", _fast),
    ("pid_file", "PidFile", "Reloaded: pid_file = {}", _text),
    ("ports_file_dir", "PortsFileDir", "Reloaded: ports_file_dir = {}", _text),
    ("log_file", "LogFile", "Reloaded: log_file = {}", _text),
    ("log_size_limit", "LogSizeLimit", "", _text),
    ("log_max_files", "LogMaxFiles", "", _text),
    ("syslog", "Syslog", "Reloaded: syslog = {}", _text),
    ("remote_syslog", "RemoteSyslog", "Reloaded: remote_syslog = {}", _text),
    ("tls", "TLSConfig", "", _text),
    ("allow_non_tls", "AllowNonTLS", "", _text),
    ("write_deadline_s", "WriteDeadline", "Reloaded: write_deadline = {}", _seconds),
    ("max_closed_clients", "MaxClosedClients", "", _text),
    ("lame_duck_duration_s", "LameDuckDuration", "", _seconds),
    ("lame_duck_grace_period_s", "LameDuckGracePeriod", "", _seconds),
    ("jetstream", "JetStream", "", _text),
    ("max_traced_msg_len", "MaxTracedMsgLen", "Reloaded: max_traced_msg_len = {}", _text),
    ("server_tags", "Tags", "Reloaded: tags", _text),
    ("server_metadata", "Metadata", "Reloaded: metadata", _text),
)
LOGGING = frozenset(
    (
        "debug",
        "log_file",
        "logtime",
        "logtime_utc",
        "remote_syslog",
        "syslog",
        "trace",
        "trace_headers",
        "trace_verbose",
    )
)
"""Options after whose change the log is set up anew."""

ACCESS = frozenset(("accounts", "mappings", "password", "token", "user", "users"))
"""Options after whose change it is decided anew who may be here, and with which rights."""

JETSTREAM = frozenset(("jetstream", "jetstream_limits", "jetstream_size"))
"""Names of changes after which JetStream has to be told, or started, or stopped."""

SECRET = frozenset(("auth_callout", "password", "token", "users"))
"""Never shown, not even in a refusal."""


def compare(old: Options, new: Options, *, port: int, tls_files_changed: bool = False) -> list[Change]:
    """What changes, in order. port: where the server listens. Raises OptionsError for what cannot change.

    Users and accounts count as changed each time, as in the Go server; whose user is the same notices nothing.
    """
    changes: list[Change] = []
    for name, theirs, line, show in ROWS:
        before, after = getattr(old, name), getattr(new, name)
        if name == "tls":
            changes += _compare_tls(before, after, tls_files_changed)
            continue
        if name == "jetstream":
            changes += compare_jetstream(old.check_jetstream(), new.check_jetstream())
            continue
        if name == "users" and _nkeys(old) != _nkeys(new):
            changes.append(Change(name, "Reloaded: authorization nkey users"))
        if name not in ("users", "accounts"):
            if name == "port" and after <= 0:
                continue  # any free one is what it has
            if before == after or _may_go(name, old, new):
                continue
        if name not in RELOADABLE:
            if name == "port":
                before = port
            was, becomes = ("[REDACTED]",) * 2 if name in SECRET else (show(before), show(after))
            raise OptionsError(f"config reload not supported for {theirs}: old={was}, new={becomes}")
        if name == "pid_file" and not after:
            line = ""
        changes.append(Change(name, line.format(show(after))))
    return changes


def _may_go(name: str, old: Options, new: Options) -> bool:
    # A user that is no more cannot be the one of those who say nothing either.
    if name == "no_auth_user":
        return bool(old.no_auth_user) and not new.no_auth_user and old.no_auth_user not in _names(new)
    return name == "system_account" and old.system_account == "$SYS" and not new.system_account


def _names(options: Options) -> set[str]:
    return {user.name for user in options.check_users()}


def _nkeys(options: Options) -> set[str]:
    return {user.nkey for user in options.check_users() if user.nkey}


CONFIG = ("pairs", "ca_file", "verify", "min_version", "ciphers", "curves")
"""What of TLS a context is made of."""


def _compare_tls(old: TlsOptions | None, new: TlsOptions | None, files_changed: bool) -> Iterator[Change]:
    def differs(name: str, without: Any) -> bool:
        was = without if old is None else getattr(old, name)
        return bool(was != (without if new is None else getattr(new, name)))

    if old is not None and new is not None:
        for name, theirs in (("verify_and_map", "TLSMap"), ("connection_rate_limit", "TLSRateLimit")):
            if differs(name, None):
                raise OptionsError(
                    f"config reload not supported for {theirs}:"
                    f" old={_text(getattr(old, name))}, new={_text(getattr(new, name))}"
                )
    timeout = new.timeout_s if new is not None else 2.0
    if differs("timeout_s", 2.0):
        yield Change("tls", f"Reloaded: tls timeout = {_text(timeout)}")
    if files_changed or (old is None) != (new is None) or any(differs(name, None) for name in CONFIG):
        yield Change("tls", f"Reloaded: tls = {'disabled' if new is None else 'enabled'}")
    if differs("pinned_certs", frozenset()):
        yield Change("tls", f"Reloaded: {len(new.pinned_certs) if new is not None else 0} pinned_certs")
    was, first = (bool(one is not None and one.handshake_first) for one in (old, new))
    if was != first:
        yield Change("tls", f"Reloaded: Client TLS handshake first: {_text(first)}")
    if _fallback_s(old) != _fallback_s(new):
        delay = _seconds(_fallback_s(new))
        yield Change("tls", f"Reloaded: Client TLS handshake first fallback delay: {delay}")


def _fallback_s(options: TlsOptions | None) -> float:
    first = False if options is None else options.handshake_first
    return 0.0 if isinstance(first, bool) else first
