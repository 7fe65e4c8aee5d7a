"""Mirrors and sources of the same account."""

from __future__ import annotations

import pytest

from tests.jetstream.house import House
from tests.jetstream.test_publishing import put


@pytest.fixture
def house() -> House:
    return House()


def subjects(house: House, name: str) -> dict[str, int]:
    state = house.ask(f"STREAM.INFO.{name}", {"subjects_filter": ">"})["state"]
    found: dict[str, int] = state.get("subjects", {})
    return found


def test_a_mirror_has_the_same_messages_at_the_same_sequences(house: House) -> None:
    house.stream("A")
    for subject in ("a.1", "a.2", "a.3"):
        put(house, subject)
    house.ask("STREAM.MSG.DELETE.A", {"seq": 2})
    house.stream("M", subjects=[], mirror={"name": "A"})
    put(house, "a.4")
    house.settle()
    mirror, origin = house.home.streams["M"].store, house.home.streams["A"].store
    assert [mirror.load(seq) for seq in range(1, 5)] == [origin.load(seq) for seq in range(1, 5)]
    info = house.ask("STREAM.INFO.M")
    assert (info["mirror"]["name"], info["mirror"]["lag"]) == ("A", 0)


def test_a_mirror_waits_for_its_origin(house: House) -> None:
    house.stream("M", subjects=[], mirror={"name": "A"})
    assert house.ask("STREAM.INFO.M")["mirror"]["active"] == -1
    house.stream("A")
    put(house, "a.1")
    house.settle()
    assert subjects(house, "M") == {"a.1": 1}


def test_a_mirror_outlives_its_origin_and_goes_on_with_the_next(house: House) -> None:
    house.stream("A")
    house.stream("M", subjects=[], mirror={"name": "A"})
    put(house, "a.1")
    house.ask("STREAM.DELETE.A")
    assert subjects(house, "M") == {"a.1": 1}
    house.stream("A")
    put(house, "a.2")
    put(house, "a.3")
    house.settle()
    assert subjects(house, "M") == {"a.1": 1, "a.3": 1}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ({"opt_start_seq": 3}, {"a.1": 1, "b.1": 1}),
        ({"filter_subject": "a.*"}, {"a.1": 2}),
        ({"subject_transforms": [{"src": "a.*", "dest": "c.$1"}]}, {"c.1": 2}),
        ({"subject_transforms": [{"src": "a.*", "dest": "c.$1"}, {"src": "b.>", "dest": ""}]}, {"c.1": 2, "b.1": 2}),
        ({"opt_start_time": "2099-01-01T00:00:00Z"}, {}),
    ],
)
@pytest.mark.parametrize("kind", ["mirror", "sources"])
def test_filters_transforms_and_starts(house: House, kind: str, source: dict[str, object], found: object) -> None:
    house.stream("A", subjects=["a.*", "b.*"])
    for subject in ("a.1", "b.1", "a.1", "b.1"):
        put(house, subject)
    whole = {"name": "A", **source}
    house.stream("X", subjects=[], **{kind: whole if kind == "mirror" else [whole]})
    house.settle()
    assert subjects(house, "X") == found


def test_a_source_says_where_its_messages_come_from(house: House) -> None:
    house.stream("A")
    house.stream("B")
    house.stream("X", subjects=["x"], sources=[{"name": "A"}, {"name": "B", "filter_subject": "b.1"}])
    put(house, "a.1", b"from A", Nats_Expected_Stream="A")
    put(house, "b.1", b"from B")
    put(house, "b.2", b"not wanted")
    put(house, "x", b"its own")
    house.settle()
    store = house.home.streams["X"].store
    messages = [store.load(seq) for seq in (1, 2, 3)]
    assert sorted((message[2] or b"", message[3]) for message in messages if message) == [
        (b"", b"its own"),
        (b"NATS/1.0\r\nNats-Stream-Source: A 1 > > a.1\r\n\r\n", b"from A"),
        (b"NATS/1.0\r\nNats-Stream-Source: B 1 b.1 > b.1\r\n\r\n", b"from B"),
    ]


def test_after_a_restart_nothing_is_taken_twice_and_nothing_is_left_out(house: House) -> None:
    house.stream("A")
    house.stream("X", subjects=[], sources=[{"name": "A"}])
    house.stream("M", subjects=[], mirror={"name": "A"})
    for _ in range(3):
        put(house, "a.1")
    house.settle()
    house.reopen()
    put(house, "a.1")
    house.settle()
    assert subjects(house, "X") == {"a.1": 4}
    assert subjects(house, "M") == {"a.1": 4}


def test_what_was_stored_behind_the_note_is_not_taken_twice(house: House) -> None:
    house.stream("A")
    house.stream("X", subjects=[], sources=[{"name": "A"}])
    put(house, "a.1")
    house.settle()
    for name in house.home.streams["X"].store.consumers():
        house.home.streams["X"].store.forget_consumer(name)
    house.reopen()
    put(house, "a.1")
    house.settle()
    assert subjects(house, "X") == {"a.1": 2}


def test_a_full_stream_tries_again_later(house: House) -> None:
    house.stream("A")
    house.stream("X", subjects=[], sources=[{"name": "A"}], discard="new", max_msgs=2)
    for _ in range(4):
        put(house, "a.1")
    house.settle()
    info = house.ask("STREAM.INFO.X")
    assert (info["state"]["messages"], info["sources"][0]["lag"]) == (2, 2)
    house.ask("STREAM.PURGE.X")
    house.move(1.5)
    assert house.ask("STREAM.INFO.X")["state"]["messages"] == 2


def test_a_work_queue_gives_its_messages_away(house: House) -> None:
    house.stream("A", retention="workqueue")
    put(house, "a.1")
    house.stream("X", subjects=[], sources=[{"name": "A"}])
    put(house, "a.2")
    house.settle()
    assert subjects(house, "X") == {"a.1": 1, "a.2": 1}
    assert house.ask("STREAM.INFO.A")["state"]["messages"] == 0


def test_sources_come_and_go_by_update(house: House) -> None:
    house.stream("A")
    house.stream("B")
    house.stream("X", subjects=[], sources=[{"name": "A"}])
    put(house, "a.1")
    put(house, "b.1")
    answer = house.ask("STREAM.UPDATE.X", {"name": "X", "sources": [{"name": "B"}]})
    assert [source["name"] for source in answer["sources"]] == ["B"]
    put(house, "a.1")
    house.settle()
    assert subjects(house, "X") == {"a.1": 1, "b.1": 1}


def test_a_mirror_becomes_a_stream_of_its_own(house: House) -> None:
    house.stream("A")
    put(house, "a.1")
    house.stream("M", subjects=[], mirror={"name": "A"})
    house.settle()
    assert "error" not in house.ask("STREAM.UPDATE.M", {"name": "M", "subjects": ["m"]})
    assert put(house, "m") == {"stream": "M", "seq": 2}
    put(house, "a.1")
    house.settle()
    assert subjects(house, "M") == {"a.1": 1, "m": 1}


def test_many_messages_are_taken_in_turns(house: House) -> None:
    house.stream("A")
    sublist = house.account.sublist
    for _ in range(2000):
        sublist.publish(b"a.1", None, None, b"")
    house.settle()
    house.stream("M", subjects=[], mirror={"name": "A"})
    house.settle()
    assert house.ask("STREAM.INFO.M")["state"]["messages"] == 2000
