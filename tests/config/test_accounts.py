"""Accounts with their users, exports, imports and mappings as a file describes them."""

from __future__ import annotations

from typing import cast

import pytest

from natsd.config.accounts import is_subset
from natsd.config.records import (
    AccountLimits,
    AccountRecord,
    Export,
    Import,
    Latency,
    Permissions,
    SubjectRules,
    User,
)
from tests.config.readings import complaints, values

ACCOUNT_KEY = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL"


def accounts(text: str) -> dict[str, AccountRecord]:
    found = cast("list[AccountRecord]", values(f"accounts {text}")["accounts"])
    return {account.name: account for account in found}


def test_accounts_may_be_no_more_than_names() -> None:
    assert list(accounts("[A, B]")) == ["A", "B"]


def test_users_of_an_account_know_it_and_have_its_default_permissions() -> None:
    text = """{
      A {default_permissions {publish: p}, users: [{user: a}, {user: b, permissions {publish: q}}]}
      B {users [{user: c}]}
    }"""
    found = values(f"accounts {text}")
    of_a = [
        User("a", account="A", permissions=Permissions(SubjectRules(["p"]))),
        User("b", account="A", permissions=Permissions(SubjectRules(["q"]))),
    ]
    assert found["users"] == [*of_a, User("c", account="B")]
    assert found["accounts"][0].users == of_a


def test_users_of_the_authorization_block_come_first() -> None:
    found = values("accounts {A {users: [{user: a}]}}\nauthorization {users: [{user: b}]}")["users"]
    assert [(user.name, user.account) for user in found] == [("b", ""), ("a", "A")]


def test_a_map_that_variables_refer_to_is_no_account() -> None:
    assert list(accounts("{P {publish: x}, A {users: [{user: a, permissions: $P}]}}")) == ["A"]


def test_limits() -> None:
    account = accounts("{A {limits {max_conn: 5, max_subs: 6, max_pay: 1kb, max_leafs: 7}}}")["A"]
    assert account.limits == AccountLimits(5, 6, 1024, 7)
    assert accounts("{A {}}")["A"].limits == AccountLimits(-1, -1, -1, -1)


def test_exports() -> None:
    text = """{
      A { exports: [
        {stream: "a.>"}, {stream: b, accounts: [B]}, {service: c, response: chunk, threshold: "2s"},
        {service: "d.*", account_token_position: 2, latency: {subject: l, sampling: 50%}, allow_trace: true},
        {service: e, latency: m, accounts: []}
        {service: f, latency: {subject: l, sampling: headers}, response: singleton}
      ]}, B {} }"""
    assert accounts(text)["A"].exports == [
        Export("a.>"),
        Export("b", accounts=["B"]),
        Export("c", service=True, response="chunked", threshold_s=2.0),
        Export("d.*", service=True, account_token_position=2, latency=Latency("l", 50), allow_trace=True),
        Export("e", service=True, latency=Latency("m", 100)),
        Export("f", service=True, latency=Latency("l", 0)),
    ]


def test_imports() -> None:
    text = """{
      A { exports: [{stream: "a.>"}, {service: "s.*"}, {service: "t.*", account_token_position: 2}] }
      B { imports: [
        {stream: {account: A, subject: a.b}, prefix: p.}, {stream: {account: A, subject: "a.*"}, to: "x.$1"}
        {service: {account: A, subject: s.x}}, {service: {account: A, subject: s.x}, to: y, share: true}
        {service: {account: A, subject: t.B}, to: z}
      ]} }"""
    assert accounts(text)["B"].imports == [
        Import("A", "a.b", prefix="p."),
        Import("A", "a.*", to="x.$1"),
        Import("A", "s.x", service=True, to="s.x"),
        Import("A", "s.x", service=True, to="y", share=True),
        Import("A", "t.B", service=True, to="z"),
    ]


