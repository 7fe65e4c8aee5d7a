"""Durations in Go's spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.base.units import LONGEST_NS, parse_duration, render_duration


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("5s", 5_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("-250ms", -250_000_000),
        ("+1us", 1_000),
        ("1µs1ns", 1_001),
        ("2m3.25s", 123_250_000_000),
    ],
)
def test_durations_are_read(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("-", "empty"),
        ("5", "unit is missing"),
        ("90s500", "unit is missing"),
        ("s", "number is missing"),
        (".s", "number is missing"),
        ("1.2.3s", "number is missing"),
        ("5d", '"d" is no unit'),
        ("5 s", '" s" is no unit'),
        ("9" * 41 + "s", "too long"),
        ("300000h" * 10, "too long"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (999, "999ns"),
        (1_500, "1.5µs"),
        (250_000_000, "250ms"),
        (1_500_000_000, "1.5s"),
        (120_000_000_000, "2m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (-5_000_000_000, "-5s"),
    ],
)
def test_durations_are_written_as_go_writes_them(ns: int, text: str) -> None:
    assert render_duration(ns) == text


@given(st.integers(-LONGEST_NS, LONGEST_NS))
def test_what_is_written_reads_back(ns: int) -> None:
    assert parse_duration(render_duration(ns)) == ns


@given(st.text("0123456789.-+nuµmsh ", max_size=30))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        assert abs(parse_duration(text)) <= LONGEST_NS
    except ValueError:
        pass
