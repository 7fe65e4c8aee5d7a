"""Options and what they may be."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.base.errors import OptionsError
from natsd.base.tls_options import TlsOptions
from natsd.server.options import Options, split_host_port


def test_the_defaults_are_those_of_the_go_server_and_pass_the_check() -> None:
    options = Options()
    options.check()
    assert (options.host, options.port, options.max_payload, options.max_pending) == (
        "0.0.0.0",
        4222,
        1 << 20,
        64 << 20,
    )
    assert (options.max_control_line, options.max_connections, options.ping_max) == (4096, 65536, 2)
    assert (options.ping_interval_s, options.write_deadline_s, options.auth_timeout_s) == (120, 10, 2)


def test_monitoring_listens_where_clients_do_unless_told_otherwise() -> None:
    assert Options(host="::1").http_host == "::1"
    assert Options(host="::1", http_host="127.0.0.1").http_host == "127.0.0.1"


def test_whoever_authenticates_after_a_handshake_has_the_time_for_both() -> None:
    assert Options(tls=TlsOptions(timeout_s=5)).auth_timeout_s == 6
    assert Options(tls=TlsOptions()).auth_timeout_s == 3
    assert Options(tls=TlsOptions(), auth_timeout_s=1).auth_timeout_s == 1


def test_every_option_can_be_listed() -> None:
    assert Options(port=7).as_dict()["port"] == 7
    assert set(Options().as_dict()) == set(Options.__slots__)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"port": 65536}, "port 65536"),
        ({"port": -2}, "port -2"),
        ({"http_port": 70000}, "http_port 70000"),
        ({"max_payload": 2000, "max_pending": 1000}, "max_payload .2000. cannot be higher than max_pending"),
        ({"max_payload": 0}, "max_payload must be"),
        ({"max_control_line": -1}, "max_control_line must be"),
        ({"password": "x"}, "needs a user"),
        ({"server_name": "two words"}, "cannot contain spaces"),
        ({"client_advertise": "host:port"}, "no host:port"),
        ({"no_auth_user": "x"}, "users/nkeys are not defined"),
        ({"users": [{"user": "a"}], "no_auth_user": "x"}, "not present as user or nkey"),
        ({"users": [{"user": "a"}, {"user": "a", "account": "B"}]}, "two users have the same name"),
        ({"users": [{"user": "a", "permissions": {"publish": "a..b"}}]}, "not a valid subject"),
        ({"users": [{"user": "a"}], "default_permissions": {"subscribe": "a b c"}}, "not a valid subject"),
        ({"https_port": -1}, "https_port -1 needs TLS"),
        ({"https_port": 1, "http_port": 2}, "http_port 2 and https_port 1 exclude each other"),
        ({"tls": TlsOptions()}, "cert_file is missing"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionsError, match=text):
        Options(**wrong).check()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("host", ("host", 4222)),
        ("host:1", ("host", 1)),
        ("[::1]:5", ("::1", 5)),
        ("[::1]", ("::1", 4222)),
        ("::1", ("::1", 4222)),
        ("host:0", ("host", 4222)),
        ("host:-1", ("host", 4222)),
        ("host:", ("host", 4222)),
    ],
)
def test_an_address_is_split(text: str, parts: tuple[str, int]) -> None:
    assert split_host_port(text, 4222) == parts


@pytest.mark.parametrize("text", [":1", "", "host:x", "host:70000", "host:-2"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(OptionsError):
        split_host_port(text, 4222)
