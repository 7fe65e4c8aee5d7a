"""Messages that come to a stream: what is stored, what is refused, and what the publisher hears."""

from __future__ import annotations

import json
from typing import Any

import pytest

from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.ttl import NEVER, parse_ttl
from tests.jetstream.house import House


def block(**headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"NATS/1.0\r\n{lines}\r\n".encode()


@pytest.fixture
def house() -> House:
    return House()


def put(house: House, subject: str, payload: bytes = b"x", **headers: str) -> dict[str, Any]:
    """Publish, and give the acknowledgement; an empty one where there was none."""
    inbox = house.inbox()
    house.publish(subject, payload, inbox.name, block(**headers) if headers else None)
    got = inbox.take()
    inbox.close()
    found: dict[str, Any] = json.loads(got[0][3]) if got else {}
    return found


def error_of(answer: dict[str, Any]) -> tuple[int, str]:
    assert answer["seq"] == 0
    return answer["error"]["err_code"], answer["error"]["description"]


def test_each_message_is_acknowledged_with_its_sequence(house: House) -> None:
    house.stream()
    assert [put(house, "s.a"), put(house, "s.b")] == [{"stream": "S", "seq": 1}, {"stream": "S", "seq": 2}]


def test_the_domain_stands_in_acknowledgements_and_in_the_api(house: House) -> None:
    house.jetstream.domain = "hub"
    house.reopen()
    house.home.close()
    house.jetstream.domain = "hub"
    house.home = house.jetstream.enable(house.account)
    house.stream()
    assert put(house, "s.a") == {"stream": "S", "domain": "hub", "seq": 1}
    inbox = house.inbox()
    house.publish("$JS.hub.API.STREAM.NAMES", b"", inbox.name)
    assert json.loads(inbox.take()[0][3])["streams"] == ["S"]


def test_one_read_with_plain_and_headed_messages_keeps_its_order(house: House) -> None:
    house.stream(subjects=["s.>", "t"])
    inbox = house.inbox()
    sublist = house.account.sublist
    for at, header in enumerate([None, block(Nats_Msg_Id="a"), None, block(Nats_Msg_Id="a"), block(X="y"), None]):
        sublist.publish(b"t" if at % 2 else b"s.a", inbox.name.encode(), header, b"%d" % at)
    answers = [json.loads(payload) for payload in inbox.payloads()]
    assert [answer["seq"] for answer in answers] == [1, 2, 3, 2, 4, 5]
    assert [answer.get("duplicate", False) for answer in answers] == [False, False, False, True, False, False]
    stored = [house.home.streams["S"].store.load(seq) for seq in range(1, 6)]
    assert [message[3] for message in stored if message] == [b"0", b"1", b"2", b"4", b"5"]


def test_a_message_that_comes_alone_may_go_to_the_disk_at_once(house: House) -> None:
    house.stream()
    store: Any = house.home.streams["S"].store
    alone: list[bool] = []
    append = store.append

    def note(batch: list[Any], time_ns: int, start: int = 0, **rest: bool) -> int:
        alone.append(rest.get("alone", False))
        taken: int = append(batch, time_ns, start)
        return taken

    store.append = note
    sublist = house.account.sublist
    put(house, "s.a")
    put(house, "s.a", Nats_Msg_Id="1")
    assert alone == [True, True]
    sublist.publish(b"s.a", None, None, b"1")
    sublist.publish(b"s.a", None, None, b"2")
    house.settle()
    put(house, "s.a", Nats_Rollup="sub")  # is refused
    assert alone == [True, True, False]
    house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "allow_rollup_hdrs": True})
    put(house, "s.a", Nats_Rollup="sub")
    assert alone == [True, True, False, False], "what it rolls up goes with it"


def test_a_message_id_counts_within_its_window(house: House) -> None:
    house.stream(duplicate_window=10**9)
    assert put(house, "s.a", Nats_Msg_Id="1")["seq"] == 1
    assert put(house, "s.a", Nats_Msg_Id="1") == {"stream": "S", "seq": 1, "duplicate": True}
    house.move(1.5)
    assert put(house, "s.a", Nats_Msg_Id="1") == {"stream": "S", "seq": 2}


def test_message_ids_are_known_again_after_a_restart(house: House) -> None:
    house.stream()
    put(house, "s.a", Nats_Msg_Id="one")
    house.reopen()
    assert put(house, "s.a", Nats_Msg_Id="one") == {"stream": "S", "seq": 1, "duplicate": True}
    assert error_of(put(house, "s.a", Nats_Expected_Last_Msg_Id="two")) == (10070, "wrong last msg ID: one")
    assert put(house, "s.a", Nats_Expected_Last_Msg_Id="one")["seq"] == 2


