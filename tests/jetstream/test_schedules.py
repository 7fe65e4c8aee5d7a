"""Schedules of a stream: what they store and when, by a clock moved by hand, across restarts and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from natsd.base.clock import Timers
from natsd.jetstream import headers
from natsd.jetstream.dates import render_date
from natsd.jetstream.streams.schedules import NOTE
from natsd.jetstream.streams.stream import create_stream
from natsd.jetstream.streams.stream_check import check_config
from natsd.jetstream.streams.stream_config import StreamConfig
from natsd.store.file import FileStore
from tests.jetstream.house import House
from tests.jetstream.test_publishing import block, error_of, put

if TYPE_CHECKING:
    from natsd.store.contract import Message

S = 10**9


@pytest.fixture
def house() -> House:
    house = House()
    house.stream(allow_msg_schedules=True, allow_msg_ttl=True)
    return house


def plan(house: House, text: str, subject: str = "s.plan", target: str = "s.out", **more: str) -> dict[str, Any]:
    return put(house, subject, b"hello", Nats_Schedule=text, Nats_Schedule_Target=target, **more)


def at(house: House, seconds: float) -> str:
    """A date so far from now, as a schedule."""
    return "@at " + render_date(house.clock.wall_ns() + int(seconds * S))


def stored(house: House, subject: str = "s.out") -> list[Message]:
    store = house.home.streams["S"].store
    found = []
    seq = 1
    while (message := store.next_match(seq, [subject.encode()])) is not None:
        found.append(message)
        seq = message[0] + 1
    return found


def value(message: Message, name: bytes) -> bytes | None:
    return headers.value_of(message[2] or b"", name)


def test_a_date_comes_once_and_its_schedule_goes(house: House) -> None:
    inbox = house.inbox("deliver")
    house.consumer(deliver_subject=inbox.name, filter_subject="s.out")
    assert plan(house, at(house, 10), Other="x", Nats_Msg_Id="i", Nats_Schedule_TTL="5m")["seq"] == 1
    house.move(9.9)
    assert stored(house) == []
    house.move(0.2)
    (message,) = stored(house)
    assert message[2] == block(Other="x", Nats_Scheduler="s.plan", Nats_Schedule_Next="purge", Nats_TTL="5m")
    assert message[3] == b"hello"
    assert stored(house, "s.plan") == []
    assert inbox.payloads() == [b"hello"]
    house.move(3600)
    assert stored(house) == []  # its TTL is over, and there is no other


def test_a_date_that_is_past_comes_at_once(house: House) -> None:
    plan(house, "@at 2000-01-01T00:00:00Z")
    house.move(0.01)
    assert len(stored(house)) == 1


def test_an_interval_comes_again_and_again(house: House) -> None:
    plan(house, "@every 10s")
    for _ in range(4):
        house.move(10)
    times = [value(message, headers.SCHEDULE_NEXT) for message in stored(house)]
    assert len(times) == 4
    assert times == sorted(set(times))
    assert stored(house, "s.plan")[0][0] == 1


def test_a_pattern_is_due_by_the_clock_of_its_zone(house: House) -> None:
    plan(house, "@daily", Nats_Schedule_Time_Zone="Asia/Tokyo")
    house.move(86400)
    (message,) = stored(house)
    assert (value(message, headers.SCHEDULE_NEXT) or b"").endswith(b"T00:00:00+09:00")


def test_a_new_schedule_stands_in_the_place_of_the_old(house: House) -> None:
    plan(house, at(house, 5), target="s.old")
    plan(house, at(house, 10), target="s.new")
    assert len(stored(house, "s.plan")) == 1
    house.move(20)
    assert (len(stored(house, "s.old")), len(stored(house, "s.new"))) == (0, 1)


@pytest.mark.parametrize("how", ["message", "purge", "delete", "scheduler"])
def test_a_schedule_that_is_gone_stores_nothing(house: House, how: str) -> None:
    plan(house, "@every 5s")
    house.move(5.5)
    if how == "message":
        put(house, "s.plan")
    elif how == "purge":
        house.ask("STREAM.PURGE.S", {"filter": "s.plan"})
    elif how == "delete":
        house.ask("STREAM.MSG.DELETE.S", {"seq": 1})
    else:
        put(house, "s.end", Nats_Schedule_Next="purge", Nats_Scheduler="s.plan")
    house.move(60)
    assert len(stored(house)) == 1
    assert len(house.home.streams["S"].schedules) == 0
    assert [name for name in house.home.streams["S"].store.consumers() if name.startswith(NOTE)] == []
    assert len(house.timers) == 0


def test_the_last_message_of_a_source_is_taken(house: House) -> None:
    plan(house, "@every 10s", Nats_Schedule_Source="s.value", Nats_Schedule_Rollup="sub")
    house.move(10.5)
    assert [message[3] for message in stored(house)] == [b"hello"]
    put(house, "s.value", b"1", Own="x")
    put(house, "s.value", b"2", Own="y", Nats_Expected_Last_Subject_Sequence="3", Nats_TTL="1h")
    house.move(10)
    (message,) = stored(house)
    assert message[3] == b"2"
    assert value(message, b"Own") == b"y"
    assert value(message, headers.ROLLUP) == b"sub"
    assert value(message, headers.EXPECTED_LAST_SUBJECT_SEQ) is value(message, headers.TTL) is None


def test_what_fails_is_tried_again(house: House) -> None:
    plan(house, at(house, 1))
    plan(house, "@every 10s", "s.other")
    house.home.limits.max_storage = 10
    house.move(11)
    assert stored(house) == []
    house.home.limits.max_storage = -1
    house.move(1)
    assert len(stored(house)) == 1
    house.move(10)
    assert len(stored(house)) == 2
    assert house.log.lines


def test_a_server_goes_on_after_a_restart(house: House) -> None:
    plan(house, "@every 1h")
    plan(house, at(house, 7200), "s.once", "s.two")
    house.move(3601)
    house.ask("STREAM.PURGE.S", {"filter": "s.out"})
    assert house.home.streams["S"].store.last_seq == 3
    house.reopen()
    house.move(3590)
    assert stored(house) == []  # the note says when it is due, though nothing of it is left
    house.move(20)
    assert (len(stored(house)), len(stored(house, "s.two"))) == (1, 1)


def test_what_was_missed_while_the_server_was_down_comes_once(house: House) -> None:
    plan(house, "@every 10s")
    house.move(10.5)
    house.clock.timers = Timers(house.clock)
    house.clock.move(100)
    house.reopen()
    house.move(0.01)
    assert len(stored(house)) == 2
    house.move(9)
    assert len(stored(house)) == 2
    house.move(1.5)
    assert len(stored(house)) == 3


def test_schedules_on_disk_are_found_again_and_carried_out_once(tmp_path: Path) -> None:
    config = StreamConfig(name="S", subjects=["s.>"], allow_msg_schedules=True)
    for opening in range(3):
        house = House()
        store = FileStore(tmp_path)
        house.file = store  # type: ignore[assignment]
        house._open()
        if not opening:
            create_stream(house.home, check_config(config, house.home))
            for subject, text, target in (("s.one", at(house, 60), "s.out"), ("s.two", "@every 60s", "s.more")):
                house.publish(subject, b"x", header=block(Nats_Schedule=text, Nats_Schedule_Target=target))
        schedules = house.home.streams["S"].schedules
        schedules.start()  # as after a restore
        assert len(schedules) == (2 if opening < 2 else 1)
        if opening:
            house.move(61 if opening == 1 else 58)
            assert (len(stored(house)), len(stored(house, "s.more"))) == (1, 1)
        assert store.wait()
        store.close()


def test_notes_of_schedules_that_are_gone_go_too(house: House) -> None:
    plan(house, "@every 10s")
    house.move(10.5)
    store = house.home.streams["S"].store
    assert [name for name in store.consumers() if name.startswith(NOTE)] == [NOTE + "s.plan"]
    store.purge(filters=[b"s.plan"])
    house.reopen()
    assert house.home.streams["S"].store.consumers() == []


def test_a_sealed_stream_carries_nothing_out(house: House) -> None:
    plan(house, "@every 10s")
    sealed = {"name": "S", "subjects": ["s.>"], "allow_msg_schedules": True, "allow_msg_ttl": True, "sealed": True}
    assert "error" not in house.ask("STREAM.UPDATE.S", sealed)
    house.move(60)
    assert stored(house) == []
    assert len(house.timers) == 0


def test_schedules_that_were_there_before_the_stream_took_any_begin() -> None:
    house = House()
    house.stream(allow_rollup_hdrs=True)
    header = block(Nats_Schedule="@every 5s", Nats_Schedule_Target="s.out")
    house.home.streams["S"].store.append([(b"s.plan", None, header, b"x")], house.clock.wall_ns())
    house.move(60)
    assert stored(house) == []
    house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "allow_msg_schedules": True})
    house.move(6)
    assert len(stored(house)) == 1


def test_many_that_are_due_together_all_come(house: House) -> None:
    when = at(house, 5)
    for number in range(600):
        plan(house, when, f"s.plan.{number}", f"s.out.{number}")
    house.move(5.1)
    assert len(stored(house, "s.out.*")) == 600
    assert house.home.streams["S"].state()["messages"] == 600


def test_schedules_that_are_replaced_take_no_room(house: House) -> None:
    for _ in range(500):
        plan(house, "@hourly")
    schedules = house.home.streams["S"].schedules
    assert len(schedules) == 1
    assert len(schedules._heap) < 100


def test_a_stream_without_schedules_takes_none(house: House) -> None:
    house.stream("T")
    assert error_of(put(house, "t.a", Nats_Schedule="@hourly", Nats_Schedule_Target="t.b"))[0] == 10188
    assert error_of(put(house, "t.a", Nats_Schedule="nonsense"))[0] == 10188
    assert put(house, "t.a", Nats_Schedule="")["seq"] == 1


def test_what_a_source_has_of_schedules_is_kept_as_it_is(house: House) -> None:
    house.stream("ALL", subjects=["all"], sources=[{"name": "S"}])
    plan(house, at(house, 1))
    house.move(2)
    store = house.home.streams["ALL"].store
    assert [message[1] for message in store.load_many([1, 2])] == [b"s.plan", b"s.out"]
    assert store.last_seq == 2
