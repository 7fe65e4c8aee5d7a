"""Requests with very many subjects: what they come to, in turns, whatever others ask for meanwhile."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from natsd.jetstream import turns as module
from natsd.jetstream.api import stream_api
from natsd.jetstream.consumers import consumer_start
from natsd.jetstream.streams import direct
from natsd.jetstream.streams.stream_config import StreamConfig
from tests.jetstream.house import House

MANY = 2000


class Asked:
    """A request of some connection, of which only the first turn has run."""

    def __init__(self, house: House, subject: str, body: object) -> None:
        self.house = house
        self.inbox = house.inbox()
        house.road.speaker = self
        payload = b"" if body is None else json.dumps(body).encode()
        house.account.sublist.publish(f"$JS.API.{subject}".encode(), self.inbox.name.encode(), None, payload)
        house.road.settle()
        house.road.speaker = None
        assert self.inbox.got == []

    def payloads(self) -> list[bytes]:
        self.house.settle()
        return self.inbox.payloads()

    def answer(self) -> dict[str, Any]:
        (payload,) = self.payloads()
        found: dict[str, Any] = json.loads(payload)
        return found

    def code(self) -> int:
        code: int = self.answer()["error"]["err_code"]
        return code


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(module, "MOST", 8)
    for room in (consumer_start, direct, stream_api):
        monkeypatch.setattr(room, "SUBJECTS", 16)
    house = House()
    house.stream()
    return house


def names(pattern: str, count: int = MANY) -> list[str]:
    return [pattern.replace("#", str(number)) for number in range(count)]


def begin_stream(house: House, name: str = "M", how: str = "CREATE", **config: object) -> Asked:
    return Asked(house, f"STREAM.{how}.{name}", {"name": name, "subjects": names("m.#.*")} | config)


def begin_consumer(house: House, name: str = "C", stream: str = "S", **config: object) -> Asked:
    given = {"durable_name": name, "ack_policy": "explicit", "filter_subjects": names(f"{stream.lower()}.#.*")} | config
    return Asked(house, f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": given})


# Streams.


def test_a_stream_of_very_many_subjects(house: House) -> None:
    asked = begin_stream(house)
    assert set(house.home.streams) == {"S"}
    assert asked.answer()["config"]["subjects"] == names("m.#.*")
    assert begin_stream(house).answer()["did_create"] is True
    assert begin_stream(house, how="UPDATE", subjects=names("m.#.x")).answer()["config"]["subjects"][7] == "m.7.x"
    house.publish("m.1999.x")
    assert house.ask("STREAM.INFO.M")["state"]["messages"] == 1


@pytest.mark.parametrize(
    ("subjects", "text"),
    [
        ([*names("m.#.*"), "m.3.x", "m.2.y"], 'subject "m.2.*" overlaps with "m.2.y"'),
        ([*names("m.#.*"), "m.>"], 'subject "m.0.*" overlaps with "m.>"'),
        ([*names("m.#.*"), "m.3.*", "a b"], 'subject "m.3.*" overlaps with "m.3.*"'),
        ([*names("m.#.*"), "a b", "m.2000.x", "m.2000.x"], "invalid subject"),
        ([*names("m.#.*"), "$JS.API.x"], "subjects that overlap with jetstream api require no-ack to be true"),
        ([*names("m.#.*"), "*.API.*.x"], "subjects that overlap with jetstream api require no-ack to be true"),
        ([*names("m.#.*"), "$SYS.x"], "subjects that overlap with system api require no-ack to be true"),
    ],
)
def test_a_stream_of_very_many_subjects_of_which_one_cannot_be(house: House, subjects: list[str], text: str) -> None:
    assert begin_stream(house, subjects=subjects).answer()["error"]["description"] == text
    assert set(house.home.streams) == {"S"}


def test_a_stream_whose_subject_another_took_meanwhile(house: House) -> None:
    asked = begin_stream(house)
    for number in range(3):
        asked.house.timers.run()
        other = Asked.__new__(Asked)
        other.house, other.inbox = house, house.inbox()
        body = json.dumps({"name": f"O{number}", "subjects": [f"m.{number}.x"]}).encode()
        house.account.sublist.publish(b"$JS.API.STREAM.CREATE.O%d" % number, other.inbox.name.encode(), None, body)
        house.road.settle()
    assert asked.code() == 10065
    assert set(house.home.streams) == {"S", "O0", "O1", "O2"}


def test_two_streams_of_the_same_very_many_subjects(house: House) -> None:
    one, two = begin_stream(house, "M"), begin_stream(house, "N")
    assert one.answer()["config"]["name"] == "M"
    assert two.code() == 10065


def test_a_stream_that_goes_while_it_is_updated(house: House) -> None:
    begin_stream(house).answer()
    asked = begin_stream(house, how="UPDATE")
    house.home.streams["M"].delete()
    assert asked.code() == 10059


def test_the_same_connection_waits_and_others_do_not(house: House) -> None:
    asked = begin_stream(house)
    inbox = house.inbox()
    for speaker, what in ((asked, b"INFO.M"), (None, b"INFO.S")):
        house.road.speaker = speaker
        house.account.sublist.publish(b"$JS.API.STREAM." + what, inbox.name.encode(), None, b"")
        house.road.settle()
    house.road.speaker = None
    assert [json.loads(payload)["config"]["name"] for payload in inbox.payloads()] == ["S", "M"]


def test_an_account_that_lost_jetstream_amid_a_request(house: House) -> None:
    asked = begin_stream(house)
    house.jetstream.disable(house.account)
    assert asked.payloads() == []
    assert len(house.jetstream.turns) == 0


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"sources": [{"name": "X", "subject_transforms": [{"src": s} for s in names("m.#.*")]}]}, 0),
        ({"sources": [{"name": "X", "subject_transforms": [{"src": s} for s in [*names("m.#.*"), "m.7.x"]]}]}, 10147),
        ({"sources": [{"name": "X", "subject_transforms": [{"src": s} for s in [*names("m.#.*"), "m.7.*"]]}]}, 10147),
        ({"sources": [{"name": "X", "subject_transforms": [{"src": s} for s in [*names("m.#.*"), "m.*.x"]]}]}, 0),
        ({"mirror": {"name": "X", "subject_transforms": [{"src": s} for s in [*names("m.#.*"), "m.*.x"]]}}, 10152),
        ({"mirror": {"name": "X", "subject_transforms": [{"src": s} for s in names("m.#.*")]}}, 0),
        ({"sources": [{"name": s} for s in names("X#")]}, 0),
        ({"sources": [{"name": s} for s in [*names("X#"), "X7"]]}, 10140),
    ],
)
def test_a_stream_of_very_many_sources_or_transforms(house: House, config: dict[str, Any], code: int) -> None:
    answer = begin_stream(house, subjects=[], **config).answer()
    assert answer.get("error", {}).get("err_code", 0) == code


def sourced(count: int) -> dict[str, Any]:
    return {"sources": [{"name": "S", "filter_subject": f"s.{number}"} for number in range(count)]}


def test_very_many_sources_begin_a_few_at_once(house: House) -> None:
    for number in range(100):
        house.publish(f"s.{number}")
    asked = Asked.__new__(Asked)
    asked.house, asked.inbox = house, house.inbox()
    house.account.sublist.publish(
        b"$JS.API.STREAM.CREATE.M", asked.inbox.name.encode(), None, json.dumps({"name": "M"} | sourced(90)).encode()
    )
    while "M" not in house.home.streams:
        house.road.settle()
        house.timers.run()
    begun = [inflow for inflow in house.home.streams["M"].inflows if inflow.origin is not None]
    assert 0 < len(begun) < 90
    assert len(asked.answer()["sources"]) == 90
    assert house.home.streams["M"].store.state.msgs == 90
    assert house.ask("STREAM.UPDATE.M", {"name": "M"} | sourced(100))["config"]["name"] == "M"
    house.settle()
    assert house.home.streams["M"].store.state.msgs == 100


@pytest.mark.parametrize("end", ["DELETE", "UPDATE"])
def test_sources_that_are_taken_away_before_they_begin(house: House, end: str) -> None:
    house.stream("M", subjects=[], **sourced(3))
    stream = house.home.streams["M"]
    stream.update(msgspec.convert({"name": "M"} | sourced(90), StreamConfig), lambda: None)
    held = len(stream.inflows)
    if end == "DELETE":
        stream.delete()
    else:
        stream.update(msgspec.convert({"name": "M"} | sourced(1), StreamConfig), lambda: None)
    house.settle()
    assert (held, len(house.home.streams["S"].inflow_readers)) == (90, 0 if end == "DELETE" else 1)
    assert len(house.home.inflows["S"]) == len(house.home.streams["S"].inflow_readers)


def test_streams_that_reach_each_other_by_very_many_paths(house: House) -> None:
    def sources(origin: str) -> list[dict[str, str]]:
        return [{"name": origin, "filter_subject": f"s.{number}"} for number in range(60)]

    for name, origin in (("A", "S"), ("B", "A"), ("C", "B"), ("D", "C")):
        given = [{"name": "S"}] if name == "A" else sources(origin)
        answer = house.ask(f"STREAM.CREATE.{name}", {"name": name, "sources": given})
        assert "error" not in answer
    assert house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "sources": sources("D")})["error"] == {
        "code": 500,
        "err_code": 10052,
        "description": "detected cycle",
    }


def test_the_very_many_subjects_that_a_stream_has(house: House) -> None:
    for subject in reversed(names("s.#")):
        house.account.sublist.publish(subject.encode(), None, None, b"")
    house.settle()
    found = Asked(house, "STREAM.INFO.S", {"subjects_filter": "s.*"}).answer()
    assert found["state"]["subjects"] == dict.fromkeys(names("s.#"), 1)
    assert list(found["state"]["subjects"]) == sorted(names("s.#"))
    assert (found["total"], found["offset"], found["limit"]) == (MANY, 0, 100_000)
    found = Asked(house, "STREAM.INFO.S", {"subjects_filter": "s.>", "offset": MANY - 2}).answer()
    assert list(found["state"]["subjects"]) == ["s.998", "s.999"]
    asked = Asked(house, "STREAM.INFO.S", {"subjects_filter": ">"})
    house.home.streams["S"].delete()
    assert asked.code() == 10059


# Consumers.


def fill(house: House, subjects: list[str]) -> None:
    store(house, subjects)
    house.settle()


def store(house: House, subjects: list[str]) -> None:
    """Messages come while others wait for their turn."""
    for subject in subjects:
        house.account.sublist.publish(subject.encode(), None, None, b"")
    house.road.settle()


def test_a_consumer_of_very_many_filters(house: House) -> None:
    fill(house, names("s.#.x"))
    asked = begin_consumer(house)
    store(house, ["s.1.y", "other", "s.2000.x"])
    house.home.streams["S"].remove([2, 4])
    assert asked.answer()["num_pending"] == MANY + 1 - 2
    assert begin_consumer(house, filter_subjects=names("s.#.y")).answer()["num_pending"] == 1
    assert [one[0] for one in house.fetch(3)] == [b"s.1.y"]
    assert begin_consumer(house, "D", filter_subjects=[*names("s.#.*"), "s.9.x"]).code() == 10138
    assert begin_consumer(house, "D", filter_subjects=[*names("s.#.*"), "s..x"]).code() == 10052


def test_a_consumer_whose_stream_goes_meanwhile(house: House) -> None:
    asked = begin_consumer(house)
    house.home.streams["S"].delete()
    assert asked.code() == 10059


def test_two_requests_for_one_consumer(house: House) -> None:
    one, two = begin_consumer(house), begin_consumer(house, filter_subjects=names("s.#.x"))
    assert one.answer()["created"] == two.answer()["created"]
    assert house.info()["config"]["filter_subjects"] == names("s.#.*")


def test_consumers_of_a_work_queue_with_very_many_filters(house: House) -> None:
    house.stream("Q", retention="workqueue")
    asked = begin_consumer(house, "A", "Q")
    house.settle()
    assert asked.answer()["name"] == "A"
    assert begin_consumer(house, "B", "Q", filter_subjects=names("q.#.*.y")).answer()["name"] == "B"
    assert begin_consumer(house, "C", "Q", filter_subjects=[*names("q.#.*.z"), "q.*.x"]).code() == 10100
    assert begin_consumer(house, "B", "Q", filter_subjects=[*names("q.#.*.z"), "q.7.x"]).code() == 10100
    assert begin_consumer(house, "B", "Q", filter_subjects=names("q.#.*.*")).answer()["name"] == "B"


def test_a_consumer_of_a_work_queue_where_another_comes_meanwhile(house: House) -> None:
    house.stream("Q", retention="workqueue")
    house.consumer("A", "Q", filter_subject="q.x.>")
    asked = begin_consumer(house, "B", "Q", filter_subjects=names("q.#.*"))
    house.timers.run()
    other = begin_consumer(house, "C", "Q", filter_subjects=names("q.#.x"))
    assert other.answer()["name"] == "C"
    assert asked.code() == 10100


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("pattern", ["s.>", "s.*.x"])
def test_a_consumer_that_begins_with_the_last_of_very_many_subjects(house: House, pattern: str, gone: bool) -> None:
    fill(house, names("s.#.x") + names("s.#.x")[::-1])
    asked = begin_consumer(house, deliver_policy="last_per_subject", filter_subjects=[pattern], max_ack_pending=-1)
    store(house, ["s.5.x"])
    if gone:
        house.home.streams["S"].remove([2 * MANY, 2 * MANY - 3])
    page = asked.answer()
    first = 1 if gone else MANY + 1
    count = MANY if gone else MANY + 1  # where messages went it was looked at anew
    assert page["num_pending"] == count
    assert page["delivered"]["stream_seq"] == first - 1
    subjects = [one[0] for one in house.fetch(count)]
    assert len(subjects) == count
    assert set(subjects) == {subject.encode() for subject in names("s.#.x")}
    assert subjects[-1] == b"s.5.x"


# Direct gets.


def test_the_last_message_of_each_of_very_many_subjects(house: House) -> None:
    house.stream("D", allow_direct=True)
    fill(house, names("d.#.x"))
    assert [answer[2] for answer in direct_get(house, ["d.*.x"])] == [b"NATS/1.0 413 Too Many Results\r\n\r\n"]
    answers = direct_get(house, ["d.*.y", "d.99*.x", "d.7.*", "d.1999.*"])
    assert [answer[2].split(b"\r\n")[2] for answer in answers[:-1]] == [
        b"Nats-Subject: d.7.x",
        b"Nats-Subject: d.1999.x",
    ]
    assert answers[-1][2].startswith(b"NATS/1.0 204 EOB")
    assert [answer[2] for answer in direct_get(house, ["e.*"])] == [b"NATS/1.0 404 No Results\r\n\r\n"]


def direct_get(house: House, subjects: list[str]) -> list[Any]:
    asked = Asked(house, "DIRECT.GET.D", {"multi_last": subjects})
    house.settle()
    return list(asked.inbox.take())


def test_a_direct_get_of_a_stream_that_goes_meanwhile(house: House) -> None:
    house.stream("D", allow_direct=True)
    fill(house, names("d.#.x"))
    asked = Asked(house, "DIRECT.GET.D", {"multi_last": ["d.*.y"]})
    house.home.streams["D"].delete()
    assert asked.payloads() == []
    assert len(house.jetstream.turns) == 0
