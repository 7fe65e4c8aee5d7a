"""The verdicts of Go servers (`-t`) on a corpus of files, and their digests: natsd has the same ones.

Where natsd decides otherwise on purpose stands in docs/differences.md, and at the end of this corpus.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from natsd.config.problems import ConfigError
from tests.config.readings import read_all
from tests.places import FORMS, GO_SERVERS

VALID = [
    "port: 4222",
    '{"port": 4222, "server_tags": ["a", "b"]}',
    "port\n4222\ndebug on; trace off, logtime yes",
    "port 4222 # remark\npid_file: (\nblock\n)\n",
    "PORT: 4222",
    "port: 1, port: 2",
    "port: 4222\n}",
    "{{port: 4222}}{debug: true}",
    "x: 4222\nport: $x",
    "authorization {x: secret, token: $x}",
    "listen: 127.0.0.1:4222, http: 8222",
    'listen: "[::1]:4222"',
    "max_payload: 1mb, max_pending: 64MiB, max_control_line: 4k",
    "ping_interval: 20s, write_deadline: 1h30m, lame_duck_duration: 1m30s",
    'server_tags: "\\x41\\t\\xe2\\x82\\xac<>&", pid_file: ' + "'raw\\x41'",
    "authorization {}",
    "authorization {user: a, password: $2a$11$xyz/abc., timeout: 1.5}",
    "authorization {users: [{user: a, permissions {pub: 'a.*', sub {allow: ['>', 'a q'], deny: b}}}]}",
    "authorization {users: [{user: a, permissions {publish {}, subscribe {}}}]}",
    "authorization {users: [{user: a, clients: [standard, MQTT]}], default_permissions {publish: x}}",
    "accounts {A {users: [{user: a}], exports: [{stream: 'a.>'}]}, B {imports: [{stream {account: A, subject: a.b}}]}}",
    "accounts {A {exports: [{service: 's.*', response: chunked, threshold: '1s'}]},"
    " B {imports: [{service {account: A, subject: s.x}, to: y, share: true}]}}",
    "accounts {P {publish: x}, A {users: [{user: a, permissions: $P}]}}",
    "accounts: [A, B]",
    "mappings {a: b, 'c.*': [{dest: 'd.$1', weight: 50%}, {dest: e, weight: 20}]}",
    "tls {timeout: 1, first: auto, min_version: '1.3', curve_preferences: [CurveP256]}",
    "cluster {port: -1, routes: ['nats://a:1'], compression {mode: s2_auto, rtt_thresholds: [10ms]}}",
    "gateway {name: A, port: -1, gateways: [{name: B, url: 'nats://b:7222'}]}",
    "leafnodes {port: -1, min_version: 2.9.0, remotes: [{url: 'nats://a', account: B}]}",
    "websocket {port: -1, no_tls: true}, mqtt {port: -1}",
    "jetstream {max_mem: 1G, max_file: '10G', store_dir: x, domain: d}",
    "resolver: MEMORY",
    "lame_duck_duration: '30s', lame_duck_grace_period: '1s'",
    "default_js_domain {A: hub}",
]
INVALID = [
    "",
    "# nothing",
    "port",
    "port = \n4222",
    "port: 4222 debug: true",
    "port: '4222'",
    "port: 4222.5",
    "port: 0x10",
    "host: 5",
    "debug: enabled",
    "foo: 1",
    "x: 4222\nport: 1",
    "port: $undefined_variable_of_the_corpus",
    "include 'none.conf'",
    "include 5",
    "server_tags: [a;b]",
    "server_tags: [a,,b]",
    "server_tags: [/a]",
    "server_tags: [a",
    "server_tags: 1",
    "authorization {user: a",
    "server_name: don't",
    'server_name: "a\\qb"',
    'server_name: "a\\x4"',
    'server_name: "a',
    "server_name: 1-2",
    "server_name: 2016-15-04T18:53:41Z",
    "server_name: 1.5x",
    "server_name: .5",
    "server_name: -x",
    "server_name: 'a b'",
    "port: 99999999999999999999",
    "listen: localhost",
    "listen: localhost:x",
    "ping_interval: 5",
    "ping_interval: x",
    "port: 1e3",
    "write_deadline: '1d'",
    "max_payload: 3gb",
    "max_sub_tokens: 0",
    "lame_duck_duration: '5s'",
    "lame_duck_duration: 60",
    "authorization {user: a, token: b}",
    "authorization {user: a, users: [{user: b}]}",
    "authorization {users: [{user: a}, {user: a}]}",
    "authorization {users: [{pass: a}]}",
    "authorization {users: [{nkey: x}]}",
    "authorization {users: [{user: a, clients: [x]}]}",
    "authorization {permissions {publish: 'a b'}}",
    "authorization {permissions {subscribe: 'a b c'}}",
    "authorization {permissions {inboxes: true}}",
    "authorization {timeout: 1m}",
    "accounts {A {exports: [{stream: a}]}, B {imports: [{stream {account: A, subject: b}}]}}",
    "accounts {A {exports: [{stream: a, accounts: [C]}]}}",
    "accounts {A {users: [{user: a}]}, B {users: [{user: a}]}}",
    "accounts {'$G' {}}",
    "accounts {P {publish: x}, A {}}",
    "accounts: [A, A]",
    "mappings {a..b: c}",
    "mappings {a: [{dest: b}]}",
    "mappings {a: [{dest: b, weight: 101}]}",
    "tls {foo: 1}",
    "tls {cert_file: a}",
    "tls {cipher_suites: []}",
    "tls {curve_preferences: [x]}",
    "tls {pinned_certs: [x]}",
    "tls {first: 5}",
    "tls {verify_cert_and_check_known_urls: true}",
    "cluster {authorization {token: a}}",
    "cluster {routes: ['0.0.0.0:XXXX']}",
    "cluster {ping_interval: '2m'}",
    "leafnodes {min_version: 2.7.9}",
    "leafnodes {remotes: [{url: 'nats://a'}, {url: 'nats://a'}]}",
    "mqtt {max_ack_pending: 65536}",
    "jetstream: maybe",
    "resolver: nowhere",
    "resolver {type: full}",
    "trusted_keys: x",
]
ONLY_GO_TAKES = [
    # Malformed in a way that loses something, which Go does not see.
    "{ port: 4222\n",
    "server_name:",
    "port: 4222 /",
    "port: 5kbb\ndebug: true",
    "max_pending: 10e",
    # What Go finds out when it starts.
    "no_auth_user: x",
    "system_account: x",
]


def verdict(text: str) -> bool:
    try:
        return not read_all(text).warnings
    except ConfigError:
        return False


def verdict_of_go(program: str, text: str, folder: Path) -> tuple[bool, str]:
    path = folder / "main.conf"
    path.write_text(text)
    done = subprocess.run([program, "-t", "-c", str(path)], capture_output=True, text=True, timeout=60, cwd=folder)
    return done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", VALID)
def test_natsd_takes_what_is_valid(text: str) -> None:
    assert verdict(text)


@pytest.mark.parametrize("text", [*INVALID, *ONLY_GO_TAKES])
def test_natsd_refuses_what_is_invalid(text: str) -> None:
    assert not verdict(text)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "natsd"])
def test_go_servers_have_the_same_verdicts(form: str, tmp_path: Path) -> None:
    program = GO_SERVERS[form]
    newest = form == max(GO_SERVERS, key=lambda name: tuple(map(int, name.removeprefix("go-").split("."))))
    for text in VALID:
        valid, said = verdict_of_go(program, text, tmp_path)
        # Older servers do not know all keys.
        assert valid or not newest, (text, said)
        if valid and "sha256:" in said:
            assert read_all(text).digest in said, text
    for text in INVALID:
        valid, said = verdict_of_go(program, text, tmp_path)
        assert not valid or not newest, text
    for text in ONLY_GO_TAKES:
        assert verdict_of_go(program, text, tmp_path)[0], text
