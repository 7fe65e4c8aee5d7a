"""Work in steps: what comes of it is what comes of it at once, and each step is short."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from natsd.base.steps import AT_ONCE, Steps, at_once, in_order

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
