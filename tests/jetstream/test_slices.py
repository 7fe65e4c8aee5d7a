"""Long work in slices: exact when it is told of, others have their turn meanwhile, a crash leaves nothing undone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from natsd.jetstream.streams import expiry, publishing, purging, slices
from natsd.store.file import FileStore
from tests.jetstream.house import House, Inbox

MANY = 200
SECOND_NS = 10**9
ROLL_UP = b"NATS/1.0\r\nNats-Rollup: %b\r\n\r\n"


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    for module in (slices, purging, publishing):
        monkeypatch.setattr(module, "SLICE", 10)
    monkeypatch.setattr(slices, "FEWEST", 1)
    monkeypatch.setattr(expiry, "AT_ONCE", 10)
    monkeypatch.setattr(expiry, "MARKED_AT_ONCE", 10)
    return House()


def fill(house: House, **config: Any) -> None:
    house.stream(allow_rollup_hdrs=True, **config)
    for number in range(MANY):
        house.account.sublist.publish(b"s.%d" % (number % 4), None, None, b"%d" % number)
    house.settle()


def begin(house: House, subject: str, body: dict[str, Any] | None = None) -> Inbox:
    """A request of which only the first slice has run."""
    inbox = house.inbox()
    payload = b"" if body is None else json.dumps(body).encode()
    house.account.sublist.publish(f"$JS.API.{subject}".encode(), inbox.name.encode(), None, payload)
    house.road.settle()
    return inbox


def messages(house: House) -> int:
    found: int = house.home.streams["S"].store.state.msgs
    return found


def numbers(state: dict[str, Any]) -> tuple[int, int, int]:
    return state["messages"], state["first_seq"], state["last_seq"]


UPDATES: list[tuple[dict[str, Any], tuple[int, int, int]]] = [
    ({"max_msgs": 30}, (30, 171, 200)),
    ({"max_msgs_per_subject": 2}, (8, 193, 200)),
    ({"max_msgs": 5, "max_msgs_per_subject": 3}, (5, 196, 200)),
    ({"max_age": SECOND_NS, "duplicate_window": SECOND_NS}, (0, 201, 200)),
    ({"max_msgs": 500}, (200, 1, 200)),
    ({"max_msgs": 30, "discard": "new"}, (200, 1, 200)),
]


@pytest.mark.parametrize(("update", "wanted"), UPDATES)
def test_an_update_is_answered_when_what_it_has_no_room_for_is_gone(
    house: House, update: dict[str, Any], wanted: tuple[int, int, int]
) -> None:
    fill(house)
    house.move(2)
    asked = begin(house, "STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], **update})
    assert wanted[0] == MANY or MANY - 20 <= messages(house) < MANY
    state = json.loads(asked.payloads()[0])["state"]
    assert numbers(state) == wanted
    assert house.home.streams["S"].counted_bytes == state["bytes"]


def test_bytes_go_down_to_the_limit_and_no_further(house: House) -> None:
    fill(house)
    for number in range(40):
        house.publish("s.5", b"x" * number * 10)
    asked = begin(house, "STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_bytes": 5000})
    sliced = json.loads(asked.payloads()[0])["state"]
    assert 4500 < sliced["bytes"] <= 5000
    at_once = House()
    fill(at_once)
    for number in range(40):
        at_once.publish("s.5", b"x" * number * 10)
    from natsd.store.contract import Limits

    store = at_once.home.streams["S"].store
    store.set_limits(Limits(max_bytes=5000))
    assert (sliced["bytes"], sliced["first_seq"]) == (store.state.bytes, store.state.first_seq)


def test_what_comes_while_limits_go_down_is_stored_and_counts(house: House) -> None:
    fill(house)
    asked = begin(house, "STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs": 30})
    other = house.inbox()
    house.account.sublist.publish(b"s.new", other.name.encode(), None, b"new")
    house.road.settle()
    assert json.loads(other.got[0][3])["seq"] == MANY + 1
    assert asked.got == []
    assert numbers(json.loads(asked.payloads()[0])["state"]) == (30, 172, 201)


def test_a_later_update_takes_the_place_of_one_on_its_way(house: House) -> None:
    fill(house)
    first = begin(house, "STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs": 30})
    second = begin(house, "STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs": 100})
    house.settle()
    assert json.loads(first.payloads()[0])["config"]["max_msgs"] == 100
    assert numbers(json.loads(second.payloads()[0])["state"]) == (100, 101, 200)


def test_a_stream_that_goes_while_its_limits_do_ends_its_update(house: House) -> None:
    fill(house)
    asked = begin(house, "STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs": 30})
    assert house.ask("STREAM.DELETE.S")["success"] is True
    assert json.loads(asked.payloads()[0])["error"]["err_code"] == 10059


def test_markers_are_left_where_a_lowered_age_takes_much(house: House) -> None:
    fill(house, max_msgs_per_subject=-1)
    house.move(2)
    update = {"name": "S", "subjects": ["s.>"], "max_age": SECOND_NS, "duplicate_window": SECOND_NS}
    update |= {"subject_delete_marker_ttl": 60 * SECOND_NS, "allow_msg_ttl": True, "allow_rollup_hdrs": True}
    assert numbers(house.ask("STREAM.UPDATE.S", update)["state"]) == (4, 201, 204)


def roll_up(house: House, kind: bytes) -> Inbox:
    inbox = house.inbox()
    house.account.sublist.publish(b"s.1", inbox.name.encode(), ROLL_UP % kind, b"all")
    house.road.settle()
    return inbox


@pytest.mark.parametrize(("kind", "wanted"), [(b"all", (1, 201, 201)), (b"sub", (151, 1, 201))])
def test_a_roll_up_is_acknowledged_when_what_it_stands_for_is_gone(
    house: House, kind: bytes, wanted: tuple[int, int, int]
) -> None:
    fill(house)
    house.consumer(filter_subject="s.1")
    told = roll_up(house, kind)
    assert told.got == []
    assert MANY - 10 < messages(house) < MANY
    assert json.loads(told.payloads()[0])["seq"] == 201
    assert numbers(house.ask("STREAM.INFO.S")["state"]) == wanted
    assert house.numbers()[7] == 1
    assert [got[3] for got in house.fetch(5)] == [b"all"]


def test_nothing_else_is_stored_while_a_roll_up_lasts(house: House) -> None:
    fill(house)
    told = roll_up(house, b"all")
    later = house.inbox()
    house.account.sublist.publish(b"s.2", later.name.encode(), None, b"later")
    house.road.settle()
    assert (told.got, later.got) == ([], [])
    assert house.home.streams["S"].visible_seq == MANY
    assert json.loads(told.payloads()[0])["seq"] == 201
    assert json.loads(later.payloads()[0])["seq"] == 202
    assert numbers(house.ask("STREAM.INFO.S")["state"]) == (2, 201, 202)


def test_a_batch_is_acknowledged_when_all_that_it_rolls_up_is_gone(house: House) -> None:
    fill(house, allow_atomic=True)
    told, later = house.inbox(), house.inbox()
    for number, end in ((1, b""), (2, b""), (3, b"Nats-Batch-Commit: 1\r\n")):
        of_batch = b"Nats-Rollup: sub\r\nNats-Batch-Id: b\r\nNats-Batch-Sequence: %d\r\n%b\r\n" % (number, end)
        header = b"NATS/1.0\r\n" + of_batch
        house.account.sublist.publish(b"s.%d" % number, told.name.encode(), header, b"new")
    house.account.sublist.publish(b"s.1", later.name.encode(), None, b"later")
    house.road.settle()
    assert ([got[3] for got in told.got], later.got) == ([b"", b""], [])
    assert MANY - 20 < messages(house) <= MANY + 3
    assert json.loads(told.payloads()[2]) == {"stream": "S", "seq": MANY + 3, "batch": "b", "count": 3}
    assert json.loads(later.payloads()[0])["seq"] == MANY + 4
    assert numbers(house.ask("STREAM.INFO.S")["state"]) == (MANY // 4 + 4, 1, MANY + 4)


def test_what_a_schedule_rolls_up_goes_in_slices_too(house: House) -> None:
    fill(house, allow_msg_schedules=True)
    lines = b"Nats-Schedule: @every 60s\r\nNats-Schedule-Target: s.1\r\nNats-Schedule-Rollup: sub\r\n\r\n"
    house.account.sublist.publish(b"s.plan", None, b"NATS/1.0\r\n" + lines, b"new")
    house.settle()
    between: list[int] = []

    def look() -> None:
        house.account.sublist.publish(b"s.2", None, None, b"at once")
        house.road.settle()
        between.append(messages(house))

    house.timers.schedule(60 * SECOND_NS, look)  # behind that of the schedule, before what it leaves to do
    house.move(61)
    assert MANY - 20 < between[0] < MANY + 3
    assert messages(house) == MANY - MANY // 4 + 3


def test_a_stream_that_goes_while_a_roll_up_lasts_says_so(house: House) -> None:
    fill(house)
    told = roll_up(house, b"all")
    assert house.ask("STREAM.DELETE.S")["success"] is True
    assert json.loads(told.payloads()[0])["error"]["err_code"] == 10059


def test_what_only_a_deleted_consumer_needed_is_gone_with_the_answer(house: House) -> None:
    house.stream(retention="interest")
    house.consumer()
    house.consumer("D", filter_subject="s.1")
    for number in range(MANY):
        house.account.sublist.publish(b"s.%d" % (number % 4), None, None, b"%d" % number)
    house.settle()
    asked = begin(house, "CONSUMER.DELETE.S.C")
    assert (asked.got, messages(house) > MANY // 2) == ([], True)
    assert json.loads(asked.payloads()[0])["success"] is True
    assert messages(house) == MANY // 4
    assert house.ask("CONSUMER.DELETE.S.D")["success"] is True
    assert messages(house) == 0


def test_a_deleted_stream_is_freed_in_slices_and_can_be_made_again(house: House) -> None:
    fill(house)
    stream = house.home.streams["S"]
    for number in range(50):
        stream.dedupe.note(b"%d" % number, number, house.clock.wall_ns())
    asked = begin(house, "STREAM.DELETE.S")
    assert json.loads(asked.got[0][3])["success"] is True
    assert house.home.used["file"] == 0
    assert 0 < stream.store.state.msgs < MANY
    house.stream()
    house.fill(3)
    assert (stream.store.state.msgs, len(stream.dedupe)) == (0, 0)
    assert numbers(house.ask("STREAM.INFO.S")["state"]) == (3, 1, 3)


class FileHouse(House):
    """The same on a store directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__()

    def _open(self) -> None:
        self.store = FileStore(self.folder)
        self.file = self.store  # type: ignore[assignment]
        super()._open()

    def settle(self) -> None:
        super().settle()
        assert self.store.wait()
        super().settle()

    def copy(self, to: Path) -> FileHouse:
        """What another server finds that was started on what this one has written so far."""
        assert self.store.wait()
        shutil.copytree(self.folder, to, ignore=shutil.ignore_patterns("LOCK"))
        found = FileHouse(to)
        found.move(3)
        return found


