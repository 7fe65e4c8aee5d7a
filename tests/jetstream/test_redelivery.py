"""Deadlines and the queue of what is to be delivered again: what is forgotten takes no room."""

from __future__ import annotations

from natsd.jetstream.consumers.consumer_state import ConsumerState
from natsd.jetstream.consumers.redelivery import SPARE, Redelivery


def test_one_message_that_is_put_off_for_ever_takes_no_more_room_than_a_few() -> None:
    state = ConsumerState(tracks=True)
    state.deliver([1, 2])
    redelivery = Redelivery(state, 30)
    for now in range(5 * SPARE):
        redelivery.watch_one(1, now + 1000)  # +WPI
        redelivery.queue([2])  # -NAK
        redelivery.queue([1])
        redelivery.watch_one(1, now + 1000)  # -NAK with a delay
    assert len(redelivery._heap) <= SPARE + 4
    assert len(redelivery._queue) <= SPARE + 4
    assert redelivery.next() == 2
    redelivery.pop()
    assert redelivery.next() == 0
    assert redelivery.due_ns() == 5 * SPARE - 1 + 1000
    assert redelivery.take_due(6 * SPARE + 1000) == [1]
