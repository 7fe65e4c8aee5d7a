"""The plain definition of matching."""

from __future__ import annotations

import pytest

from natsd.subjects.match import matches


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
