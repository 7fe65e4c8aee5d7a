"""Counters: what is added, what is stored, and what comes of sources."""

from __future__ import annotations

import json
from typing import Any

import pytest

from natsd.jetstream import headers
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams import counters
from tests.jetstream.house import House
from tests.jetstream.test_publishing import block, error_of, put


@pytest.fixture
def house() -> House:
    house = House()
    house.stream(allow_msg_counter=True, allow_direct=True)
    return house


def incr(house: House, subject: str, by: object, payload: bytes = b"", **more: str) -> dict[str, Any]:
    return put(house, subject, payload, Nats_Incr=str(by), **more)


def stored(house: House, stream: str, seq: int) -> tuple[bytes | None, bytes]:
    message = house.home.streams[stream].store.load(seq)
    assert message is not None
    return message[2], message[3]


def test_each_increment_is_acknowledged_with_the_sum_of_its_subject(house: House) -> None:
    answers = [incr(house, "s.a", 5), incr(house, "s.b", "+1"), incr(house, "s.a", -7), incr(house, "s.a", 0)]
    assert [(one["seq"], one["val"]) for one in answers] == [(1, "5"), (2, "1"), (3, "-2"), (4, "-2")]
    assert stored(house, "S", 3) == (block(Nats_Incr="-7"), b'{"val":"-2"}')


def test_a_sum_may_be_longer_than_any_machine_word(house: House) -> None:
    assert incr(house, "s.a", 10**40)["val"] == "1" + "0" * 40
    assert incr(house, "s.a", 1)["val"] == "1" + "0" * 39 + "1"


def test_a_sum_has_a_longest_form(house: House) -> None:
    most = "9" * counters.MOST_DIGITS
    assert error_of(incr(house, "s.a", most + "9"))[0] == 10171
    assert incr(house, "s.a", most)["val"] == most
    assert error_of(incr(house, "s.a", 1))[0] == 10054
    assert incr(house, "s.a", "-" + most[1:])["seq"] == 2


@pytest.mark.parametrize("value", ["", "x", "1.5", "0x10", "1_000", "--1", "1 2"])
def test_what_is_no_whole_number_adds_nothing(house: House, value: str) -> None:
    assert error_of(incr(house, "s.a", value))[0] == (10171 if value else 10169)
    assert house.home.streams["S"].store.last_seq == 0


def test_an_increment_is_needed_and_has_no_payload_and_no_expectations(house: House) -> None:
    assert error_of(put(house, "s.a"))[0] == 10169
    assert error_of(put(house, "s.a", Other="x"))[0] == 10169
    assert error_of(incr(house, "s.a", 1, b"x"))[0] == 10170
    for name in counters.NOT_WITH:
        assert error_of(incr(house, "s.a", 1, **{name.decode().replace("-", "_"): "1"}))[0] == 10171, name


def test_streams_without_counters_take_no_increments(house: House) -> None:
    house.stream("T")
    assert error_of(incr(house, "t.a", 1))[0] == 10168


def test_an_increment_with_an_id_counts_once(house: House) -> None:
    assert incr(house, "s.a", 2, Nats_Msg_Id="x")["val"] == "2"
    again = incr(house, "s.a", 2, Nats_Msg_Id="x")
    assert (again["seq"], again["duplicate"]) == (1, True)
    assert incr(house, "s.a", 2)["val"] == "4"


def test_a_last_message_that_is_no_counter_is_left_alone(house: House) -> None:
    house.home.streams["S"].store.append([(b"s.a", None, None, b"text")], 1)
    assert error_of(incr(house, "s.a", 1))[0] == 10172
    header = block(Nats_Counter_Sources="[]")
    house.home.streams["S"].store.append([(b"s.b", None, header, b'{"val":"1"}')], 1)
    assert error_of(incr(house, "s.b", 1))[0] == 10172
    house.home.streams["S"].store.append([(b"s.c", None, None, b'{"val":"one"}')], 1)
    assert error_of(incr(house, "s.c", 1))[0] == 10172
    house.home.streams["S"].store.append([(b"s.d", None, None, b"{}")], 1)
    assert incr(house, "s.d", 3)["val"] == "3"


def test_the_sum_is_that_of_the_subject_after_the_streams_transform(house: House) -> None:
    house.stream("T", allow_msg_counter=True, subject_transform={"src": "t.*.*", "dest": "t.$1"})
    assert [incr(house, f"t.a.{word}", 1)["val"] for word in "xyz"] == ["1", "2", "3"]


