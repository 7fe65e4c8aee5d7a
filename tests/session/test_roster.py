"""What sessions share."""

from __future__ import annotations

from natsd.base.clock import SECOND_NS
from natsd.protocol.errors import CLIENT_CLOSED
from tests.session.memory import House


def test_cids_count_every_connection_there_was() -> None:
    house = House()
    house.client().session.close(CLIENT_CLOSED)
    house.client()
    assert (house.roster.last_cid, house.roster.total_connections, house.roster.total_closed) == (2, 2, 1)


def test_the_ring_of_the_closed_keeps_the_latest() -> None:
    house = House()
    house.roster.closed = type(house.roster.closed)(maxlen=2)
    for _ in range(3):
        house.client().session.close(CLIENT_CLOSED)
    assert [closed.cid for closed in house.roster.closed] == [2, 3]
    assert house.roster.total_closed == 3


def test_the_first_ping_is_due_within_a_fifth_more_than_two_seconds() -> None:
    house = House()
    delays = [house.roster.first_ping_delay_ns() for _ in range(200)]
    assert min(delays) >= 2 * SECOND_NS
    assert max(delays) < 2.4 * SECOND_NS
    assert len(set(delays)) > 100


def test_with_a_short_ping_interval_the_first_ping_follows_it() -> None:
    house = House()
    house.rules.ping_interval_ns = SECOND_NS
    assert SECOND_NS <= house.roster.first_ping_delay_ns() < 1.2 * SECOND_NS