def test_mappings_have_one_form_in_the_end() -> None:
    wanted = {
        "a": [{"destination": "b", "weight": 100}],
        "c": [{"destination": "d", "weight": 20}, {"destination": "e", "weight": 30, "cluster": "x"}],
        "f": [{"destination": "g", "weight": 5}],
    }
    text = "{a: b, c: [{dest: d, weight: 20%}, {destination: e, weight: 30, cluster: x}], f {dest: g, weight: '5'}}"
    assert values(f"mappings {text}")["mappings"] == wanted
    assert accounts(f"{{A {{maps {text}}}}}")["A"].mappings == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("msg_trace: a.b", ("a.b", 100)),
        ("trace_dest {dest: a, sampling: 10%}", ("a", 10)),
        ("msg_trace {dest: a}", ("a", 100)),
        ("msg_trace {}", ("", 0)),
    ],
)
def test_traces(text: str, wanted: tuple[str, int]) -> None:
    account = accounts(f"{{A {{ {text} }}}}")["A"]
    assert (account.trace_destination, account.trace_sampling) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("true", {"enabled": True}),
        ("enabled", {"enabled": True}),
        ("false", None),
        ("disable", None),
        ("{max_mem: 1mb, streams: 5}", {"enabled": True, "max_memory": 1 << 20, "max_streams": 5}),
    ],
)
def test_jetstream_of_an_account(text: str, wanted: object) -> None:
    assert accounts(f"{{A {{jetstream: {text}}}}}")["A"].jetstream == wanted


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("5", '"accounts" must be a map or a list, not an integer'),
        ("{A: b}", 'the account "A" must be a map'),
        ("{'$G' {}}", '"$G" is the name of the global account'),
        ("['$G']", '"$G" is the name of the global account'),
        ("[A, A]", 'there are two accounts "A"'),
        ("{A {x: 1}}", 'unknown field "x"'),
        ("{P {publish: x}, A {}}", 'unknown field "publish"'),
        ("{A {nkey: x}}", '"nkey" must be a public account nkey'),
        ("{A {nkey: 5}}", '"nkey" must be a string, not an integer'),
        ("{A {users: [{user: a}, {user: a}]}}", 'there are two users "a"'),
        ("{A {users: [{user: a}]}, B {users: [{user: a}]}}", 'there are two users "a"'),
        ("{A {limits: 5}}", '"limits" must be a map, not an integer'),
        ("{A {limits {x: 5}}}", 'unknown field "x"'),
        ("{A {exports: true}}", '"exports" must be a list, not a boolean'),
        ("{A {exports: [false]}}", '"export" must be a map, not a boolean'),
        ("{A {exports: [{stream: false}]}}", '"stream" must be a string, not a boolean'),
        ("{A {exports: [{accounts: [A]}]}}", "an export needs a stream or a service"),
        ("{A {exports: [{stream: a, service: b}]}}", "an export is a stream or a service, not both"),
        ("{A {exports: [{stream: a..b}]}}", '"a..b" is no valid subject'),
        ("{A {exports: [{stream: a, response: stream}]}}", "response is for exported services"),
        ("{A {exports: [{threshold: '1s', stream: a}]}}", "threshold is for exported services"),
        ("{A {exports: [{stream: a, latency: b}]}}", "latency is for exported services"),
        ("{A {exports: [{stream: a, allow_trace: true}]}}", "allow_trace is for exported services"),
        (
            "{A {exports: [{service: a, response: x}]}}",
            '"response" must be single, singleton, stream, chunk or chunked',
        ),
        ("{A {exports: [{service: a, threshold: 5}]}}", '"threshold" must be a duration'),
        ("{A {exports: [{service: a, latency: '*'}]}}", '"*" is no subject that can be published to'),
        ("{A {exports: [{service: a, latency {}}]}}", '"latency" needs a subject'),
        ("{A {exports: [{service: a, latency {subject: b, sampling: 101}}]}}", '"sampling" must be a percentage'),
        ("{A {exports: [{service: a, latency {subject: b, sampling: 0}}]}}", '"sampling" must be between 1 and 100'),
        ("{A {exports: [{service: a, latency: a}]}}", "is exported itself and can carry no reports"),
        ("{A {exports: [{service: a.b, account_token_position: 2}]}}", 'token 2 of "a.b" must be a *'),
        ("{A {exports: [{service: a.*, account_token_position: 3}]}}", 'token 3 of "a.*" must be a *'),
        ("{A {exports: [{stream: a, accounts: [X]}]}}", 'there is no account "X" to export "a" to'),
        ("{A {imports: true}}", '"imports" must be a list, not a boolean'),
        ("{A {imports: [false]}}", '"import" must be a map, not a boolean'),
        ("{A {imports: [{}]}}", "an import needs a stream or a service"),
        ("{A {imports: [{stream: {}}]}}", "an imported stream needs an account and a subject"),
        ("{A {imports: [{service: {account: A}}]}}", "an imported service needs an account and a subject"),
        ("{A {imports: [{service: a}]}}", '"service" must be a map, not a string'),
        ("{A {imports: [{service {account: B, subject: a, x: 1}}]}}", 'unknown field "x"'),
        (
            "{A {imports: [{service {account: B, subject: a}, allow_trace: true}]}}",
            "allow_trace is for imported streams",
        ),
        ("{A {imports: [{stream {account: B, subject: a}, to: b, prefix: c}]}}", "has a prefix or a to, not both"),
        ("{A {imports: [{stream {account: B, subject: a}, prefix: '*'}]}}", '"*" is no prefix of subjects'),
        ("{A {imports: [{stream {account: B, subject: a..}}]}}", '"a.." is no valid subject'),
        ("{A {imports: [{stream {account: B, subject: a}}]}}", 'there is no account "B" to import the stream "a" from'),
        (
            "{A {imports: [{stream {account: B, subject: a}}]}, B {}}",
            'account "B" does not export the stream "a" to "A"',
        ),
        (
            "{A {imports: [{stream {account: B, subject: a}}]},"
            " B {exports: [{service: a}, {stream: a, accounts: [B]}]}}",
            'account "B" does not export the stream "a" to "A"',
        ),
        (
            "{A {imports: [{service {account: B, subject: t.B}}]},"
            " B {exports: [{service: t.*, account_token_position: 2}]}}",
            'account "B" does not export the service "t.B" to "A"',
        ),
        (
            "{A {imports: [{stream {account: B, subject: a}}, {stream {account: B, subject: a}, to: c}]},"
            " B {exports: [{stream: a}]}}",
            'the stream "a" of account "B" is imported twice',
        ),
        (
            "{A {imports: [{service {account: B, subject: a}, to: x}, {service {account: B, subject: b}, to: x}]},"
            " B {exports: [{service: a}, {service: b}]}}",
            'the local subject "x" is already taken by the import of "a" from account "B"',
        ),
        ("{A {mappings: 5}}", '"mappings" must be a map, not an integer'),
        ("{A {mappings {a..b: c}}}", '"a..b" is no valid subject'),
        ("{A {mappings {a {dest: b}}}}", "the destination of a mapping needs a weight"),
        ("{A {mappings {a [{weight: 5}]}}}", "the destination of a mapping needs a destination"),
        ("{A {mappings {a [{dest: b, weight: 101}]}}}", '"weight" must be a percentage such as 50 or "50%"'),
        ("{A {mappings {a [{dest: b, weight: x%}]}}}", '"weight" must be a percentage such as 50 or "50%"'),
        (
            "{A {mappings {a [{dest: b, weight: true}]}}}",
            '"weight" must be a percentage such as 50 or "50%", not a boolean',
        ),
        ("{A {mappings {a [{dest: b, weight: 5, x: 1}]}}}", 'unknown field "x"'),
        ("{A {mappings {bad: b}}}", "the mapping is bad"),
        ("{A {msg_trace: 5}}", '"msg_trace" must be a subject or a map, not an integer'),
        ("{A {msg_trace: 'a.*'}}", '"a.*" is no subject that can be published to'),
        ("{A {msg_trace {dest: 5}}}", '"dest" must be a string, not an integer'),
        ("{A {msg_trace {dest: a, sampling: 0}}}", '"sampling" must be between 1 and 100, not 0'),
        ("{A {msg_trace {dest: a, sampling: -1}}}", '"sampling" must be a percentage'),
        ("{A {msg_trace {dest: a, sampling: {}}}}", '"sampling" must be a percentage such as 50 or "50%", not a map'),
        ("{A {msg_trace {sampling: 5}}}", "has a sampling and no dest, which does nothing"),
        ("{A {msg_trace {x: 5}}}", 'unknown field "x"'),
        ("{A {jetstream: maybe}}", '"jetstream" must be enabled or disabled, not "maybe"'),
        ("{A {jetstream: 5}}", '"jetstream" must be a boolean, enabled, disabled or a map'),
        ("{A {jetstream {max_mem: x}}}", '"max_mem" must be an integer, not a string'),
        ("{A {jetstream {cluster_traffic: x}}}", '"cluster_traffic" must be system, owner or'),
    ],
)
def test_what_cannot_be_is_refused(text: str, complaint: str) -> None:
    told = complaints(f"accounts: {text}")
    assert any(complaint in line for line in told), told


@pytest.mark.parametrize(
    ("subject", "of", "wanted"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.*", True),
        ("a.*", "a.*", True),
        ("a.*", "a.b", False),
        ("a.b.c", "a.>", True),
        ("a.>", "a.>", True),
        ("a.>", "a.*", False),
        ("a", "a.>", False),
        ("a.b", "a.b.c", False),
        ("a.b.c", "a.b", False),
        ("a.>", ">", True),
    ],
)
def test_a_subset_stands_for_nothing_that_the_other_does_not(subject: str, of: str, wanted: bool) -> None:
    assert is_subset(subject, of) is wanted
