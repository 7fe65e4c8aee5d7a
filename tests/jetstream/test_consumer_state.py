"""The state of a consumer, and the records that give it back."""

from __future__ import annotations

import pytest

from natsd.jetstream.consumers.consumer_state import CHECKPOINT_BYTES, ConsumerState
from tests.jetstream.house import House


def figures(state: ConsumerState) -> tuple[object, ...]:
    floor = (state.floor_seq, state.floor_stream)
    return (state.delivered_seq, state.delivered_stream, *floor, dict(state.pending), dict(state.redelivered))


def replay(records: list[bytes], tracks: bool = True) -> ConsumerState:
    state = ConsumerState(tracks)
    for record in records:
        state.apply(record)
    return state


def test_records_give_the_same_state_back() -> None:
    state = ConsumerState(True)
    records = []

    def keep() -> None:
        records.append(state.take_record()[0])
        assert figures(replay(records)) == figures(state)

    state.start(3)
    keep()
    state.deliver([3, 4, 5])
    state.deliver([7, 9])
    keep()
    assert state.ack([4, 5, 8]) == [4, 5]
    keep()
    state.redeliver(3, 1)
    keep()
    state.ack([3])
    keep()
    state.give_up(7, 1)
    keep()
    assert state.ack_upto(6, 9) == [9]
    keep()
    assert figures(state) == (6, 9, 6, 9, {}, {})


def test_a_state_that_tracks_nothing_moves_its_floor_along() -> None:
    state = ConsumerState(False)
    state.start(1)
    state.deliver([1, 2, 5])
    assert figures(state) == (3, 5, 3, 5, {}, {})


def test_the_floor_stays_below_the_first_pending_message() -> None:
    state = ConsumerState(True)
    state.start(1)
    state.deliver([10, 20, 30])
    state.ack([20])
    assert (state.floor_seq, state.floor_stream) == (0, 0)
    state.ack([10])
    assert (state.floor_seq, state.floor_stream) == (2, 29)
    state.ack([30])
    assert (state.floor_seq, state.floor_stream) == (3, 30)


def test_an_acknowledgement_after_giving_up_is_kept_too() -> None:
    state = ConsumerState(True)
    state.start(1)
    state.deliver([1])
    state.give_up(1, 1)
    assert state.ack([1]) == []
    assert figures(replay([state.take_record()[0]])) == figures(state)
    assert state.redelivered == {}


def test_many_records_become_a_checkpoint() -> None:
    state = ConsumerState(True)
    state.start(1)
    assert state.take_record()[1] is True
    size, kinds = 0, []
    for seq in range(1, 40_000, 2):
        state.deliver([seq])
        state.ack([seq])
        record, checkpoint = state.take_record()
        size += len(record)
        kinds.append(checkpoint)
        if checkpoint:
            break
    assert kinds.count(True) == 1
    assert size > CHECKPOINT_BYTES


@pytest.mark.parametrize("record", [b"", b"\xff", b"\x91\x91\x63", b"\x91\x01", b"\x91\x91\x08"])
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ConsumerState(True).apply(record)


def test_the_floor_is_found_again_after_many_were_acknowledged_behind_a_pending_one() -> None:
    state = ConsumerState(True)
    state.start(1)
    state.deliver([1])
    for first in range(2, 10_002, 500):
        state.deliver(list(range(first, first + 500)))
        state.ack(list(range(first, first + 500)))
    assert (state.floor_seq, state.floor_stream) == (0, 0)
    state.deliver([20_000, 20_001])
    state.ack([1])
    assert (state.floor_seq, state.floor_stream) == (10_001, 19_999)
    assert state.ack_upto(10_003, 20_001) == [20_000, 20_001]
    assert (state.floor_seq, state.floor_stream) == (10_003, 20_001)


def test_the_last_of_each_subject_of_an_emptied_stream_are_those_to_come() -> None:
    house = House()
    house.stream()
    house.fill(3)
    house.ask("STREAM.PURGE.S")
    house.consumer(deliver_policy="last_per_subject", filter_subject="s.>")
    assert house.numbers()[:4] == (0, 3, 0, 3)


def test_a_consumer_that_nobody_named_has_no_name_in_its_configuration() -> None:
    house = House()
    house.stream()
    created = house.ask("CONSUMER.CREATE.S", {"stream_name": "S", "config": {"inactive_threshold": 10**12}})
    assert len(created["name"]) == 8
    assert "name" not in created["config"]
    house.reopen()
    assert house.info(created["name"])["name"] == created["name"]
