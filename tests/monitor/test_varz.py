"""/varz: what is said of the server, and what of the process."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from natsd.base.clock import HandClock
from natsd.base.version import NATS_VERSION
from natsd.monitor.document import pieces
from natsd.monitor.usage import Usage
from natsd.monitor.varz import varz
from tests.monitor.fakes import FakeServer


def page(server: FakeServer, **known: Any) -> dict[str, Any]:
    known = {"http_port": 8222, "cpu": 0.5, "memory": 1000, "requests": {}} | known
    document: dict[str, Any] = json.loads("".join(pieces(varz(server, **known))))
    return document


KEYS = """
server_id server_name version proto go host port max_connections ping_interval ping_max
http_host http_port http_base_path https_port auth_timeout max_control_line max_payload
max_pending cluster gateway leaf mqtt websocket jetstream tls_timeout write_deadline start now
uptime mem cores gomaxprocs cpu connections total_connections routes remotes leafnodes in_msgs
in_bytes in_client_msgs in_client_bytes out_msgs out_bytes out_client_msgs out_client_bytes
slow_consumers stale_connections stalled_clients subscriptions http_req_stats config_load_time
config_digest system_account slow_consumer_stats stale_connection_stats disk_io_wait_stats
""".split()


def test_the_page_has_go_s_keys_in_go_s_order() -> None:
    assert list(page(FakeServer())) == KEYS


def test_the_server_and_its_options_are_told() -> None:
    server = FakeServer(host="127.0.0.1", max_payload=5000, ping_interval_s=1.5, write_deadline_s=2, auth_timeout_s=0.5)
    server.clock.move(3600)
    found = page(server)
    assert (found["server_id"], found["server_name"], found["version"]) == ("NSERVER", "one", NATS_VERSION)
    assert (found["host"], found["port"], found["http_host"], found["http_port"]) == (
        "127.0.0.1",
        4222,
        "127.0.0.1",
        8222,
    )
    assert (found["max_payload"], found["ping_interval"], found["write_deadline"]) == (
        5000,
        1_500_000_000,
        2_000_000_000,
    )
    assert (found["auth_timeout"], found["cpu"], found["mem"]) == (0.5, 0.5, 1000)
    assert (found["start"], found["now"], found["uptime"]) == ("2023-11-14T22:13:20Z", "2023-11-14T23:13:20Z", "1h0m0s")


def test_what_is_not_set_is_not_told() -> None:
    server = FakeServer()
    assert not {"auth_required", "connect_urls", "max_subscriptions"} & set(page(server))
    server = FakeServer(max_subscriptions=9)
    server.roster.info.auth_required = True
    server.roster.info.connect_urls = ("10.0.0.1:4222",)
    found = page(server)
    assert (found["auth_required"], found["connect_urls"], found["max_subscriptions"]) == (True, ["10.0.0.1:4222"], 9)
    keys = list(found)
    assert keys[7:11] == ["auth_required", "connect_urls", "max_connections", "max_subscriptions"]


def test_the_counters_are_told() -> None:
    server = FakeServer()
    server.subscribe(server.connect(1), b"a")
    server.roster.total_connections = 7
    server.roster.slow_consumers, server.roster.stale_connections, server.roster.stalls = 2, 3, 4
    found = page(server, requests={"/varz": 2, "/connz": 1})
    assert (found["connections"], found["total_connections"], found["subscriptions"]) == (1, 7, 1)
    assert (found["slow_consumers"], found["stale_connections"], found["stalled_clients"]) == (2, 3, 4)
    assert found["slow_consumer_stats"]["clients"] == 2 and found["stale_connection_stats"]["clients"] == 3
    assert list(found["http_req_stats"].items()) == [("/connz", 1), ("/varz", 2)]


def test_before_the_server_started_its_uptime_is_none() -> None:
    server = FakeServer()
    server.started = 0
    assert page(server)["uptime"] == "0s"


def test_memory_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 << 20 < Usage.memory() < 1 << 36

    def nothing(*args: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", nothing)
    assert 1 << 20 < Usage.memory() < 1 << 36


def test_the_processor_s_share_is_measured_between_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = [0]
    monkeypatch.setattr(time, "process_time_ns", lambda: spent[0])
    clock = HandClock()
    usage = Usage(clock)
    clock.move(0.5)
    spent[0] += 400_000_000
    assert usage.cpu() == 0.0
    clock.move(0.5)
    assert usage.cpu() == 40.0
    clock.move(2)
    spent[0] += 1_000_000_000
    assert usage.cpu() == 50.0
