"""Overlaps of many subjects: what the tree finds is what comparing each with each finds, in bounded steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.base.steps import Steps, at_once
from natsd.subjects import overlap
from natsd.subjects.match import collide, is_subset
from natsd.subjects.overlap import PACE, Overlaps, first_collision, one_within_another
from natsd.subjects.valid import is_valid

SUBJECT = st.lists(st.sampled_from(["a", "b", "*", ">", "", "a*"]), min_size=1, max_size=4).map(
    lambda parts: ".".join(parts).encode()
)
MANY = st.lists(SUBJECT, max_size=12)


def known(subjects: list[bytes]) -> Overlaps:
    tree = Overlaps()
    at_once(tree.add(subjects))
    return tree


@given(MANY, SUBJECT)
def test_those_that_collide_are_found(subjects: list[bytes], subject: bytes) -> None:
    expected = [number for number, other in enumerate(subjects) if collide(subject, other)]
    assert sorted(at_once(known(subjects).colliding(subject))) == expected


@given(MANY, SUBJECT)
def test_those_that_a_subject_lies_within_are_found(subjects: list[bytes], subject: bytes) -> None:
    expected = [number for number, other in enumerate(subjects) if is_subset(subject, other)]
    assert sorted(at_once(known(subjects).containing(subject))) == expected


@given(MANY)
def test_the_first_collision_is_that_of_comparing_each_with_each(subjects: list[bytes]) -> None:
    pairs = [
        (one, other)
        for one in range(len(subjects))
        for other in range(one + 1, len(subjects))
        if collide(subjects[one], subjects[other])
    ]
    assert at_once(first_collision(subjects)) == (pairs[0] if pairs else None)


@given(MANY.map(lambda subjects: [subject for subject in subjects if is_valid(subject)]))
def test_one_lies_within_another_as_comparing_each_with_each_says(subjects: list[bytes]) -> None:
    expected = any(
        at != place and is_subset(one, other) for at, one in enumerate(subjects) for place, other in enumerate(subjects)
    )
    assert at_once(one_within_another(subjects)) == expected


def count(steps: Steps[object]) -> int:
    """How many steps there are."""
    number = 1
    try:
        while True:
            next(steps)
            number += 1
    except StopIteration:
        return number


FAR_APART = {
    "literal": [b"s.%d.x" % number for number in range(2000)],
    "a star each": [b"s.%d.*" % number for number in range(2000)],
    "in front": [b"*.%d" % number for number in range(2000)],
    "across": [b"a%d.b.*" % number for number in range(150)] + [b"*.*.%d.x" % number for number in range(150)],
}


@pytest.mark.parametrize("kind", FAR_APART)
def test_many_are_looked_at_in_steps(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    split: list[int] = [0]
    monkeypatch.setattr(overlap, "tokens", lambda subject: split.append(split.pop() + 1) or subject.split(b"."))
    for look in (first_collision, one_within_another):
        split[:] = [0]
        steps = look(FAR_APART[kind])
        assert count(steps) >= split[0] // PACE
        assert split[0] <= 2 * len(FAR_APART[kind])
