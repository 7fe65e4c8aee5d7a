"""Blocks of features that do not exist yet: what is wrong in them is told all the same."""

from __future__ import annotations

import pytest

from tests.config.readings import complaints

USER_KEY = "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
OPERATOR_KEY = "ODSKR7MYFQZ5MMAJ6FPMEEYZ7YO7RIRXQGFDZYXQD3QDVMWQXZZPDVUQ"
SEED = "SUAEL6RU3BSDAFKOHNTEOK5Q6FTM5FTAMWVIKBET6FHPO4JRII3CYELVNM"


@pytest.mark.parametrize(
    "text",
    [
        "cluster {}",
        "cluster {port: -1, name: A, routes: ['nats://a:b@host:6222', 'nats-route://x'], permissions {import: a}}",
        "cluster {tls {}, authorization {user: a, password: b}, accounts: [A], pool_size: 5, compression: s2_auto}",
        "cluster {compression {mode: s2_auto, rtts: [10ms, '50ms']}, ping_interval: '10s', write_timeout: retry}",
        "cluster {tls {verify_cert_and_check_known_urls: true}}",
        "gateway {name: A, port: 7222, gateways: [{name: B, urls: ['nats://b:7222']}, {name: C, url: 'nats://c:7222'}]}",
        "leafnodes {port: 7422, min_version: 2.8.0, authorization {users: [{user: a, password: b, account: A}]}}",
        f"leafnodes {{remotes: [{{url: 'tls://a:7422', tls {{timeout: 0.01}}}}, {{urls: [nats://b], nkey: {SEED}}}]}}",
        "leafnodes {remotes: [{url: 'ws://a', proxy {url: 'http://p:8080', username: u, password: p}}]}",
        "leafnodes {remotes: [{url: 'nats://a', jetstream_cluster_migrate {leader_migrate_delay: '5s'}}]}",
        "websocket {port: 8080, no_tls: true, allowed_origins: [a, b], headers {x: y}, handshake_timeout: 2}",
        "mqtt {port: 1883, ack_wait: '1m', max_ack_pending: 100, authorization {token: t}}",
        "jetstream: enabled",
        "jetstream: false",
        'jetstream {store_dir: x, max_mem: 1G, max_file: "10G", sync_interval: always, cipher: aes, limits {batch {}}}',
        "jetstream {limits {duplicate_window: '2m'}, tpm {pcr: 5}, max_concurrent_io: 64, sync: '2m'}",
        "resolver: MEMORY",
        "resolver: URL(http://host:9090/jwt/v1/accounts/)",
        "resolver {type: full, dir: x, allow_delete: true, hard_delete: true, interval: '2m', timeout: '1s'}",
        "resolver {type: cache, dir: x, ttl: '1h', limit: 100}",
        "operator: x.jwt, resolver_preload {A: jwt}, resolver_pinned_accounts: [A], resolver_tls {}",
        "ocsp: true",
        "ocsp {mode: must, urls: ['http://a']}",
        "ocsp_cache {type: local, local_store: x, preserve_revoked: true, save_interval: '5m'}",
        f"proxies {{trusted: [{{key: {USER_KEY}}}]}}",
    ],
)
def test_what_can_be_is_taken(text: str) -> None:
    assert complaints(text) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cluster: 5", '"cluster" must be a map, not an integer'),
        ("cluster {foo: 1}", '1:10: unknown field "foo"'),
        ("cluster {name: 'a b'}", '"name" cannot contain spaces'),
        ("cluster {listen: '0.0.0.0:XXXX'}", '"listen" has no port that is a number: "XXXX"'),
        ("cluster {authorization {foo: 1}}", 'unknown field "foo"'),
        ("cluster {authorization {users: []}}", "a cluster takes no list of users"),
        ("cluster {authorization {token: t}}", "a cluster takes no token"),
        ("cluster {authorization {permissions {publish: a}}}", "permissions within"),
        ("cluster {routes: ['0.0.0.0:XXXX']}", '"routes" has a URL that cannot be read'),
        ("cluster {routes: ['nats://a:x1']}", '"routes" has a URL that cannot be read'),
        ("cluster {routes: 'nats://a'}", '"routes" must be a list, not a string'),
        ("cluster {routes: ['nats://a', 'nats://a']}", '"routes" has the same URL twice'),
        ("cluster {permissions {allow_responses: true}}", "routes have no allow_responses"),
        ("cluster {permissions {import: 'a b'}}", '"a b" is no valid subject'),
        ("cluster {permissions {export: 'a b'}}", '"a b" is no valid subject'),
        ("cluster {tls {foo: 1}}", 'unknown field "foo"'),
        ("cluster {pool_size: a}", '"pool_size" must be an integer, not a string'),
        ("cluster {accounts: 5}", '"accounts" must be a string or a list of strings, not an integer'),
        ("cluster {compression: 5}", '"compression" must be a boolean, a string or a map, not an integer'),
        ("cluster {compression {mode: 5}}", '"mode" must be a string, not an integer'),
        ("cluster {compression {rtts: 5}}", '"rtts" must be a list, not an integer'),
        ("cluster {compression {rtts: [abc]}}", '"rtts" must be a duration'),
        ("cluster {ping_interval: -1}", '"ping_interval" should be a duration'),
        ("cluster {ping_interval: '2m'}", "routes ping every 30 seconds at least"),
        ("gateway {authorization {token: t}}", "a gateway takes no token"),
        ("gateway {authorization {users: []}}", "a gateway takes no list of users"),
        ("gateway {gateways: 5}", '"gateways" must be a list, not an integer'),
        ("gateway {gateways: [5]}", '"gateways" must be a map, not an integer'),
        ("leafnodes {min_version: 123}", '"min_version" must be a string, not an integer'),
        ("leafnodes {min_version: bad.version}", '"min_version" must be a version such as 2.9.0'),
        ("leafnodes {min_version: 2.7.9}", '"min_version" must be 2.8.0 or later'),
        ("leafnodes {authorization {user: a, users: [{user: b}]}}", "both a single user and a list of users"),
        (f"leafnodes {{authorization {{nkey: {USER_KEY}, users: [{{user: b}}]}}}}", "both a single nkey and a list"),
        ("leafnodes {authorization {users: [{user: a}, {user: a}]}}", 'two users "a"'),
        ("leafnodes {authorization {nkey: x}}", '"nkey" must be a public user nkey'),
        ("leafnodes {authorization {proxy_required: 5}}", '"proxy_required" must be a boolean'),
        ("leafnodes {remotes {url: a}}", '"remotes" must be a list, not a map'),
        ("leafnodes {remotes: [5]}", '"remote" must be a map, not an integer'),
        ("leafnodes {remotes: [{urls: 5}]}", '"urls" must be a URL or a list of them, not an integer'),
        ("leafnodes {remotes: [{url: 'nats://a', nkey: x}]}", '"nkey" must be the seed of a user nkey'),
        (f"leafnodes {{remotes: [{{url: 'nats://a', nkey: {SEED}, creds: x}}]}}", "credentials or an nkey, not both"),
        ("leafnodes {remotes: [{url: 'nats://a'}, {url: 'nats://a'}]}", "this remote is listed twice"),
        ("leafnodes {remotes: [{url: 'nats://a', deny_imports: 'a..b'}]}", '"a..b" is no valid subject'),
        (
            "leafnodes {remotes: [{url: 'nats://a', first_info_timeout: abc}]}",
            '"first_info_timeout" must be a duration',
        ),
        ("leafnodes {remotes: [{url: 'nats://a', jetstream_cluster_migrate: 5}]}", "must be a boolean or a map"),
        (
            "leafnodes {remotes: [{url: 'nats://a', tls {verify_cert_and_check_known_urls: true}}]}",
            "for routes and gateways",
        ),
        ("leafnodes {remotes: [{url: 'ws://a', proxy {url: 'ftp://p'}}]}", "begins with http:// or https://"),
        ("leafnodes {remotes: [{url: 'ws://a', proxy {url: 'http://'}}]}", "the URL of a proxy needs a host"),
        (
            "leafnodes {remotes: [{url: 'ws://a', proxy {url: 'http://p', username: u}}]}",
            "both a username and a password",
        ),
        ("leafnodes {remotes: [{url: 'ws://a', proxy {url: 'http://p', timeout: '-1s'}}]}", "must not be negative"),
        ("leafnodes {remotes: [{url: 'wss://a', proxy {url: 'http://p'}}]}", "needs tls"),
        ("leafnodes {remotes: [{url: 'nats://a', proxy {url: 'http://p'}}]}", "for ws:// and wss:// URLs only"),
        ("websocket {authorization {unknown: 1}}", 'unknown field "unknown"'),
        ("websocket {tls {cert_file: a}}", "tls has no key_file"),
        ("websocket {headers {a: 5}}", '"a" must be a string, not an integer'),
        ("mqtt: [wrong]", '"mqtt" must be a map, not a list'),
        ("mqtt {listen: xxx}", '"listen" must be a port or host:port, not "xxx"'),
        ("mqtt {host: 1234}", '"host" must be a string, not an integer'),
        ("mqtt {port: abc}", '"port" must be an integer, not a string'),
        ("mqtt {max_ack_pending: 65536}", '"max_ack_pending" must be between 0 and 65535'),
        ("mqtt {consumer_replicas: 3}", '"consumer_replicas" has no effect any more'),
        ("jetstream: maybe", '"jetstream" must be enabled or disabled, not "maybe"'),
        ("jetstream: 5", '"jetstream" must be a boolean, enabled, disabled or a map, not an integer'),
        ("jetstream {max_mem: x}", '"max_mem" must be a size such as 1G'),
        ("jetstream {cipher: x}", '"cipher" must be chacha, chachapoly or aes, not "x"'),
        ("jetstream {max_concurrent_io: 1}", '"max_concurrent_io" must be between 4 and 8192, not 1'),
        ("jetstream {meta_compact: -1}", '"meta_compact" must not be negative'),
        ("jetstream {limits {duplicate_window: 5}}", '"duplicate_window" must be a duration'),
        ("resolver: nowhere", '"resolver" must be MEMORY, URL(...) or a map'),
        ("resolver {type: x}", "the type of a resolver must be FULL, CACHE or MEMORY"),
        ("resolver {type: full}", "a resolver of type FULL needs a dir"),
        ("resolver {type: full, dir: x, ttl: '1s'}", "a resolver of type FULL takes no ttl"),
        ("resolver {type: full, dir: x, hard_delete: true}", "hard_delete has no effect without allow_delete"),
        ("resolver {type: cache, dir: x, allow_delete: true}", "a resolver of type CACHE takes no allow_delete"),
        ("resolver_preload: 5", '"resolver_preload" must be a map, not an integer'),
        ("trusted: [x]", '"trusted" must be public operator nkeys, and "x" is none'),
        ("ocsp: 5", '"ocsp" must be a map, not an integer'),
        ("ocsp {mode: x}", '"mode" must be auto, always, never or must, not "x"'),
        ("ocsp_cache {type: x}", '"type" must be local or none, not "x"'),
        ("proxies: 5", '"proxies" must be a map, not an integer'),
        ("proxies {trusted: 5}", '"trusted" must be a list, not an integer'),
        ("proxies {trusted: [5]}", '"trusted" must be a map, not an integer'),
        ("proxies {trusted: [{key: bad}]}", '"key" must be a public nkey'),
    ],
)
def test_what_cannot_be_is_told(text: str, complaint: str) -> None:
    told = complaints(text)
    assert len(told) == 1 and complaint in told[0], told


def test_a_url_that_cannot_be_read_is_not_shown() -> None:
    assert "s3cret" not in complaints("cluster {routes: ['nats://a:s3cret@b:port']}")[0]
