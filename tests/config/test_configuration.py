"""Options of the server from a file: types, units, defaults, unknown and deprecated keys."""

from __future__ import annotations

import pytest

from natsd.config.problems import ConfigError
from tests.config.readings import complaints, read, values


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("port: 4333", {"port": 4333}),
        ("PORT: -1", {"port": -1}),
        ("listen: 4333", {"port": 4333}),
        ('listen: "[::1]:4333"', {"host": "::1", "port": 4333}),
        ("listen: localhost:4333", {"host": "localhost", "port": 4333}),
        ('listen: ":4333"', {"port": 4333}),
        ("net: 127.0.0.1", {"host": "127.0.0.1"}),
        ("http: 127.0.0.1:8222", {"http_host": "127.0.0.1", "http_port": 8222}),
        ("monitor_port: 8222", {"http_port": 8222}),
        ("https: 0.0.0.0:8443", {"http_host": "0.0.0.0", "https_port": 8443}),
        ("server_name: one", {"server_name": "one"}),
        ("max_payload: 2MB", {"max_payload": 2 << 20}),
        ("max_conn: 5", {"max_connections": 5}),
        ("max_connections: 0", {"max_connections": -1}),
        ("max_subs: 7\nmax_subscription_tokens: 8", {"max_subscriptions": 7, "max_sub_tokens": 8}),
        ("ping_interval: 20s\nping_max: 3", {"ping_interval_s": 20.0, "ping_max": 3}),
        ('write_deadline: "1.5s"', {"write_deadline_s": 1.5}),
        ('lame_duck_duration: "30s"', {"lame_duck_duration_s": 30.0}),
        ('lame_duck_grace_period: "5s"', {"lame_duck_grace_period_s": 5.0}),
        ("debug: true\ntrace: off", {"debug": True, "trace": False}),
        ("trace_verbose: true", {"trace_verbose": True, "trace": True}),
        ("trace_headers: true", {"trace_headers": True, "trace": True}),
        ("logtime: false, logtime_utc: yes", {"logtime": False, "logtime_utc": True}),
        ("logfile: x.log, logfile_size_limit: 1mb", {"log_file": "x.log", "log_size_limit": 1 << 20}),
        ("pidfile: p.pid", {"pid_file": "p.pid"}),
        ("server_tags: one", {"server_tags": ["one"]}),
        ("server_tags: [one, two]", {"server_tags": ["one", "two"]}),
        ('server_metadata {a: "1"}', {"server_metadata": {"a": "1"}}),
        (
            "authorization {user: a, pass: b, timeout: 3}",
            {"user": "a", "password": "b", "auth_timeout_s": 3.0},
        ),
        (
            'authorization {token: t, timeout: "1500ms"}',
            {"token": "t", "auth_timeout_s": 1.5},
        ),
        ("tls {}", {"auth_timeout_s": 3.0}),
        ("tls {timeout: 5}", {"auth_timeout_s": 6.0}),
        ("tls {timeout: 5}, authorization {timeout: 1}", {"auth_timeout_s": 1.0}),
        # What is nothing is as if it were not there.
        ('port: 0, host: "", max_payload: 0, server_name: ""', {}),
        # Accepted, and without effect here.
        ("prof_port: 1, disable_sublist_cache: true, connect_error_reports: 5, feature_flags {a: true}", {}),
    ],
)
def test_keys_become_options(text: str, options: dict[str, object]) -> None:
    found = values(text)
    found.pop("tls", None)
    assert found == options


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('port: "4222"', '1:1: "port" must be an integer, not a string'),
        ("port: true", '1:1: "port" must be an integer, not a boolean'),
        ("port: 1.5", '1:1: "port" must be an integer, not a float'),
        ("host: 5", '1:1: "host" must be a string, not an integer'),
        ("host: 2016-05-04T18:53:41Z", '"host" must be a string, not a date'),
        ("debug: 1", '1:1: "debug" must be a boolean, not an integer'),
        ("debug: enabled", '"debug" must be a boolean, not a string'),
        ("listen: localhost", '"listen" must be a port or host:port, not "localhost"'),
        ("listen: true", '"listen" must be a port or host:port, not a boolean'),
        ('listen: "a:b:1"', '"listen" must be a port or host:port'),
        ('http: "localhost:x"', '"http" has no port that is a number: "x"'),
        ("server_name: 'a b'", '"server_name" cannot contain spaces'),
        ("max_payload: 3gb", '"max_payload" must not be more than 2147483647'),
        ("max_sub_tokens: 0", '"max_sub_tokens" must be between 1 and 255, not 0'),
        ("max_sub_tokens: 256", '"max_sub_tokens" must be between 1 and 255, not 256'),
        ("ping_interval: x", '"ping_interval" must be a duration such as "90s" or "2m": a number is missing'),
        ("ping_interval: 1.5", '"ping_interval" must be a duration such as "90s" or "2m", not a float'),
        ("write_deadline: '5'", '"write_deadline" must be a duration such as "90s" or "2m": a unit is missing'),
        ("lame_duck_duration: 60", '"lame_duck_duration" must be a duration'),
        ('lame_duck_duration: "5s"', '"lame_duck_duration" must be 30 seconds or more'),
        ("lame_duck_grace_period: '-5s'", '"lame_duck_grace_period" must not be negative'),
        ("write_timeout: maybe", '"write_timeout" must be default, close or retry, not "maybe"'),
        ("server_tags: {a: b}", '"server_tags" must be a string or a list of strings, not a map'),
        ("server_tags: [a, 5]", '1:18: "server_tags" must be a string, not an integer'),
        ("server_metadata: {a: 5}", '1:19: "a" must be a string, not an integer'),
        ("feature_flags: {a: 5}", '"a" must be a boolean, not an integer'),
        ("authorization: 5", '"authorization" must be a map, not an integer'),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_what_was_expected(text: str, complaint: str) -> None:
    told = complaints(text)
    assert len(told) == 1 and complaint in told[0]


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    told = complaints("foo: 1\nport: x\nauthorization {\n  bar: 2\n}\n host: 5\nping_interval: 5")
    assert [line.split(": ")[0] for line in told] == [
        "main.conf:7:1",  # warnings come first
        "main.conf:1:1",
        "main.conf:2:1",
        "main.conf:4:3",
        "main.conf:6:2",
    ]
    assert told[1] == 'main.conf:1:1: unknown field "foo"'


