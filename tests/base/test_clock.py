"""The clocks and the timer queue of natsd.base.clock."""

from __future__ import annotations

import pytest

from natsd.base.clock import SECOND_NS, HandClock, SystemClock, Timers, to_ns


def hand_clock() -> tuple[HandClock, Timers]:
    clock = HandClock()
    timers = Timers(clock)
    clock.timers = timers
    return clock, timers


def test_seconds_become_nanoseconds() -> None:
    assert to_ns(1.5) == 1_500_000_000
    assert to_ns(0) == 0


def test_the_system_clock_goes_forward() -> None:
    clock = SystemClock()
    assert clock.now_ns() <= clock.now_ns()
    assert clock.wall_ns() > 1_600_000_000 * SECOND_NS


def test_a_clock_moved_by_hand_moves_both_times_alike() -> None:
    clock = HandClock()
    now, wall = clock.now_ns(), clock.wall_ns()
    clock.move(2)
    assert (clock.now_ns() - now, clock.wall_ns() - wall) == (2 * SECOND_NS, 2 * SECOND_NS)


def test_timers_run_in_the_order_they_are_due_and_at_their_own_time() -> None:
    clock, timers = hand_clock()
    start = clock.now_ns()
    ran: list[tuple[str, int]] = []
    timers.schedule(to_ns(3), lambda: ran.append(("late", clock.now_ns() - start)))
    timers.schedule(to_ns(1), lambda: ran.append(("early", clock.now_ns() - start)))
    timers.schedule(to_ns(9), lambda: ran.append(("never", 0)))
    clock.move(5)
    assert ran == [("early", to_ns(1)), ("late", to_ns(3))]
    assert len(timers) == 1


def test_timers_due_together_run_in_the_order_they_were_set() -> None:
    clock, timers = hand_clock()
    ran: list[int] = []
    for number in range(5):
        timers.schedule(to_ns(1), lambda number=number: ran.append(number))  # type: ignore[misc]
    clock.move(1)
    assert ran == [0, 1, 2, 3, 4]


def test_a_timer_may_set_another_while_it_runs() -> None:
    clock, timers = hand_clock()
    ran: list[int] = []

    def again() -> None:
        ran.append(clock.now_ns())
        if len(ran) < 3:
            timers.schedule(to_ns(1), again)

    timers.schedule(to_ns(1), again)
    clock.move(10)
    assert len(ran) == 3


def test_a_timer_without_delay_set_meanwhile_waits_for_the_next_run() -> None:
    clock, timers = hand_clock()
    ran: list[str] = []
    timers.schedule(0, lambda: timers.schedule(0, lambda: ran.append("second")) and None)
    timers.run()
    assert ran == []
    timers.run()
    assert ran == ["second"]


def test_a_cancelled_timer_does_not_run_and_may_be_cancelled_again() -> None:
    clock, timers = hand_clock()
    ran: list[int] = []
    timer = timers.schedule(to_ns(1), lambda: ran.append(1))
    assert timer.active
    timer.cancel()
    timer.cancel()
    assert not timer.active
    assert len(timers) == 0
    clock.move(2)
    assert ran == []
    assert timers.held == 0


def test_cancelling_after_it_ran_is_harmless() -> None:
    clock, timers = hand_clock()
    timer = timers.schedule(0, lambda: None)
    timers.run()
    timer.cancel()
    assert len(timers) == 0


def test_a_cancelled_timer_that_is_first_is_passed_over_by_run() -> None:
    clock, timers = hand_clock()
    ran: list[int] = []
    timers.schedule(0, lambda: ran.append(1)).cancel()
    timers.schedule(0, lambda: ran.append(2))
    timers.run()
    assert ran == [2]


def test_the_next_due_time_is_that_of_the_first_live_timer() -> None:
    clock, timers = hand_clock()
    assert timers.due_ns() is None
    first = timers.schedule(to_ns(1), lambda: None)
    second = timers.schedule(to_ns(2), lambda: None)
    assert timers.due_ns() == first.due_ns
    first.cancel()
    assert timers.due_ns() == second.due_ns


def test_whoever_waits_is_told_of_an_earlier_timer_only() -> None:
    clock, timers = hand_clock()
    told: list[int | None] = []
    timers.on_earlier = lambda: told.append(timers.due_ns())
    timers.schedule(to_ns(2), lambda: None)
    timers.schedule(to_ns(3), lambda: None)
    timers.schedule(to_ns(1), lambda: None)
    assert told == [clock.now_ns() + to_ns(2), clock.now_ns() + to_ns(1)]


def test_cancelled_timers_do_not_pile_up() -> None:
    clock, timers = hand_clock()
    kept = [timers.schedule(to_ns(60), lambda: None) for _ in range(10)]
    for _ in range(10_000):
        timers.schedule(to_ns(60), lambda: None).cancel()
    assert timers.held <= 2 * (len(kept) + Timers.FEW)
    assert len(timers) == len(kept)


def test_rebuilding_while_timers_run_loses_none() -> None:
    clock, timers = hand_clock()
    ran: list[int] = []
    doomed = [timers.schedule(to_ns(5), lambda: ran.append(-1)) for _ in range(500)]
    timers.schedule(to_ns(1), lambda: [timer.cancel() for timer in doomed] and None)
    timers.schedule(to_ns(1), lambda: ran.append(1))
    timers.schedule(to_ns(6), lambda: ran.append(2))
    clock.move(10)
    assert ran == [1, 2]


def test_what_one_timer_fails_at_does_not_hold_up_the_others() -> None:
    clock, timers = hand_clock()
    failed: list[Exception] = []
    ran: list[int] = []
    timers.on_failed = failed.append

    def fail() -> None:
        raise ValueError("broken")

    timers.schedule(to_ns(1), fail)
    timers.schedule(to_ns(1), lambda: ran.append(1))
    clock.move(2)
    assert [str(error) for error in failed] == ["broken"]
    assert ran == [1]


def test_without_anybody_to_tell_a_failure_is_raised() -> None:
    clock, timers = hand_clock()

    def fail() -> None:
        raise ValueError("broken")

    timers.schedule(to_ns(1), fail)
    with pytest.raises(ValueError, match="broken"):
        clock.move(2)
