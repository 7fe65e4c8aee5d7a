"""Borders and mappings of configured accounts in /accountz; what is expected is what Go nats-server 2.15.1 says."""

from __future__ import annotations

from typing import Any

from natsd.monitor.account_borders import exports, imports, mappings
from tests.memory import MemoryPlace

ACCOUNTS: dict[str, Any] = {
    "A": {
        "exports": [
            {"stream": "s.>"},
            {"stream": "priv", "accounts": ["B"]},
            {"service": "req.*", "accounts": ["B", "C"], "response_type": "stream"},
            {"service": "parts", "response_type": "chunked"},
            {"service": "lat", "latency": {"sampling": "50%", "subject": "lat.results"}},
            {"service": "asked", "latency": {"sampling": "headers", "subject": "lat.results"}},
        ],
        "mappings": {
            "foo": "bar",
            "x.*.*": [{"destination": "y.$2", "weight": 30}, {"destination": "z.$1", "weight": 50}],
            "one": [{"destination": "two", "weight": 40}],
            "lost": [{"destination": "lost", "weight": 0}, {"destination": "a", "weight": 20, "cluster": "east"}],
            "rest.>": [{"destination": "all.>", "weight": 10}],
        },
    },
    "B": {
        "imports": [
            {"stream": {"account": "A", "subject": "s.>"}, "prefix": "imp"},
            {"stream": {"account": "A", "subject": "priv"}, "to": "mine"},
            {"stream": {"account": "A", "subject": "s.*.b"}, "to": "t.$1"},
            {"service": {"account": "A", "subject": "req.*"}, "to": "ask.*", "share": True},
            {"service": {"account": "A", "subject": "lat"}},
        ]
    },
    "C": {},
}
SERVER = MemoryPlace([], {"accounts": ACCOUNTS}).server


def test_exports_are_services_then_streams() -> None:
    results = "lat.results"
    single = {"type": "service", "response_type": "Singleton"}
    assert exports(SERVER.accounts["A"]) == [
        {"subject": "req.*", "type": "service", "response_type": "Streamed", "approved_accounts": ["B", "C"]},
        {"subject": "parts", "type": "service", "response_type": "Chunked"},
        {"subject": "lat", **single, "service_latency": {"sampling": 50, "results": results}},
        {"subject": "asked", **single, "service_latency": {"sampling": "headers", "results": results}},
        {"subject": "s.>", "type": "stream"},
        {"subject": "priv", "type": "stream", "approved_accounts": ["B"]},
    ]
    assert exports(SERVER.accounts["C"]) == []


def test_imports_are_streams_then_services_with_their_local_subjects() -> None:
    stream = {"type": "stream", "invalid": False, "share": False, "tracking": False}
    service = {"type": "service", "invalid": False, "share": False, "tracking": False}
    latency = {"sampling": 50, "results": "lat.results"}
    assert imports(SERVER.accounts, SERVER.accounts["B"]) == [
        {"subject": "s.>", "account": "A", "local_subject": "imp.s.>", **stream},
        {"subject": "priv", "account": "A", "local_subject": "mine", **stream},
        {"subject": "s.*.b", "account": "A", "local_subject": "t.*", **stream},
        {"subject": "req.*", "account": "A", "to": "ask.*", "local_subject": "ask.*", **service, "share": True},
        {"subject": "lat", "account": "A", "to": "lat", "local_subject": "lat", **service, "latency": latency},
    ]


def test_mappings_show_sums_of_weights_and_the_rest() -> None:
    shown = mappings(SERVER.accounts["A"])
    assert shown["foo"] == [{"subject": "bar", "weight": 100}]
    assert shown["one"] == [{"subject": "two", "weight": 40}, {"subject": "one", "weight": 100}]
    assert shown["x.*.*"] == [
        {"subject": "x.$1.$2", "weight": 20},
        {"subject": "y.$2", "weight": 50},
        {"subject": "z.$1", "weight": 100},
    ]
    assert shown["lost"] == [{"subject": "lost", "weight": 0}, {"subject": "a", "weight": 20, "cluster": "east"}]
    assert shown["rest.>"] == [{"subject": "all.>", "weight": 10}, {"subject": "rest.>", "weight": 100}]
    assert mappings(SERVER.accounts["C"]) == {}
