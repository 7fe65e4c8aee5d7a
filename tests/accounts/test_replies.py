"""allow_responses: what may be answered, how often and how long."""

from __future__ import annotations

from natsd.accounts.permissions import Rights
from natsd.accounts.replies import MOST, PRUNE_AT, Replies
from natsd.accounts.users import as_permissions
from natsd.base.clock import HandClock
from natsd.kernel import Road


def replies(clock: HandClock, **given: object) -> Replies:
    permissions = as_permissions({"allow_responses": given or True})
    assert permissions.responses is not None
    return Replies(Rights(permissions, Road(1)), permissions.responses, clock)


def test_one_answer_within_two_minutes_is_the_rule() -> None:
    clock = HandClock()
    mine = replies(clock)
    mine.note([b"r", b"s"])
    assert mine.spend(b"r")
    assert not mine.spend(b"r")
    assert not mine.spend(b"other")
    clock.move(121)
    assert not mine.spend(b"s")
    assert len(mine) == 0


def test_numbers_and_times_may_be_set_and_be_without_limit() -> None:
    clock = HandClock()
    mine = replies(clock, max=2, expires=1)
    mine.note([b"r"])
    assert [mine.spend(b"r") for _ in range(3)] == [True, True, False]
    ever = replies(clock, max=-1, expires=-1)
    ever.note([b"r"])
    clock.move(1e6)
    assert all(ever.spend(b"r") for _ in range(100))


def test_what_the_rules_permit_anyhow_is_not_noted() -> None:
    permissions = as_permissions({"publish": "free", "allow_responses": True})
    assert permissions.responses is not None
    mine = Replies(Rights(permissions, Road(1)), permissions.responses, HandClock())
    mine.note([b"free", b"r"])
    assert len(mine) == 1


def test_what_is_noted_and_never_answered_is_dropped() -> None:
    clock = HandClock()
    mine = replies(clock)
    mine.note([b"old.%d" % number for number in range(PRUNE_AT - 1)])
    clock.move(121)
    mine.note([b"new"])
    assert len(mine) == 1
    ever = replies(clock, max=-1, expires=-1)
    ever.note([b"r.%d" % number for number in range(MOST + 10)])
    assert len(ever) == MOST
    assert not ever.spend(b"r.0")
    assert ever.spend(b"r.%d" % (MOST + 9))