def test_a_server_counts_on_after_a_restart(house: House) -> None:
    incr(house, "s.a", 5)
    house.reopen()
    assert incr(house, "s.a", 5)["val"] == "10"


def sources_of(house: House, seq: int) -> Any:
    header, _ = stored(house, "ALL", seq)
    assert header is not None
    return json.loads(headers.value_of(header, headers.COUNTER_SOURCES) or b"{}")


def test_a_stream_of_sources_adds_what_is_new_of_each(house: House) -> None:
    house.stream("T", allow_msg_counter=True)
    changes = [[{"src": f"{name}.>", "dest": "all.>"}] for name in "st"]
    sources = [{"name": name, "subject_transforms": change} for name, change in zip("ST", changes, strict=True)]
    house.stream("ALL", subjects=["all.>"], allow_msg_counter=True, sources=sources)
    incr(house, "s.a", 5)
    incr(house, "t.a", 10)
    incr(house, "s.a", 2)
    assert incr(house, "all.a", 100)["val"] == "117"
    assert [stored(house, "ALL", seq)[1] for seq in (1, 2, 3)] == [b'{"val":"%d"}' % sum for sum in (5, 15, 17)]
    assert sources_of(house, 3) == {"S": {"s.a": "7"}, "T": {"t.a": "10"}}
    header = stored(house, "ALL", 3)[0]
    assert header is not None and headers.value_of(header, headers.INCR) == b"2"


def test_a_source_that_lost_messages_still_gives_its_whole_sum(house: House) -> None:
    incr(house, "s.a", 5)
    incr(house, "s.a", 6)
    house.ask("STREAM.PURGE.S", {"keep": 1})
    house.stream("ALL", subjects=["all"], allow_msg_counter=True, sources=[{"name": "S"}])
    house.settle()
    assert stored(house, "ALL", 1)[1] == b'{"val":"11"}'
    assert headers.value_of(stored(house, "ALL", 1)[0] or b"", headers.INCR) == b"11"


def test_a_plain_stream_keeps_increments_of_its_source_as_they_are(house: House) -> None:
    house.stream("ALL", subjects=["all"], sources=[{"name": "S"}])
    house.stream("M", subjects=[], mirror={"name": "S"})
    incr(house, "s.a", 5)
    incr(house, "s.a", 6)
    assert stored(house, "ALL", 2)[1] == stored(house, "M", 2)[1] == b'{"val":"11"}'


def test_a_source_without_counters_waits_and_says_why(house: House) -> None:
    house.stream("T")
    house.stream("ALL", subjects=["all"], allow_msg_counter=True, sources=[{"name": "T"}])
    put(house, "t.a")
    (source,) = house.ask("STREAM.INFO.ALL")["sources"]
    assert source["error"]["err_code"] == 10169
    assert house.home.streams["ALL"].store.last_seq == 0


def test_the_mark_of_an_older_server_names_no_subject() -> None:
    header = block(Nats_Incr="1", Nats_Stream_Source="T 1 > >")
    header, payload = counters.add(None, b"t.a", header, b'{"val":"4"}', 1)
    assert (headers.value_of(header, headers.COUNTER_SOURCES), payload) == (b'{"T":{"t.a":"4"}}', b'{"val":"4"}')
    with pytest.raises(ApiError):
        counters.add(None, b"t.a", header, b"", 1)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"discard": "new"}, "counter stream cannot use discard new"),
        ({"allow_msg_ttl": True}, "counter stream cannot use message TTLs"),
        ({"retention": "interest"}, "counter stream can only use limits retention"),
    ],
)
def test_what_goes_with_no_counter(house: House, config: dict[str, object], text: str) -> None:
    answer = house.ask("STREAM.CREATE.X", {"name": "X", "allow_msg_counter": True, **config})
    assert answer["error"]["description"].endswith(text)


def test_a_stream_counts_from_its_creation_or_never(house: House) -> None:
    for name, counts in (("S", True), ("T", False)):
        if name == "T":
            house.stream("T")
        answer = house.ask(f"STREAM.UPDATE.{name}", {"name": name, "allow_msg_counter": not counts})
        assert answer["error"]["description"].endswith("can not change message counter setting")
    answer = house.ask("STREAM.CREATE.M", {"name": "M", "mirror": {"name": "S"}, "allow_msg_counter": True})
    assert answer["error"]["err_code"] == 10173
    assert house.ask("STREAM.INFO.S")["config"]["metadata"]["_nats.req.level"] == "2"
