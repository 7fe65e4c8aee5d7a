"""What a reload may change, option by option, and what the log says of it."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.base.errors import OptionsError
from natsd.base.tls_options import TlsOptions
from natsd.config.options_table import OPTIONS
from natsd.server.options import Options
from natsd.server.reload import ROWS, compare

ALWAYS = ["Reloaded: authorization users", "Reloaded: accounts"]
A = {"user": "a", "password": "b"}
NKEY = {"nkey": "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"}

TAKEN: list[tuple[str, Any, Any, str]] = [
    ("client_advertise", "", "a.b:1234", "Reload: client_advertise = a.b:1234"),
    ("trace", False, True, "Reloaded: trace = true"),
    ("debug", True, False, "Reloaded: debug = false"),
    ("trace_verbose", False, True, "Reloaded: trace_verbose = true"),
    ("trace_headers", False, True, "Reloaded: trace_headers = true"),
    ("logtime", True, False, "Reloaded: logtime = false"),
    ("logtime_utc", False, True, "Reloaded: logtime_utc = true"),
    ("max_connections", 65536, 10, "Reloaded: max_connections = 10"),
    ("users", [A], [NKEY], "Reloaded: authorization nkey users"),
    ("mappings", {}, {"a": "b"}, ""),
    ("user", "", "a", "Reloaded: authorization username"),
    ("token", "secret", "other", "Reloaded: authorization token"),
    ("ping_interval_s", 120.0, 90.0, "Reloaded: ping_interval = 1m30s"),
    ("ping_max", 2, 5, "Reloaded: ping_max = 5"),
    ("auth_timeout_s", 2.0, 3.0, "Reloaded: authorization timeout = 3"),
    ("auth_timeout_s", 2.0, 1.5, "Reloaded: authorization timeout = 1.5"),
    ("max_control_line", 4096, 1024, "Reloaded: max_control_line = 1024"),
    ("max_payload", 1 << 20, 1000, "Reloaded: max_payload = 1000"),
    ("no_fast_producer_stall", False, True, "Reloaded: fast producers will not be stalled"),
    ("no_fast_producer_stall", True, False, "Reloaded: fast producers will be stalled"),
    ("pid_file", "", "/x.pid", "Reloaded: pid_file = /x.pid"),
    ("pid_file", "/x.pid", "", ""),
    ("ports_file_dir", "", "/x", "Reloaded: ports_file_dir = /x"),
    ("log_file", "", "/x.log", "Reloaded: log_file = /x.log"),
    ("syslog", False, True, "Reloaded: syslog = true"),
    ("remote_syslog", "", "udp://x:514", "Reloaded: remote_syslog = udp://x:514"),
    ("write_deadline_s", 10.0, 3.5, "Reloaded: write_deadline = 3.5s"),
    ("max_traced_msg_len", 0, 10, "Reloaded: max_traced_msg_len = 10"),
    ("server_tags", [], ["a"], "Reloaded: tags"),
    ("server_metadata", {}, {"a": "b"}, "Reloaded: metadata"),
]
REFUSED: list[tuple[str, Any, Any, str]] = [
    ("server_name", "a", "b", "ServerName: old=a, new=b"),
    ("host", "127.0.0.1", "::1", "Host: old=127.0.0.1, new=::1"),
    ("port", 4222, 4333, "Port: old=4555, new=4333"),
    ("no_header_support", False, True, "NoHeaderSupport: old=false, new=true"),
    ("max_subscriptions", 0, 10, "MaxSubs: old=0, new=10"),
    ("max_sub_tokens", 0, 5, "MaxSubTokens: old=0, new=5"),
    ("http_host", "127.0.0.1", "::1", "HTTPHost: old=127.0.0.1, new=::1"),
    ("http_port", 0, 8222, "HTTPPort: old=0, new=8222"),
    ("http_base_path", "", "/x", "HTTPBasePath: old=, new=/x"),
    ("max_pending", 64 << 20, 10_000_000, "MaxPending: old=67108864, new=10000000"),
    ("log_size_limit", 0, 1000, "LogSizeLimit: old=0, new=1000"),
    ("log_max_files", 0, 3, "LogMaxFiles: old=0, new=3"),
    ("max_closed_clients", 10000, 5, "MaxClosedClients: old=10000, new=5"),
    ("lame_duck_duration_s", 120.0, 60.0, "LameDuckDuration: old=2m0s, new=1m0s"),
    ("lame_duck_grace_period_s", 10.0, 5.0, "LameDuckGracePeriod: old=10s, new=5s"),
]


def lines(old: Options, new: Options, **known: Any) -> list[str]:
    return [change.line for change in compare(old, new, port=4555, **known)]


@pytest.mark.parametrize(("name", "before", "after", "line"), TAKEN)
def test_an_option_that_may_change_is_told_and_one_that_stays_is_not(
    name: str, before: Any, after: Any, line: str
) -> None:
    told = lines(Options(**{name: before}), Options(**{name: after}))
    assert line in told and set(told) <= {line, *ALWAYS}
    assert lines(Options(**{name: after}), Options(**{name: after})) == ALWAYS


@pytest.mark.parametrize(("name", "before", "after", "text"), REFUSED)
def test_an_option_that_may_not_change_refuses_the_reload(name: str, before: Any, after: Any, text: str) -> None:
    with pytest.raises(OptionsError) as caught:
        lines(Options(**{name: before}), Options(**{name: after}))
    assert str(caught.value) == f"config reload not supported for {text}"
    assert lines(Options(**{name: before}), Options(**{name: before})) == ALWAYS


def test_every_option_has_its_row_and_its_test() -> None:
    rows = {name for name, *_ in ROWS}
    # What a file is called and what it says as a whole; permissions that are in the users already.
    assert set(Options.__slots__) - rows == {
        "config_file",
        "config_digest",
        "default_permissions",
        "store_dir",  # of JetStream, which is in test_reload_jetstream.py
    }
    tested = {name for name, *_ in TAKEN + REFUSED} | {"accounts", "password", "no_auth_user", "tls"}
    tested |= {"allow_non_tls", "jetstream"}
    # What the server cannot do yet is refused before it comes to comparing.
    later = {"auth_callout", "proxy_required", "system_account", "no_system_account", "https_port"}
    assert rows == tested | later


def test_the_table_of_options_says_what_may_change() -> None:
    may = {name for option in OPTIONS if option.reload and option.effect for name in option.sets}
    attributes = may & set(Options.__slots__) - {"jetstream"}
    assert attributes == {name for name, *_ in TAKEN} - {"users", "user", "token", "auth_timeout_s"} | {
        "accounts",
        "tls",
    }


def test_a_port_that_may_be_any_is_the_one_it_has() -> None:
    assert lines(Options(port=-1), Options(port=-1)) == ALWAYS
    assert lines(Options(port=4222), Options(port=-1)) == ALWAYS


def test_lines_come_in_the_order_of_the_go_server() -> None:
    new = Options(debug=True, max_payload=1000, ping_max=7, max_connections=3, user="u", password="p")
    assert lines(Options(), new) == [
        "Reloaded: debug = true",
        "Reloaded: max_connections = 3",
        *ALWAYS,
        "Reloaded: authorization username",
        "Reloaded: authorization password",
        "Reloaded: ping_max = 7",
        "Reloaded: max_payload = 1000",
    ]


def test_the_user_of_those_who_say_nothing_stays_unless_it_is_gone() -> None:
    old = Options(users=[A], no_auth_user="a")
    for new, was, becomes in (
        (Options(users=[A]), "a", ""),
        (Options(users=[A, {"user": "c"}], no_auth_user="c"), "a", "c"),
    ):
        with pytest.raises(OptionsError, match=f"NoAuthUser: old={was}, new={becomes}$"):
            lines(old, new)
    with pytest.raises(OptionsError, match="NoAuthUser: old=, new=a"):
        lines(Options(users=[A]), old)
    assert lines(old, Options(users=[{"user": "c"}])) == ALWAYS


def tls(**changed: Any) -> Options:
    return Options(tls=TlsOptions(**{"cert_file": "c", "key_file": "k", **changed}), auth_timeout_s=2)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (Options(), tls(), ["Reloaded: tls = enabled"]),
        (tls(), Options(), ["Reloaded: tls = disabled"]),
        (tls(), tls(timeout_s=5.0), ["Reloaded: tls timeout = 5"]),
        (tls(), tls(cert_file="d"), ["Reloaded: tls = enabled"]),
        (tls(), tls(min_version="1.3"), ["Reloaded: tls = enabled"]),
        (tls(), tls(curves=["X25519"]), ["Reloaded: tls = enabled"]),
        (tls(verify=True), tls(verify=True, pinned_certs=["a" * 64]), ["Reloaded: 1 pinned_certs"]),
        (tls(), tls(handshake_first=True), ["Reloaded: Client TLS handshake first: true"]),
        (
            tls(),
            tls(handshake_first=0.05),
            [
                "Reloaded: Client TLS handshake first: true",
                "Reloaded: Client TLS handshake first fallback delay: 50ms",
            ],
        ),
        (tls(), tls(), []),
    ],
)
def test_tls_is_told_part_by_part(before: Options, after: Options, told: list[str]) -> None:
    assert lines(before, after) == ALWAYS + told


def test_files_of_tls_that_say_something_else_are_a_change() -> None:
    assert lines(tls(), tls(), tls_files_changed=True) == [*ALWAYS, "Reloaded: tls = enabled"]


def test_some_of_tls_may_not_change() -> None:
    with pytest.raises(OptionsError, match="TLSRateLimit: old=0, new=5"):
        lines(tls(), tls(connection_rate_limit=5))
    with pytest.raises(OptionsError, match="TLSMap: old=false, new=true"):
        lines(tls(), tls(verify_and_map=True))
    with pytest.raises(OptionsError, match="AllowNonTLS: old=false, new=true"):
        lines(tls(), Options(allow_non_tls=True, auth_timeout_s=2, tls=TlsOptions(cert_file="c", key_file="k")))


def test_no_line_and_no_refusal_shows_a_secret() -> None:
    new = Options(user="u", password="CANARY", users=[])
    assert "CANARY" not in "".join(lines(Options(user="u", password="b"), new))
    with pytest.raises(OptionsError) as caught:
        lines(Options(), Options(token="CANARY", max_pending=1 << 21))
    assert "CANARY" not in str(caught.value)
