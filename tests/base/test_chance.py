"""The sources of chance in natsd.base.chance."""

from __future__ import annotations

import pytest

from natsd.base.chance import SeededChance, SystemChance

SOURCES = [SystemChance(), SeededChance(7)]


@pytest.mark.parametrize("chance", SOURCES)
def test_bytes_come_in_the_length_asked_for(chance: SystemChance | SeededChance) -> None:
    assert [len(chance.take(count)) for count in (0, 1, 7, 8, 32)] == [0, 1, 7, 8, 32]


@pytest.mark.parametrize("chance", SOURCES)
def test_numbers_stay_below_the_limit_and_reach_all_of_it(chance: SystemChance | SeededChance) -> None:
    assert {chance.below(5) for _ in range(500)} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("chance", SOURCES)
def test_a_limit_that_leaves_no_choice_gives_zero(chance: SystemChance | SeededChance) -> None:
    assert [chance.below(limit) for limit in (1, 0, -3)] == [0, 0, 0]


def test_one_seed_gives_one_sequence() -> None:
    one, two, other = SeededChance(3), SeededChance(3), SeededChance(4)
    assert one.take(40) == two.take(40)
    assert one.below(1 << 60) == two.below(1 << 60)
    assert one.take(8) != other.take(8)