def test_a_number_where_a_duration_belongs_is_taken_as_seconds_with_a_warning() -> None:
    configuration = read("ping_interval: 5")
    assert configuration.values == {"ping_interval_s": 5.0}
    assert [str(warning) for warning in configuration.warnings] == [
        'main.conf:1:1: "ping_interval" should be a duration such as "90s" or "2m"; the number 5 is taken as seconds'
    ]


def test_an_authorization_timeout_that_lost_its_quotes_is_warned_of() -> None:
    assert "1m is 1000000" in complaints("authorization {timeout: 1m}")[0]
    assert not complaints('authorization {timeout: "1m"}')


def test_a_key_that_a_variable_refers_to_need_not_be_known() -> None:
    assert values("monitoring: 8222\nhttp_port: $monitoring") == {"http_port": 8222}
    assert complaints("monitoring: 8222\nhttp_port: 8222") == ['main.conf:1:1: unknown field "monitoring"']
    assert not complaints("authorization {p {subscribe: a}\nusers [{user: a, permissions: $p}]}")


def test_a_file_without_values_is_warned_of() -> None:
    assert complaints("# nothing") == ["main.conf: the file has no values"]


def test_an_error_is_one_line_whatever_is_in_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        read('"a\nmain.conf:9:9: forged": 1\nlisten: "x\ny"')
    assert len(str(caught.value).split("\n")) == 2


def test_a_configuration_knows_its_digest() -> None:
    # As the Go server has it for this file.
    assert read("port: 4222\n").digest == "sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no_auth_user: x", 'there is no user "x"'),
        ("no_auth_user: x, authorization {users [{user: y}]}", 'there is no user "x"'),
        ("system_account: x", 'there is no account "x"'),
        ("system_account: x, accounts {y {}}", 'there is no account "x"'),
        ("store_dir: a\njetstream {store_dir: b}", "2:1: store_dir stands in the jetstream block and outside of it"),
        ("authorization {user: a}\naccounts {A {users [{user: b}]}}", "1:1: authorization has a single user"),
        ("authorization {token: a}\naccounts {A {users [{user: b}]}}", "1:1: authorization has a token"),
        ("authorization {users [{user: a}]}\naccounts {A {users [{user: a}]}}", '2:21: there are two users "a"'),
    ],
)
def test_what_has_to_hold_between_keys(text: str, complaint: str) -> None:
    told = complaints(text)
    assert len(told) == 1 and complaint in told[0]


def test_names_that_exist_may_be_named() -> None:
    options = values("no_auth_user: x, system_account: A, authorization {users [{user: x}]}, accounts {A {}}")
    assert (options["no_auth_user"], options["system_account"]) == ("x", "A")
    assert values("system_account: $SYS".replace("$SYS", "'$SYS'")) == {"system_account": "$SYS"}
