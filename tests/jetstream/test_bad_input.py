"""Every number of every request as what it should not be: the right error, and nobody else is disturbed."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from natsd.jetstream.api.message_api import DeleteRequest, GetRequest, PurgeRequest
from natsd.jetstream.api.request_json import decode
from natsd.jetstream.api.snapshot_api import SnapshotRequest
from natsd.jetstream.api.stream_api import InfoRequest, ListRequest
from natsd.jetstream.streams.stream_config import StreamConfig
from tests.jetstream.house import House
from tests.jetstream.test_publishing import put

REQUESTS: dict[str, type[Any]] = {
    "STREAM.CREATE.N": StreamConfig,
    "STREAM.UPDATE.S": StreamConfig,
    "STREAM.INFO.S": InfoRequest,
    "STREAM.NAMES": ListRequest,
    "STREAM.LIST": ListRequest,
    "STREAM.PURGE.S": PurgeRequest,
    "STREAM.MSG.GET.S": GetRequest,
    "STREAM.MSG.DELETE.S": DeleteRequest,
    "STREAM.SNAPSHOT.S": SnapshotRequest,
}
VALUES = [b"-1", b"0", b"9223372036854775807", b"18446744073709551615", b"1e400", b"1.5", b'"1"', b"null", b"[]", b"{}"]
VALUES += [b"1" * 400, b"true", b'"\\u0000"']
NUMBERS = [
    (subject, field.name)
    for subject, kind in REQUESTS.items()
    for field in msgspec.structs.fields(kind)
    if field.type is int
]
NAMES = ["", "a.b", "a b", "a/b", "..", "../x", "a\\b", "a\nb", "a\x00b", "*", ">", "x" * 10_000, "ü" * 300, "\ud7ff"]


@pytest.fixture
def house() -> House:
    house = House()
    house.stream(allow_direct=True)
    put(house, "s.a", b"one")
    return house


def check_health(house: House) -> None:
    """The others go on as if nothing had happened."""
    assert put(house, "s.b")["stream"] == "S"
    assert "error" not in house.ask("STREAM.INFO.S")


@pytest.mark.parametrize(("subject", "name"), NUMBERS)
def test_a_number_that_is_none(house: House, subject: str, name: str) -> None:
    start = b""
    if REQUESTS[subject] is StreamConfig:
        start = b'"name":"%b","subjects":["s.>"],' % subject.rpartition(".")[2].encode()
    for value in VALUES:
        inbox = house.inbox()
        body = b'{%b"%b":%b}' % (start, name.encode(), value)
        house.publish("$JS.API." + subject, body, inbox.name)
        for payload in inbox.payloads():
            page = json.loads(payload)
            assert page.get("error", {}).get("err_code", 10000) >= 10000
        inbox.close()
    for stream in list(house.home.streams):
        house.ask(f"STREAM.DELETE.{stream}")
    house.stream()
    check_health(house)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["CREATE", "INFO", "DELETE", "PURGE", "MSG.GET", "SNAPSHOT", "RESTORE"])
def test_a_name_that_is_none(house: House, what: str, name: str) -> None:
    inbox = house.inbox()
    subject = f"$JS.API.STREAM.{what}.{name}".encode("utf-8", "surrogatepass")
    body = json.dumps({"name": name, "config": {"name": name}}).encode()
    house.account.sublist.publish(subject, inbox.name.encode(), None, body)
    for payload in inbox.payloads():
        assert "error" in json.loads(payload)
    assert set(house.home.streams) == {"S"}
    check_health(house)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 10_000, b"\xff\xfe", b"nul", b'{"name":"S"}}', b"{" * 50])
@pytest.mark.parametrize("subject", [*REQUESTS, "STREAM.RESTORE.S"])
def test_json_that_is_none(house: House, subject: str, body: bytes) -> None:
    inbox = house.inbox()
    house.publish("$JS.API." + subject, body, inbox.name)
    for payload in inbox.payloads():
        page = json.loads(payload)
        assert page.get("error", {}).get("err_code", 10000) >= 10000
    check_health(house)


def test_what_is_no_utf_8_in_a_request_is_replaced(house: House) -> None:
    inbox = house.inbox()
    for body in (b'{"name":"N","description":"a\xffb"}', b'{"NAME":"N","Description":"a\xffb"}'):
        house.publish("$JS.API.STREAM.CREATE.N", body, inbox.name)
        (payload,) = inbox.payloads()
        assert json.loads(payload)["config"]["description"] == "a\ufffdb"


def test_random_headers_break_nothing(house: House) -> None:
    chance = random.Random(5)
    names = [b"Nats-Msg-Id", b"Nats-Rollup", b"Nats-TTL", b"Nats-Expected-Last-Sequence", b"Nats-Expected-Stream"]
    values = [b"", b"-1", b"9" * 40, b"\xff\x00", b"sub", b"never", b" 1", b"S"]
    for _ in range(300):
        lines = b"".join(b"%b:%b\r\n" % (chance.choice(names), chance.choice(values)) for _ in range(3))
        whole = b"NATS/1.0\r\n" + lines + b"\r\n"
        cut = whole[: chance.randrange(10, len(whole) + 1)]
        house.publish("s.a", b"x", "_INBOX.nobody", cut)
    check_health(house)


def test_unknown_keys_are_named() -> None:
    assert decode(b'{"SEQ":5,"keep":null}', PurgeRequest, strict=True) == PurgeRequest(seq=5)
    assert decode(b'{"x":1,"seq":5}', PurgeRequest, strict=False) == PurgeRequest(seq=5)
    assert decode(b"", PurgeRequest, strict=True) == PurgeRequest()


def test_ages_of_a_nanosecond_and_windows_of_a_year(house: House) -> None:
    assert house.ask("STREAM.CREATE.N", {"name": "N", "max_age": 1})["error"]["err_code"] == 10052
    house.stream("N", subjects=["n"], duplicate_window=365 * 86_400 * 10**9)
    assert put(house, "n", Nats_Msg_Id="1")["seq"] == 1
    house.move(300 * 86_400)
    assert put(house, "n", Nats_Msg_Id="1")["duplicate"] is True


@pytest.mark.parametrize(
    "given",
    [
        {"retention": None},
        {"discard": None},
        {"storage": None},
        {"compression": None},
        {"persist_mode": None},
        {"discard": "later"},
    ],
)
def test_null_is_none_of_a_few_words(house: House, given: dict[str, object]) -> None:
    assert house.ask("STREAM.CREATE.X", {"name": "X"} | given)["error"]["err_code"] == 10025


def test_null_in_a_list_or_a_map_is_there_and_empty(house: House) -> None:
    assert house.ask("STREAM.CREATE.X", {"name": "X", "subjects": [None]})["error"]["err_code"] == 10052
    created = house.ask("STREAM.CREATE.X", {"name": "X", "metadata": {"a": None}, "discard": "OLD", "max_msgs": None})
    assert created["config"]["metadata"]["a"] == ""
    assert created["config"]["discard"] == "old"
    body = {"stream_name": "X", "config": {"filter_subjects": [None]}}
    assert house.ask("CONSUMER.CREATE.X.C", body)["error"]["err_code"] == 10139


def test_the_end_of_a_text_is_no_part_of_a_name(house: House) -> None:
    assert house.ask("STREAM.CREATE.X\0Y", {"name": "X\0Y"})["error"]["err_code"] == 10052
