"""Single messages: got, deleted, purged; and gotten directly."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import Any

import pytest

from tests.jetstream.house import House
from tests.jetstream.test_publishing import block, put


@pytest.fixture
def house() -> House:
    house = House()
    house.stream(allow_direct=True)
    put(house, "s.a", b"one")
    put(house, "s.b", b"two", X="y")
    put(house, "s.a", b"three")
    return house


def code(answer: dict[str, Any]) -> int:
    found: int = answer["error"]["err_code"]
    return found


@pytest.mark.parametrize(
    ("body", "seq"),
    [
        ({"seq": 2}, 2),
        ({"last_by_subj": "s.a"}, 3),
        ({"last_by_subj": "s.*"}, 3),
        ({"next_by_subj": "s.a"}, 1),
        ({"seq": 2, "next_by_subj": "s.a"}, 3),
        ({"start_time": "2020-01-01T00:00:00Z"}, 1),
    ],
)
def test_a_message_is_found(house: House, body: dict[str, object], seq: int) -> None:
    assert house.ask("STREAM.MSG.GET.S", body)["message"]["seq"] == seq


def test_a_message_comes_with_all_it_has(house: House) -> None:
    message = house.ask("STREAM.MSG.GET.S", {"seq": 2})["message"]
    assert b64decode(message["data"]) == b"two"
    assert b64decode(message["hdrs"]) == block(X="y")
    assert message["subject"] == "s.b"
    assert re.fullmatch(r"2023-\d\d-\d\dT.*Z", message["time"])
    assert "hdrs" not in house.ask("STREAM.MSG.GET.S", {"seq": 2, "no_hdr": True})["message"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, 10003),
        ({"seq": 1, "last_by_subj": "x"}, 10003),
        ({"batch": 1}, 10003),
        ({"last_by_subj": "x", "next_by_subj": "y"}, 10003),
        ({"seq": 1, "start_time": "2020-01-01T00:00:00Z"}, 10003),
        ({"start_time": "yesterday"}, 10025),
        ({"seq": 99}, 10037),
        ({"last_by_subj": "zz"}, 10037),
        ({"seq": -1}, 10025),
    ],
)
def test_a_question_that_has_no_answer(house: House, body: dict[str, object], found: int) -> None:
    assert code(house.ask("STREAM.MSG.GET.S", body)) == found


def test_a_message_is_deleted_once(house: House) -> None:
    assert house.ask("STREAM.MSG.DELETE.S", {"seq": 2})["success"] is True
    assert code(house.ask("STREAM.MSG.DELETE.S", {"seq": 2})) == 10043
    assert code(house.ask("STREAM.MSG.DELETE.S", {"seq": 99})) == 10057
    assert code(house.ask("STREAM.MSG.DELETE.S", {"seq": 0})) == 10057
    page = house.ask("STREAM.INFO.S", {"deleted_details": True})["state"]
    assert (page["num_deleted"], page["deleted"]) == (1, [2])


def test_what_is_denied_is_not_done(house: House) -> None:
    house.stream("D", deny_delete=True, deny_purge=True)
    put(house, "d.a")
    assert house.ask("STREAM.MSG.DELETE.D", {"seq": 1})["error"]["description"] == "message delete not permitted"
    assert house.ask("STREAM.PURGE.D")["error"]["description"] == "stream purge not permitted"
    house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "sealed": True})
    assert code(house.ask("STREAM.MSG.DELETE.S", {"seq": 1})) == 10109
    assert code(house.ask("STREAM.PURGE.S")) == 10109


@pytest.mark.parametrize(
    ("body", "purged", "first", "messages"),
    [
        (None, 3, 4, 0),
        ({}, 3, 4, 0),
        ({"filter": "s.a"}, 2, 2, 1),
        ({"keep": 1}, 2, 3, 1),
        ({"seq": 2}, 1, 2, 2),
        ({"seq": 100}, 3, 100, 0),
        ({"filter": "s.a", "keep": 1}, 1, 2, 2),
        ({"filter": "not valid"}, 0, 1, 3),
    ],
)
def test_a_purge_takes_what_it_says(
    house: House, body: dict[str, object] | None, purged: int, first: int, messages: int
) -> None:
    answer = house.ask("STREAM.PURGE.S", body)
    assert (answer["success"], answer["purged"]) == (True, purged)
    state = house.ask("STREAM.INFO.S")["state"]
    assert (state["first_seq"], state["messages"]) == (first, messages)


def test_a_purge_cannot_keep_some_and_end_somewhere(house: House) -> None:
    assert code(house.ask("STREAM.PURGE.S", {"seq": 1, "keep": 1})) == 10003


# Direct.


def direct(house: House, subject: str, body: bytes = b"") -> list[tuple[bytes, bytes]]:
    """First line and sequence of each answer, and the payload."""
    inbox = house.inbox()
    house.publish(f"$JS.API.DIRECT.GET.{subject}", body, inbox.name)
    answers = []
    for _, _, header, payload in inbox.take():
        found = re.search(rb"Nats-Sequence: (\d+)", header or b"")
        first = (header or b"").split(b"\r\n")[0].removeprefix(b"NATS/1.0").strip()
        answers.append((first or (found[1] if found else b""), payload))
    inbox.close()
    return answers


@pytest.mark.parametrize(
    ("subject", "body", "answers"),
    [
        ("S", b'{"seq":2}', [(b"2", b"two")]),
        ("S.s.a", b"", [(b"3", b"three")]),
        ("S.s.a", b'{"no_hdr":true}', [(b"", b"three")]),
        ("S.s.x", b"", [(b"404 Message Not Found", b"")]),
        ("S.s.a", b'{"seq":1}', [(b"408 Bad Request", b"")]),
        ("S.s.a", b"x", [(b"408 Malformed Request", b"")]),
        ("S", b"", [(b"408 Empty Request", b"")]),
        ("S", b"{}", [(b"408 Empty Request", b"")]),
        ("S", b"x", [(b"408 Malformed Request", b"")]),
        ("S", b'{"seq":1,"last_by_subj":"a"}', [(b"408 Bad Request", b"")]),
        ("S", b'{"last_by_subj":"s.b"}', [(b"2", b"two")]),
        ("S", b'{"next_by_subj":"s.a","seq":2}', [(b"3", b"three")]),
        ("S", b'{"start_time":"2020-01-01T00:00:00Z"}', [(b"1", b"one")]),
        ("S", b'{"seq":1,"batch":2}', [(b"1", b"one"), (b"2", b"two"), (b"204 EOB", b"")]),
        ("S", b'{"seq":1,"batch":9,"next_by_subj":"s.a"}', [(b"1", b"one"), (b"3", b"three"), (b"204 EOB", b"")]),
        ("S", b'{"seq":1,"batch":9,"max_bytes":1}', [(b"1", b"one"), (b"204 EOB", b"")]),
        ("S", b'{"seq":9,"batch":9}', [(b"404 Message Not Found", b"")]),
        ("S", b'{"multi_last":["s.*"]}', [(b"2", b"two"), (b"3", b"three"), (b"204 EOB", b"")]),
        ("S", b'{"multi_last":["s.*"],"batch":1}', [(b"2", b"two"), (b"204 EOB", b"")]),
        ("S", b'{"multi_last":["s.*"],"up_to_seq":2}', [(b"1", b"one"), (b"2", b"two"), (b"204 EOB", b"")]),
        ("S", b'{"multi_last":["x"]}', [(b"404 No Results", b"")]),
        ("S", b'{"multi_last":["s.*"],"up_to_time":"2020-01-01T00:00:00Z"}', [(b"404 No Results", b"")]),
        ("NONE", b'{"seq":1}', []),
    ],
)
def test_messages_are_got_directly(house: House, subject: str, body: bytes, answers: list[tuple[bytes, bytes]]) -> None:
    assert direct(house, subject, body) == answers


def test_too_many_subjects_are_refused(house: House) -> None:
    for number in range(1100):
        house.account.sublist.publish(b"s.%d" % number, None, None, b"")
    assert direct(house, "S", b'{"multi_last":["s.>"]}') == [(b"413 Too Many Results", b"")]


def test_a_mirror_answers_in_the_place_of_its_origin(house: House) -> None:
    house.stream("M", subjects=[], mirror={"name": "S"}, mirror_direct=True)
    house.settle()
    house.ask("STREAM.DELETE.S")
    assert direct(house, "S", b'{"seq":2}') == [(b"2", b"two")]


def test_only_streams_that_allow_it_answer_directly(house: House) -> None:
    house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "allow_direct": False})
    assert direct(house, "S", b'{"seq":2}') == []


@pytest.mark.parametrize(
    ("when", "seq"), [("0001-01-01T00:00:00Z", 1), ("1600-01-01T00:00:00Z", 1), ("2999-01-01T00:00:00Z", 0)]
)
def test_times_beyond_those_of_messages(house: House, when: str, seq: int) -> None:
    answer = house.ask("STREAM.MSG.GET.S", {"start_time": when})
    assert answer["message"]["seq"] == seq if seq else answer["error"]["err_code"] == 10037
    inbox = house.inbox()
    house.publish("$JS.API.DIRECT.GET.S", json.dumps({"start_time": when, "batch": 1}).encode(), inbox.name)
    assert len(inbox.take()) == (2 if seq else 1)
    created = house.consumer(deliver_policy="by_start_time", opt_start_time=when)
    assert created["num_pending"] == (house.home.streams["S"].store.state.msgs if seq else 0)


def test_a_batch_that_begins_behind_all_of_them_ends_at_once(house: House) -> None:
    inbox = house.inbox()
    for body in ({"multi_last": [">"], "seq": 1000}, {"seq": 1, "batch": -1}):
        house.publish("$JS.API.DIRECT.GET.S", json.dumps(body).encode(), inbox.name)
        assert inbox.payloads() == [b"NATS/1.0 204 EOB"]
