"""/jsz, the part of /varz about JetStream, and its health."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.monitor.healthz import healthz
from natsd.monitor.jsz import account_jsz, jetstream_stats, jsz
from natsd.monitor.metrics import metrics
from natsd.monitor.query import BadQuery, Query
from natsd.monitor.varz import varz
from natsd.server.jetstream_options import JetStreamOptions
from tests.jetstream.house import House
from tests.jetstream.test_publishing import put
from tests.monitor.fakes import FakeServer


class FakeStorage:
    """JetStream of a house, with what the options say."""

    def __init__(self, house: House) -> None:
        self.jetstream = house.jetstream
        self.options = JetStreamOptions({"max_memory_store": 1 << 30, "limits": {"max_ack_pending": 7}}, "/data")
        self.max_file = 5 << 30
        self.sync_ns = 250_000


@pytest.fixture
def server() -> FakeServer:
    house = House()
    house.stream()
    house.consumer()
    put(house, "s.a")
    server = FakeServer()
    server.storage = FakeStorage(house)
    return server


def page(server: FakeServer, **query: str) -> dict[str, Any]:
    return dict(jsz(server, Query(query)))


def test_without_jetstream_the_page_says_so() -> None:
    found = page(FakeServer())
    assert (found["disabled"], found["streams"], found["config"]["max_memory"]) == (True, 0, 0)


def test_the_page_of_the_server(server: FakeServer) -> None:
    found = page(server)
    assert (found["accounts"], found["streams"], found["consumers"], found["messages"]) == (1, 1, 1, 1)
    assert found["bytes"] == found["storage"] > 0
    assert found["config"] == {
        "max_memory": 1 << 30,
        "max_storage": 5 << 30,
        "store_dir": "/data/jetstream",
        "sync_always": True,
        "strict": True,
    }
    assert found["limits"] == {"default_max_ack_pending": 7}
    assert "account_details" not in found


@pytest.mark.parametrize("query", [{"accounts": "1"}, {"acc": "$G"}])
def test_accounts_in_detail(server: FakeServer, query: dict[str, str]) -> None:
    (account,) = page(server, **query)["account_details"]
    assert (account["name"], account["reserved_storage"]) == ("$G", (1 << 64) - 1)
    assert "stream_detail" not in account


def test_streams_and_consumers_in_detail(server: FakeServer) -> None:
    (stream,) = page(server, streams="1")["account_details"][0]["stream_detail"]
    assert (stream["name"], stream["state"]["messages"]) == ("S", 1)
    assert "config" not in stream and "consumer_detail" not in stream
    (stream,) = page(server, consumers="1", config="1")["account_details"][0]["stream_detail"]
    assert stream["config"]["name"] == "S"
    assert stream["consumer_detail"][0]["name"] == "C"
    assert stream["consumer_detail"][0]["config"]["durable_name"] == "C"


def test_pages_of_accounts(server: FakeServer) -> None:
    assert "account_details" not in page(server, accounts="1", offset="1")
    assert "account_details" not in page(server, acc="nobody")


@pytest.mark.parametrize("name", ["accounts", "streams", "consumers", "config", "raft", "leader-only"])
def test_bad_options_are_refused(server: FakeServer, name: str) -> None:
    with pytest.raises(BadQuery):
        page(server, **{name: "x"})


def test_varz_shows_the_same_configuration(server: FakeServer) -> None:
    found: Any = varz(server, http_port=0, cpu=0.0, memory=0, requests={})["jetstream"]
    assert found["config"] == page(server)["config"]
    assert found["stats"]["accounts"] == 1


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ({"account": "$G", "stream": "S", "consumer": "C"}, 200, ""),
        ({"account": "A"}, 404, 'JetStream account "A" not found'),
        ({"account": "$G", "stream": "X"}, 404, 'JetStream stream "X" not found on account "$G"'),
        (
            {"account": "$G", "stream": "S", "consumer": "X"},
            404,
            'JetStream consumer "X" not found for stream "S" on account "$G"',
        ),
    ],
)
def test_streams_have_a_health(server: FakeServer, query: dict[str, str], status: int, error: str) -> None:
    found, answer = healthz(server, Query(query))
    assert (found, answer.get("error", "")) == (status, error)


def test_details_say_what_is_promised(server: FakeServer) -> None:
    _, answer = healthz(server, Query({"details": "1"}))
    assert answer == {
        "status": "ok",
        "jetstream": {"promise": "an acknowledged message is on disk", "sync_time": "250µs"},
    }


def test_a_failed_disk_is_no_health(server: FakeServer) -> None:
    assert server.storage is not None
    server.storage.jetstream.failed = "input/output error"
    status, answer = healthz(server, Query({"details": "1"}))
    assert (status, answer["status"]) == (404, "error")
    assert healthz(server, Query({"js-server-only": "1"}))[0] == 200


def test_the_account_alone_is_what_is_told_of_an_account(server: FakeServer) -> None:
    home = server.storage.jetstream.homes["$G"]
    found = account_jsz(home, Query({"consumers": "1"}))
    assert found["name"] == "$G"
    assert found["stream_detail"][0]["consumer_detail"][0]["name"] == "C"
    assert "stream_detail" not in account_jsz(home, Query())


def test_statsz_has_figures_and_configuration_but_no_path(server: FakeServer) -> None:
    found = jetstream_stats(server.storage)
    assert (found["config"]["max_memory"], found["stats"]["accounts"]) == (1 << 30, 1)
    assert "store_dir" not in found["config"]


def test_metrics_tell_of_accounts_streams_and_consumers(server: FakeServer) -> None:
    lines = "".join(metrics(server, {})).splitlines()
    found = {line.split("{")[0]: line for line in lines if line.startswith("jetstream_")}
    for name, value in {
        "jetstream_account_storage_used": 20,
        "jetstream_stream_total_messages": 1,
        "jetstream_stream_subject_count": 1,
        "jetstream_consumer_num_pending": 1,
        "jetstream_consumer_ack_floor_stream_seq": 0,
    }.items():
        assert float(found[name].split()[-1]) == value, found[name]
    assert 'stream_name="S"' in found["jetstream_consumer_num_pending"]
    assert 'consumer_name="C"' in found["jetstream_consumer_num_pending"]
