"""Work in steps: what comes of it is what comes of it at once, and each step is short."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from natsd.base.steps import AT_ONCE, MOST_AT_ONCE, PATIENCE, Steps, at_once, in_order, until_settled


class Changing:
    """Work of some steps on what changes behind each of them, for so long."""

    def __init__(self, steps: int, changing: int) -> None:
        self.steps = steps
        self.changing = changing
        self.changes = 0

    def work(self) -> Steps[int]:
        seen = self.changes
        for _ in range(self.steps):
            yield
        return seen

    def run(self) -> tuple[int, int]:
        """What came of it, and after how many steps."""
        steps, number = until_settled(lambda: self.changes, self.work), 0
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value, number
            number += 1
            self.changes += number <= self.changing


def test_work_is_begun_anew_until_nothing_changes() -> None:
    assert Changing(5, 0).run() == (0, 5)
    assert Changing(5, 3).run() == (3, 10)


def test_what_changes_all_the_time_is_done_without_interruption_in_the_end() -> None:
    assert Changing(5, 10**6).run() == (5 * PATIENCE, 5 * PATIENCE)


def test_what_is_too_much_for_that_goes_on_in_steps() -> None:
    many = MOST_AT_ONCE + 1
    assert Changing(many, 5 * many).run() == (5 * many, 6 * many)


PARTS = st.lists(st.lists(st.integers(), max_size=6).map(sorted), max_size=6)


def test_what_steps_return_comes_of_them_at_once() -> None:
    def work() -> Steps[int]:
        yield
        yield
        return 7

    assert at_once(work()) == 7


@given(PARTS, st.none() | st.integers(0, 20))
def test_sorted_lists_become_one(parts: list[list[int]], most: int | None) -> None:
    assert at_once(in_order(parts, most)) == sorted(sum(parts, []))[:most]


def steps_of(parts: list[list[int]]) -> int:
    return sum(1 for _ in in_order(parts))


def test_long_lists_are_put_in_order_in_steps() -> None:
    def spread(number: int) -> Sequence[int]:
        return range(number, 10 * AT_ONCE, 10)

    assert steps_of([list(spread(number)) for number in range(10)]) == 10
    assert steps_of([list(range(at, at + AT_ONCE)) for at in range(0, 5 * AT_ONCE, AT_ONCE)]) == 5