@pytest.mark.parametrize(
    ("headers", "code", "text"),
    [
        ({"Nats_Expected_Stream": "T"}, 10060, "expected stream does not match"),
        ({"Nats_Expected_Last_Sequence": "5"}, 10071, "wrong last sequence: 2"),
        ({"Nats_Expected_Last_Subject_Sequence": "2"}, 10071, "wrong last sequence: 1"),
        ({"Nats_Expected_Last_Subject_Sequence": "0"}, 10071, "wrong last sequence: 1"),
        (
            {"Nats_Expected_Last_Subject_Sequence": "1", "Nats_Expected_Last_Subject_Sequence_Subject": "s.b"},
            10071,
            "wrong last sequence: 2",
        ),
        (
            {"Nats_Expected_Last_Subject_Sequence_Subject": "s.b"},
            10193,
            "missing sequence for expected last sequence per subject",
        ),
        ({"Nats_Expected_Last_Msg_Id": "x"}, 10070, "wrong last msg ID: "),
        ({"Nats_Rollup": "sub"}, 10111, "rollup not permitted"),
        ({"Nats_TTL": "1s"}, 10166, "per-message TTL is disabled"),
        ({"Nats_Stream_Source": "A 1 > >"}, 10227, "message stream source header is not allowed"),
    ],
)
def test_what_is_not_as_expected_is_refused(house: House, headers: dict[str, str], code: int, text: str) -> None:
    house.stream()
    put(house, "s.a")
    put(house, "s.b")
    found, description = error_of(put(house, "s.a", **headers))
    assert (found, description) == (code, text)
    assert house.home.streams["S"].store.last_seq == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"Nats_Expected_Stream": "S"},
        {"Nats_Expected_Last_Sequence": "2"},
        {"Nats_Expected_Last_Subject_Sequence": "1"},
        {"Nats_Expected_Last_Subject_Sequence": "2", "Nats_Expected_Last_Subject_Sequence_Subject": "s.*"},
    ],
)
def test_what_is_as_expected_is_stored(house: House, headers: dict[str, str]) -> None:
    house.stream()
    put(house, "s.a")
    put(house, "s.b")
    assert put(house, "s.a", **headers) == {"stream": "S", "seq": 3}


def test_a_subject_that_shall_be_new_may_be_created_once(house: House) -> None:
    house.stream()
    assert put(house, "s.new", Nats_Expected_Last_Subject_Sequence="0")["seq"] == 1
    assert error_of(put(house, "s.new", Nats_Expected_Last_Subject_Sequence="0"))[0] == 10071


def test_a_roll_up_takes_the_place_of_what_was_before(house: House) -> None:
    house.stream(allow_rollup_hdrs=True)
    for subject in ("s.a", "s.b", "s.a"):
        put(house, subject)
    put(house, "s.a", b"sum", Nats_Rollup="sub")
    assert house.ask("STREAM.INFO.S", {"subjects_filter": ">"})["state"]["subjects"] == {"s.a": 1, "s.b": 1}
    put(house, "s.c", b"all", Nats_Rollup="all")
    assert house.ask("STREAM.INFO.S", {"subjects_filter": ">"})["state"]["subjects"] == {"s.c": 1}
    assert error_of(put(house, "s.a", Nats_Rollup="x")) == (10111, 'rollup value invalid: "x"')


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"max_msgs": 2}, "maximum messages exceeded"),
        ({"max_bytes": 130}, "maximum bytes exceeded"),
        ({"max_msgs_per_subject": 2, "discard_new_per_subject": True}, "maximum messages per subject exceeded"),
    ],
)
def test_a_full_stream_that_discards_the_new_refuses(house: House, config: dict[str, object], text: str) -> None:
    house.stream(discard="new", **config)
    answers = [put(house, "s.a", b"x" * 30) for _ in range(3)]
    refused = [answer for answer in answers if "error" in answer]
    assert len(refused) == 1
    assert error_of(refused[0]) == (10077, text)


def test_within_one_read_only_what_does_not_fit_is_refused(house: House) -> None:
    house.stream(discard="new", max_msgs_per_subject=1, discard_new_per_subject=True)
    inbox = house.inbox()
    for subject in (b"s.a", b"s.a", b"s.b", b"s.a", b"s.c"):
        house.account.sublist.publish(subject, inbox.name.encode(), None, b"")
    assert [json.loads(payload)["seq"] for payload in inbox.payloads()] == [1, 0, 2, 0, 3]


def test_too_large_messages_are_refused(house: House) -> None:
    house.stream(max_msg_size=10)
    assert put(house, "s.a", b"x" * 10)["seq"] == 1
    assert error_of(put(house, "s.a", b"x" * 11)) == (10054, "message size exceeds maximum allowed")


def test_a_sealed_stream_takes_nothing(house: House) -> None:
    house.stream()
    answer = house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "sealed": True})
    assert (answer["config"]["discard"], answer["config"]["deny_delete"]) == ("new", True)
    assert error_of(put(house, "s.a")) == (10109, "invalid operation on sealed stream")


