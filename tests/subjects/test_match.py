"""The plain definition of matching."""

from __future__ import annotations

import pytest

from natsd.subjects.match import collide, is_subset, matches


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        (b"a", b"a"),
        (b"a.b", b"a.b"),
        (b"*", b"a"),
        (b"a.*", b"a.b"),
        (b"*.*", b"a.b"),
        (b">", b"a"),
        (b">", b"a.b.c"),
        (b"a.>", b"a.b.c"),
        (b"*.>", b"a.b"),
        (b"a*", b"a*"),
        (b"*", b"*"),
        (b"a.>", b"a.>"),
    ],
)
def test_a_subject_that_is_reached(pattern: bytes, subject: bytes) -> None:
    assert matches(pattern, subject)


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        (b"a", b"b"),
        (b"a", b"a.b"),
        (b"a.b", b"a"),
        (b"*", b"a.b"),
        (b"a.*", b"a"),
        (b"a.>", b"a"),
        (b"a*", b"ab"),
        (b">", b""),
        (b">", b"a..b"),
        (b"*.b", b".b"),
        (b"a", b"*"),
        (b"A", b"a"),
    ],
)
def test_a_subject_that_is_not_reached(pattern: bytes, subject: bytes) -> None:
    assert not matches(pattern, subject)


@pytest.mark.parametrize(
    ("subject", "of", "subset", "colliding"),
    [
        (b"a.b", b"a.b", True, True),
        (b"a.b", b"a.*", True, True),
        (b"a.*", b"a.b", False, True),
        (b"a.*", b"*.*", True, True),
        (b"a.*", b"a.>", True, True),
        (b"a.>", b"a.*", False, True),
        (b"a.>", b"a.>", True, True),
        (b"a.>", b">", True, True),
        (b"a", b"a.>", False, False),
        (b"a.*.c", b"a.b.*", False, True),
        (b"a.*.c", b"a.b.d", False, False),
        (b"a.*", b"a.b.c", False, False),
        (b"a.b", b"a.c", False, False),
    ],
)
def test_patterns_are_within_one_another_or_meet(subject: bytes, of: bytes, subset: bool, colliding: bool) -> None:
    assert is_subset(subject, of) is subset
    assert collide(subject, of) is colliding
    assert collide(of, subject) is colliding
