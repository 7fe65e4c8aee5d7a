"""/metrics: what a Prometheus reads of it, and that its figures are those of the other pages."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from natsd.base.log import Log
from natsd.monitor.metrics import CONTENT_TYPE
from natsd.monitor.pages import Pages
from natsd.monitor.query import Query
from tests.monitor.fakes import FakeServer
from tests.monitor.test_http import Lines


def read(server: FakeServer) -> dict[tuple[str, str], float]:
    """By name and account, what the page says."""
    page = Pages(server, Log(Lines(), lambda: 0, logtime=False)).find("/metrics", Query())
    assert page is not None and page.content_type == CONTENT_TYPE
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families("".join(page.body)):
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            key = (sample.name.removesuffix("_total"), sample.labels.get("account", ""))
            assert key not in found and sample.labels["server_id"] == "NSERVER"
            found[key] = sample.value
    return found


def test_the_names_are_those_of_the_exporter() -> None:
    server = FakeServer()
    first = server.connect(1, in_msgs=3, in_bytes=30, out_msgs=4, out_bytes=40, pending=5)
    server.connect(2, in_msgs=1)
    server.subscribe(first, b"a")
    server.roster.slow_consumers = 7
    found = read(server)
    for name, value in {
        "gnatsd_varz_connections": 2,
        "gnatsd_varz_slow_consumers": 7,
        "gnatsd_varz_max_payload": 1 << 20,
        "gnatsd_varz_server_id": 1,
        "gnatsd_varz_version": 1,
        "gnatsd_connz_num_connections": 2,
        "gnatsd_connz_in_msgs": 4,
        "gnatsd_connz_in_bytes": 30,
        "gnatsd_connz_out_msgs": 4,
        "gnatsd_connz_out_bytes": 40,
        "gnatsd_connz_pending_bytes": 5,
        "gnatsd_connz_subscriptions": 1,
        "gnatsd_subsz_num_subscriptions": 1,
        "gnatsd_healthz_status": 0,
        "jetstream_server_jetstream_disabled": 1,
        "jetstream_server_total_streams": 0,
        "natsd_info": 1,
        "natsd_accounts": 2,
    }.items():
        assert found[name, ""] == value, name


def test_each_account_has_its_figures() -> None:
    server = FakeServer()
    server.accounts["$G"].connections = 3
    found = read(server)
    assert found["gnatsd_accstatz_current_connections", "$G"] == 3
    assert found["gnatsd_accstatz_current_connections", "$SYS"] == 0
    assert found["gnatsd_accstatz_received_messages", "$G"] == 0


def test_a_sick_server_says_so() -> None:
    server = FakeServer()
    server.lame = True
    assert read(server)["gnatsd_healthz_status", ""] == 1


def test_odd_names_do_not_break_the_text() -> None:
    server = FakeServer()
    server.roster.info.server_name = 'a "b"\\\n{c}'
    assert read(server)["gnatsd_varz_server_name", ""] == 1


def test_counters_stay_whole_beyond_what_floats_show() -> None:
    server = FakeServer()
    server.connect(1, in_bytes=12_345_678_901_234)
    assert read(server)["gnatsd_connz_in_bytes", ""] == 12_345_678_901_234
