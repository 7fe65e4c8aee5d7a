"""Transforms that can be turned round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.subjects.placeholder import TransformError
from natsd.subjects.two_way import TwoWay, common
from natsd.subjects.valid import tokens


@pytest.mark.parametrize(
    ("source", "destination", "subject", "becomes"),
    [
        (b"a", b"b", b"a", b"b"),
        (b"a.*", b"b.*", b"a.1", b"b.1"),
        (b"a.*.*", b"$2.b.{{wildcard(1)}}", b"a.1.2", b"2.b.1"),
        (b"a.*.>", b"x.>", None, None),
        (b"a.>", b"x.y.>", b"a.1.2", b"x.y.1.2"),
        (b"*.>", b"p.*.>", b"1.2.3", b"p.1.2.3"),
        (b"a.*", b"$1.$1", b"a.1", b"1.1"),
        (b">", b"p.>", b"a.b", b"p.a.b"),
    ],
)
def test_a_subject_goes_there_and_back(
    source: bytes, destination: bytes, subject: bytes | None, becomes: bytes | None
) -> None:
    if subject is None or becomes is None:
        with pytest.raises(TransformError):
            TwoWay(source, destination)
        return
    way = TwoWay(source, destination)
    assert way.forward(subject) == becomes
    assert way.back(tokens(becomes)) == subject


@pytest.mark.parametrize(
    ("source", "destination", "complaint"),
    [
        (b"a.*", b"b", "every wildcard"),
        (b"a.*", b"b.{{partition(3,1)}}", "turned round"),
        (b"a.*", b"b.$2", "no wildcard 2"),
        (b"a.*", b"b.*.*", "no wildcard 2"),
        (b"a.>", b"b", "end in >"),
        (b"a.*", b"b.*.>", "end in >"),
        (b"a", b"b.*", "nothing to put"),
        (b"a..b", b"b", "source 'a..b' is no valid"),
        (b"a", b"b c", "destination 'b c' is no valid"),
    ],
)
def test_what_cannot_be_turned_round_is_refused(source: bytes, destination: bytes, complaint: str) -> None:
    with pytest.raises(TransformError, match=complaint):
        TwoWay(source, destination)


def test_patterns_go_back_too_and_what_contradicts_itself_is_nothing() -> None:
    way = TwoWay(b"a.*.>", b"p.$1.$1.>")
    assert way.pattern == b"p.*.*.>"
    assert way.back(tokens(b"p.*.1.x.*")) == b"a.1.x.*"
    assert way.back(tokens(b"p.1.1.>")) == b"a.1.>"
    assert way.back(tokens(b"p.1.2.>")) is None


words = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3)
patterns = st.tuples(words, st.booleans()).map(lambda both: (".".join(both[0]) + (".>" if both[1] else "")).encode())
subjects = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5).map(
    lambda parts: ".".join(parts).encode()
)


def takes(pattern: bytes, subject: bytes) -> bool:
    wanted, given = pattern.split(b"."), subject.split(b".")
    for at, token in enumerate(wanted):
        if token == b">":
            return len(given) > at
        if at >= len(given) or token not in (b"*", given[at]):
            return False
    return len(wanted) == len(given)


@given(patterns, patterns, subjects)
def test_what_two_patterns_have_in_common_is_what_both_take(one: bytes, other: bytes, subject: bytes) -> None:
    shared = common(tokens(one), tokens(other))
    expected = takes(one, subject) and takes(other, subject)
    assert (shared is not None and takes(b".".join(shared), subject)) == expected
