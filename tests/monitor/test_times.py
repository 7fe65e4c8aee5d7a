"""Dates and durations in Go's formats."""

from __future__ import annotations

import pytest

from natsd.monitor.times import SECOND_NS, date, duration, round_trip, uptime


@pytest.mark.parametrize(
    ("wall_ns", "text"),
    [
        (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
        (1_700_000_000_120_000_000, "2023-11-14T22:13:20.12Z"),
        (1_700_000_000_000_000_010, "2023-11-14T22:13:20.00000001Z"),
        (1_700_000_000_000_000_000, "2023-11-14T22:13:20Z"),
        (0, "0001-01-01T00:00:00Z"),
    ],
)
def test_a_date_has_the_decimals_it_needs(wall_ns: int, text: str) -> None:
    assert date(wall_ns) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m0s"),
        (3600, "1h0m0s"),
        (86399, "23h59m59s"),
        (86400, "1d0h0m0s"),
        (365 * 86400 + 3661, "1y0d1h1m1s"),
        (-5, "0s"),
    ],
)
def test_an_uptime_is_in_whole_units(seconds: float, text: str) -> None:
    assert uptime(int(seconds * SECOND_NS)) == text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (999, "999ns"),
        (1000, "1µs"),
        (1500, "1.5µs"),
        (1_050_045, "1.050045ms"),
        (SECOND_NS, "1s"),
        (1_500_000_000, "1.5s"),
        (60 * SECOND_NS, "1m0s"),
        (3_661_500_000_000, "1h1m1.5s"),
    ],
)
def test_a_duration_is_in_its_largest_unit(ns: int, text: str) -> None:
    assert duration(ns) == text


@pytest.mark.parametrize(("ns", "text"), [(545_678, "545µs"), (999, "999ns"), (1_050_045, "1.050045ms"), (0, "0s")])
def test_a_round_trip_below_a_millisecond_is_in_whole_microseconds(ns: int, text: str) -> None:
    assert round_trip(ns) == text