def test_a_stream_without_acknowledgements_says_nothing(house: House) -> None:
    house.stream(no_ack=True)
    assert put(house, "s.a") == {}
    assert put(house, "s.a", Nats_Expected_Stream="T") == {}
    assert house.ask("STREAM.INFO.S")["state"]["messages"] == 1


def test_nobodys_interest_keeps_nothing(house: House) -> None:
    house.stream(retention="interest")
    assert put(house, "s.a")["seq"] == 1
    house.consumer(filter_subject="s.a")
    assert put(house, "s.b")["seq"] == 2
    assert put(house, "s.a")["seq"] == 3
    state = house.ask("STREAM.INFO.S")["state"]
    assert (state["messages"], state["first_seq"], state["last_seq"]) == (1, 3, 3)


def test_subjects_are_transformed_before_they_are_stored(house: House) -> None:
    house.stream(subject_transform={"src": "s.*", "dest": "stored.$1"})
    put(house, "s.a")
    put(house, "s.a.b")
    messages = [house.ask("STREAM.MSG.GET.S", {"seq": seq})["message"]["subject"] for seq in (1, 2)]
    assert messages == ["stored.a", "s.a.b"]


@pytest.mark.parametrize("headers_only", [False, True])
def test_stored_messages_are_published_again(house: House, headers_only: bool) -> None:
    house.stream(republish={"src": "s.*", "dest": "again.$1", "headers_only": headers_only})
    put(house, "s.a", b"one")
    listener = house.inbox("again.>")
    put(house, "s.a", b"three", A="b")
    ((subject, _, header, payload),) = listener.take()
    assert subject == b"again.a"
    assert payload == (b"" if headers_only else b"three")
    assert header is not None
    assert header.startswith(b"NATS/1.0\r\nA: b\r\nNats-Stream: S\r\nNats-Subject: s.a\r\nNats-Sequence: 2\r\n")
    end = b"Nats-Last-Sequence: 1\r\n" + (b"Nats-Msg-Size: 5\r\n" if headers_only else b"") + b"\r\n"
    assert header.endswith(end)


def test_what_the_account_may_hold_bounds_what_is_stored(house: House) -> None:
    house.home.limits.max_storage = 500
    house.stream()
    answers = [put(house, "s.a", b"x" * 100) for _ in range(6)]
    refused = [answer for answer in answers if "error" in answer]
    assert 1 <= len(refused) <= 3
    assert error_of(refused[0]) == (10002, "resource limits exceeded for account")
    assert house.home.used["file"] <= 500


def test_a_disk_that_failed_acknowledges_nothing_more(house: House) -> None:
    house.stream()
    put(house, "s.a")
    on_failed = house.file.on_failed
    assert on_failed is not None
    on_failed("no space left on device")
    assert error_of(put(house, "s.a")) == (10077, "no space left on device")
    assert any("stores nothing any more" in line for line in house.log.lines)


@pytest.mark.parametrize(("text", "seconds"), [(b"5", 5), (b"2m", 120), (b"1h1s", 3601), (b"NEVER", NEVER)])
def test_times_to_live_are_seconds_or_durations(text: bytes, seconds: int) -> None:
    assert parse_ttl(text) == seconds


@pytest.mark.parametrize("text", [b"0", b"-1", b"10ms", b"x", b"1.5", b"", b"\xff"])
def test_other_times_to_live_are_refused(text: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        parse_ttl(text)
    assert refused.value.err_code == 10165


@pytest.mark.parametrize("value", ["x", "-1", "+1", "1.0", "99999999999999999999"])
@pytest.mark.parametrize("name", ["Nats_Expected_Last_Sequence", "Nats_Expected_Last_Subject_Sequence"])
def test_an_expectation_that_is_no_number_is_not_met(house: House, name: str, value: str) -> None:
    house.stream()
    put(house, "s.a")
    assert error_of(put(house, "s.a", **{name: value})) == (10071, "wrong last sequence: 1")


def test_a_wrong_time_to_live_is_wrong_where_there_is_none_too(house: House) -> None:
    house.stream()
    assert error_of(put(house, "s.a", Nats_TTL="soon"))[0] == 10165
    assert error_of(put(house, "s.a", Nats_TTL="5"))[0] == 10166


def test_roll_ups_are_told_in_any_case(house: House) -> None:
    house.stream(allow_rollup_hdrs=True)
    put(house, "s.a")
    assert put(house, "s.a", Nats_Rollup="SUB")["seq"] == 2
    assert house.ask("STREAM.INFO.S")["state"]["messages"] == 1


def test_a_stream_that_turns_to_interest_keeps_what_somebody_needs(house: House) -> None:
    house.stream()
    for subject in ("s.a", "s.b", "s.b"):
        put(house, subject)
    house.consumer(filter_subject="s.b")
    house.ack(house.fetch(1)[0])
    house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "retention": "interest"})
    assert house.ask("STREAM.INFO.S")["state"]["messages"] == 1
    house.consumer(filter_subject="s.a")
    assert house.ask("STREAM.INFO.S")["state"]["messages"] == 0