@pytest.mark.parametrize(
    "update", [{"max_msgs": 30}, {"max_msgs_per_subject": 2}, {"max_bytes": 3000}, {"max_age": SECOND_NS}]
)
def test_a_server_that_ends_while_limits_go_down_does_the_rest_at_opening(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, update: dict[str, Any]
) -> None:
    monkeypatch.setattr(slices, "SLICE", 10)
    monkeypatch.setattr(expiry, "AT_ONCE", 10)
    house = FileHouse(tmp_path / "one")
    fill(house)
    house.move(2)
    asked = begin(house, "STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "duplicate_window": SECOND_NS} | update)
    crashed = house.copy(tmp_path / "two")
    assert messages(house) > 100
    house.settle()
    (payload,) = asked.payloads()
    whole = house.copy(tmp_path / "three")
    states = [numbers(each.home.streams["S"].state()) for each in (house, crashed, whole)]
    assert states == [numbers(json.loads(payload)["state"])] * 3
    assert states[0][0] < 100
    for each in (house, crashed, whole):
        each.jetstream.close()


@pytest.mark.parametrize("kind", [b"all", b"sub"])
def test_a_server_that_ends_while_a_roll_up_lasts_has_it_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: bytes
) -> None:
    for module in (purging, publishing):
        monkeypatch.setattr(module, "SLICE", 10)
    house = FileHouse(tmp_path / "one")
    fill(house)
    told = roll_up(house, kind)
    crashed = house.copy(tmp_path / "two")
    assert told.got == []
    assert numbers(crashed.home.streams["S"].state()) == numbers(house.home.streams["S"].state())
    assert MANY - 10 < messages(crashed) < MANY
    assert len(told.payloads()) == 1
    for each in (house, crashed):
        each.jetstream.close()


def test_a_server_that_ends_while_a_deleted_stream_is_freed_knows_it_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(slices, "SLICE", 10)
    house = FileHouse(tmp_path / "one")
    fill(house)
    begin(house, "STREAM.DELETE.S")
    crashed = house.copy(tmp_path / "two")
    assert crashed.home.streams == {}
    house.settle()
    assert [house.store.log.live_bytes(segment) for segment in (1, 2)] == [0, 0]
    for each in (house, crashed):
        each.jetstream.close()
