"""Which scan conditions make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.sql import plan
from natsd.sql.plan import EQ, GE, GLOB, GT, LE, LIKE, LT, MATCH, SEQ, SUBJECT, TIME, TIME_NS, PatternError, scan_for
from natsd.sql.scan import MOST, Scan
from natsd.subjects.match import matches

COMPARES = {
    EQ: lambda a, b: a == b,
    GT: lambda a, b: a > b,
    GE: lambda a, b: a >= b,
    LT: lambda a, b: a < b,
    LE: lambda a, b: a <= b,
}
NUMBERS = st.one_of(
    st.integers(-5, 25), st.floats(-5, 25), st.sampled_from([float("inf"), float("-inf"), MOST, -MOST - 1, 1e300])
)


@given(st.lists(st.tuples(st.sampled_from(sorted(COMPARES)), NUMBERS), max_size=4))
def test_bounds_of_numbers_are_exactly_what_they_say(bounds: list[tuple[int, float]]) -> None:
    by_seq = scan_for([(SEQ, op, value) for op, value in bounds])
    by_time = scan_for([(TIME_NS, op, value) for op, value in bounds])
    for number in range(1, 21):
        expected = all(COMPARES[op](number, value) for op, value in bounds)
        assert (by_seq.first <= number <= by_seq.last and not by_seq.is_empty) == expected
        assert (by_time.since_ns <= number <= by_time.until_ns and not by_time.is_empty) == expected


def test_nothing_compares_with_null() -> None:
    for column, op in ((SEQ, EQ), (TIME, GT), (TIME_NS, LE), (SUBJECT, EQ), (SUBJECT, GLOB), (SUBJECT, MATCH)):
        assert scan_for([(column, op, None)]).is_empty


@pytest.mark.parametrize("value", ["5", b"5"])
def test_other_kinds_of_values_leave_it_to_sqlite(value: object) -> None:
    assert scan_for([(SEQ, EQ, value), (TIME_NS, LT, value), (TIME, GE, value)]).as_list() == Scan().as_list()
    assert not plan.is_exact(SEQ, EQ, value)
    assert not plan.is_exact(TIME, EQ, value)


def test_times_are_what_they_mean() -> None:
    scan = scan_for([(TIME, GT, "1970-01-01 00:00:01"), (TIME, LE, "1970-01-01T01:00:02+01:00")])
    assert (scan.since_ns, scan.until_ns) == (1_000_000_001, 2_000_000_000)
    assert plan.is_exact(TIME, GT, "1970-01-01")
    assert not plan.is_exact(TIME, GT, "soon")


@pytest.mark.parametrize(
    ("conditions", "pattern", "prefix", "caseless"),
    [
        ([(EQ, "a.b")], "a.b", "", False),
        ([(EQ, "a.b"), (EQ, "a.c")], "a.b", "", False),
        ([(EQ, "a.*")], "", "", False),
        ([(EQ, "a..b")], "", "", False),
        ([(EQ, "a.\ufffd")], "", "", False),
        ([(EQ, 5)], "", "", False),
        ([(MATCH, "a.*")], "a.*", "", False),
        ([(EQ, "a.b"), (MATCH, "a.>")], "a.>", "", False),
        ([(MATCH, "a.>"), (EQ, "a.b")], "a.>", "", False),
        ([(GLOB, "a.b*")], "a.>", "a.b", False),
        ([(GLOB, "a.b.[cd]")], "a.b.>", "a.b.", False),
        ([(GLOB, "a.b")], "a.>", "a.b", False),
        ([(GLOB, "ab*")], "", "ab", False),
        ([(GLOB, "*")], "", "", False),
        ([(GLOB, "a..b*")], "", "a..b", False),
        ([(GLOB, "a.b*"), (EQ, "a.bc")], "a.bc", "a.b", False),
        ([(LIKE, "a.b%")], "", "a.b", True),
        ([(LIKE, "1.2_%")], "1.>", "1.2", False),
        ([(LIKE, "%x")], "", "", False),
        ([(GLOB, "a.*"), (LIKE, "A.B%")], "a.>", "a.", False),
        ([(GLOB, "a.\ufffd*")], "a.>", "a.", False),
    ],
)
def test_what_subjects_become(conditions: list[tuple[int, object]], pattern: str, prefix: str, caseless: bool) -> None:
    scan = scan_for([(SUBJECT, op, value) for op, value in conditions])
    assert (scan.pattern, scan.prefix, scan.caseless) == (pattern, prefix, caseless)


@given(st.text("ab.*>é", max_size=8), st.text("ab.é", min_size=1, max_size=8))
def test_a_pattern_for_a_beginning_leaves_nothing_out(prefix: str, subject: str) -> None:
    pattern = plan.pattern_of(prefix)
    valid = "" not in subject.split(".")
    if pattern and valid and subject.startswith(prefix):
        assert matches(pattern.encode(), subject.encode())


@pytest.mark.parametrize("value", ["", "a..b", "a b", ">.a", 5, b"a"])
def test_what_stands_behind_match_has_to_be_a_subject(value: object) -> None:
    with pytest.raises(PatternError, match="is not a subject"):
        scan_for([(SUBJECT, MATCH, value)])
