"""Server addresses as users write them."""

from __future__ import annotations

import pytest

from natsd.client.errors import BadUrl
from natsd.client.url import parse_url, parse_urls


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost", "localhost", 4222),
        ("nats://localhost", "localhost", 4222),
        ("NATS://localhost:5222/", "localhost", 5222),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("[::1]", "::1", 4222),
        ("nats://[fd00::1]:65535", "fd00::1", 65535),
        ("::1", "::1", 4222),
        (" demo.example ", "demo.example", 4222),
    ],
)
def test_host_and_port(text: str, host: str, port: int) -> None:
    server = parse_url(text)
    assert (server.host, server.port) == (host, port)


def test_the_address_has_no_credentials() -> None:
    assert parse_url("nats://u:p@[::1]:4333").address == "nats://[::1]:4333"
    assert parse_url("u:p@h").address == "nats://h:4222"


@pytest.mark.parametrize(
    ("text", "user", "password", "token"),
    [
        ("nats://u:p@h", "u", "p", ""),
        ("u:@h", "u", "", ""),
        ("tok@h", "", "", "tok"),
        ("u:p%40ss%3a@h", "u", "p@ss:", ""),
        ("u:p@ss@h", "u", "p@ss", ""),
        ("u:%zz%@h", "u", "%zz%", ""),
        ("u:%E4%BD%A0@h", "u", "\u4f60", ""),
    ],
)
def test_credentials(text: str, user: str, password: str, token: str) -> None:
    server = parse_url(text)
    assert (server.user, server.password, server.token) == (user, password, token)


@pytest.mark.parametrize(
    "text", ["", "nats://", "h:0", "h:65536", "h:x", "h:+1", "h:123456", "[::1", "[::1]x", "ftp://h", "wss://h"]
)
def test_an_address_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(BadUrl):
        parse_url(text)


def test_an_address_may_ask_for_tls() -> None:
    server = parse_url("TLS://u:p@h:1")
    assert (server.tls, server.address, server.name, server.user) == (True, "tls://h:1", "h", "u")
    assert not parse_url("h").tls and not parse_url("nats://h").tls


def test_a_password_is_not_repeated_in_an_error() -> None:
    with pytest.raises(BadUrl) as caught:
        parse_url("nats://u:secret@h:x")
    assert "secret" not in str(caught.value) and "***" in str(caught.value)


def test_a_comma_list() -> None:
    assert [server.address for server in parse_urls("a, b:1,,nats://c")] == [
        "nats://a:4222",
        "nats://b:1",
        "nats://c:4222",
    ]
    assert [server.address for server in parse_urls("")] == ["nats://127.0.0.1:4222"]
