"""Messages that grow too old, and the markers they leave."""

from __future__ import annotations

import pytest

from tests.jetstream.house import House
from tests.jetstream.test_publishing import block, put


@pytest.fixture
def house() -> House:
    return House()


def count(house: House) -> int:
    messages: int = house.ask("STREAM.INFO.S")["state"]["messages"]
    return messages


def test_messages_go_at_their_age(house: House) -> None:
    house.stream(max_age=2 * 10**9)
    put(house, "s.a")
    house.move(1)
    put(house, "s.a")
    house.move(1.2)
    assert count(house) == 1
    house.move(1)
    assert count(house) == 0
    assert house.ask("STREAM.INFO.S")["state"]["first_seq"] == 3


def test_an_age_that_is_lowered_holds_at_once(house: House) -> None:
    house.stream()
    put(house, "s.a")
    house.move(5)
    put(house, "s.a")
    house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_age": 3 * 10**9})
    assert count(house) == 1
    house.move(3.1)
    assert count(house) == 0


def test_age_goes_on_over_a_restart(house: House) -> None:
    house.stream(max_age=10**9)
    put(house, "s.a")
    house.reopen()
    assert count(house) == 1
    house.move(1.1)
    assert count(house) == 0


def test_a_message_goes_at_its_own_time(house: House) -> None:
    house.stream(allow_msg_ttl=True)
    put(house, "s.a", Nats_TTL="3")
    put(house, "s.b", Nats_TTL="1s")
    put(house, "s.c", Nats_TTL="never")
    put(house, "s.d")
    house.move(1.1)
    assert count(house) == 3
    house.move(2)
    assert count(house) == 2
    house.move(100_000)
    assert count(house) == 2


def test_the_last_message_of_a_subject_leaves_a_marker_that_goes_too(house: House) -> None:
    house.stream(max_age=10**9, subject_delete_marker_ttl=90 * 10**9)
    assert house.ask("STREAM.INFO.S")["config"]["allow_rollup_hdrs"] is True
    put(house, "s.a")
    put(house, "s.a")
    house.move(1.1)
    message = house.home.streams["S"].store.load(3)
    assert message is not None
    assert message[1:4] == (b"s.a", block(Nats_Marker_Reason="MaxAge", Nats_TTL="1m30s", Nats_Rollup="sub"), b"")
    assert count(house) == 1
    house.move(91)
    assert count(house) == 0
    house.move(200)
    assert house.ask("STREAM.INFO.S")["state"]["last_seq"] == 3


def test_markers_are_known_again_after_a_restart(house: House) -> None:
    house.stream(max_age=10**9, subject_delete_marker_ttl=5 * 10**9)
    put(house, "s.a")
    house.move(1.1)
    assert count(house) == 1
    house.reopen()
    house.move(20)
    assert house.ask("STREAM.INFO.S")["state"]["last_seq"] == 2


def test_a_shorter_life_than_that_of_markers_is_made_longer(house: House) -> None:
    house.stream(allow_msg_ttl=True, subject_delete_marker_ttl=10 * 10**9)
    put(house, "s.a", Nats_TTL="1s")
    message = house.home.streams["S"].store.load(1)
    assert message is not None
    assert message[2] == block(Nats_TTL="10")
    house.move(5)
    assert count(house) == 1


def test_markers_do_not_hold_up_what_else_is_due(house: House) -> None:
    house.stream(max_age=10**9, subject_delete_marker_ttl=5 * 10**9)
    for subject in ("s.a", "s.b", "s.c"):
        put(house, subject)
        house.move(0.1)
    house.move(1)
    state = house.ask("STREAM.INFO.S", {"deleted_details": True})["state"]
    assert (state["first_seq"], state["last_seq"], state["messages"]) == (4, 6, 3)
