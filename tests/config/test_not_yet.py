"""What the server cannot do yet is refused by name, never ignored."""

from __future__ import annotations

import pytest

from natsd.base.errors import OptionsError
from natsd.config.not_yet import NOT_YET, missing_for
from natsd.config.options_table import OPTIONS
from natsd.config.problems import ConfigError
from natsd.server.options import RARE, Options
from tests.config.readings import read

ASKING = {
    "authorization.users": "authorization {users: [{user: a}]}",
    "authorization.auth_callout": "authorization {auth_callout {auth_users: [a], "
    "issuer: AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL}}",
    "authorization.proxy_required": "authorization {user: a, password: b, proxy_required: true}",
    "authorization.password.$2": "authorization {user: a, password: $2a$10$xyz}",
    "authorization.token.$2": "authorization {token: $2a$10$xyz}",
    "no_auth_user": "authorization {users: [{user: a}]}, no_auth_user: a",
    "tls": "tls {timeout: 1}",
    "allow_non_tls": "allow_non_tls: true",
    "https_port": "https_port: 8443",
    "ocsp": "ocsp: true",
    "ocsp_cache": "ocsp_cache: true",
    "default_sentinel": "default_sentinel: x",
    "proxies": "proxies {trusted: []}",
    "proxy_protocol": "proxy_protocol: true",
    "operator": "operator: x",
    "resolver": "resolver: MEMORY",
    "resolver_tls": "resolver_tls {timeout: 1}",
    "resolver_preload": "resolver_preload {A: x}",
    "resolver_pinned_accounts": "resolver_pinned_accounts: [A]",
    "trusted_keys": "trusted_keys: ODWZJ2KAPF76WOWMPCJF6BY4QIPLTUIY4JIBLU4K3YDG3GHIWBVWBHUZ",
    "cluster": "cluster {port: 6222}",
    "gateway": "gateway {name: A}",
    "leafnodes": "leafnodes {port: 7422}",
    "websocket": "websocket {port: 8080}",
    "mqtt": "mqtt {port: 1883}",
    "jetstream": "jetstream: enabled",
}


@pytest.mark.parametrize("path", [path for path, _, _ in NOT_YET])
def test_a_file_that_asks_for_it_is_refused(path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(ASKING[path])
    words = ".".join(path.split(".")[:2])
    assert any(f"{words} is not supported yet" in str(problem) for problem in caught.value.errors)


@pytest.mark.parametrize(
    "text",
    [
        "jetstream: false",
        "jetstream: disabled",
        "jetstream {enabled: false}",
        "ocsp: false",
        "ocsp {mode: never}",
        "cluster {}",
        "https_port: 0",
        "authorization {user: a, password: plain}",
        "accounts {}",
    ],
)
def test_a_file_that_says_no_is_taken(text: str) -> None:
    assert not read(text).warnings


@pytest.mark.parametrize("attribute", [attribute for _, attribute, _ in NOT_YET if attribute])
def test_a_program_that_asks_for_it_is_refused(attribute: str) -> None:
    options = Options()
    assert missing_for(options) == ""
    setattr(options, attribute, ["something"] if isinstance(getattr(options, attribute), list) else "something")
    if attribute.endswith("_port"):
        setattr(options, attribute, 1)
    with pytest.raises(OptionsError, match=f"{attribute} is not supported yet"):
        options.check()


def test_the_table_names_keys_and_attributes_that_exist() -> None:
    names = {option.name for option in OPTIONS}
    assert {path.split(".")[0] for path, _, _ in NOT_YET} <= names
    assert {attribute for _, attribute, _ in NOT_YET if attribute} <= set(RARE) <= set(Options.__slots__)
