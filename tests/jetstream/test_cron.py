"""When schedules are due, by every way to say so."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.jetstream.dates import parse_date
from natsd.jetstream.streams.cron import next_due, next_second, parse_pattern

BERLIN = ZoneInfo("Europe/Berlin")
S = 10**9


def due(text: str, after: str, now: str = "", zone: ZoneInfo | None = None) -> str:
    return next_due(text, zone, parse_date(after), parse_date(now or after)).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@at 2030-05-06T07:08:09.5Z", "2030-05-06T07:08:09.5Z"),
        ("@at 2030-05-06T07:08:09+02:00", "2030-05-06T05:08:09Z"),
        ("@every 90s", "2024-02-28T12:01:31Z"),
        ("@every 1h30m", "2024-02-28T13:30:01Z"),
        ("@every 1500ms", "2024-02-28T12:00:02.5Z"),
        ("@hourly", "2024-02-28T13:00:00Z"),
        ("@daily", "2024-02-29T00:00:00Z"),
        ("@midnight", "2024-02-29T00:00:00Z"),
        ("@weekly", "2024-03-03T00:00:00Z"),
        ("@monthly", "2024-03-01T00:00:00Z"),
        ("@yearly", "2025-01-01T00:00:00Z"),
        ("@annually", "2025-01-01T00:00:00Z"),
        ("* * * * * *", "2024-02-28T12:00:02Z"),
        ("*/20 * * * * *", "2024-02-28T12:00:20Z"),
        ("30 5/10 * * * ?", "2024-02-28T12:05:30Z"),
        ("0 0 8-10,22 * * *", "2024-02-28T22:00:00Z"),
        ("0 0 0 29 feb *", "2024-02-29T00:00:00Z"),
        ("0 0 0 28 2 *", "2025-02-28T00:00:00Z"),
        ("0 0 0 * * MON-wed", "2024-03-04T00:00:00Z"),
        ("0 0 0 13 * fri", "2024-03-01T00:00:00Z"),
        ("0 0 0 */7 * fri", "2024-02-29T00:00:00Z"),
        ("59 59 23 31 12 *", "2024-12-31T23:59:59Z"),
    ],
)
def test_the_next_time(text: str, expected: str) -> None:
    assert due(text, "2024-02-28T12:00:01Z") == expected


def test_a_date_is_due_once_and_all_else_again_and_again() -> None:
    assert not next_due("@at 2000-01-01T00:00:00Z", None, 0, 0).repeats
    assert next_due("@every 1s", None, 0, 0).repeats
    assert next_due("@hourly", None, 0, 0).repeats


@pytest.mark.parametrize("text", ["@every 10s", "*/10 * * * * *"])
def test_what_was_missed_is_left_out(text: str) -> None:
    assert due(text, "2024-01-01T00:00:00Z", "2024-06-01T00:00:00.2Z") == "2024-06-01T00:00:10Z"
    assert due(text, "2024-01-01T00:00:00Z", "2024-01-01T00:00:10Z") == "2024-01-01T00:00:10Z"


@pytest.mark.parametrize(
    "text",
    [
        "@at",
        "@at tomorrow",
        "@every 0.5s",
        "@every x",
        "@Hourly",
        "",
        "* * * * *",
        "* * * * * * *",
        "60 * * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * * 13 *",
        "* * * * * 7",
        "* * * * jan-xyz *",
        "5-1 * * * * *",
        "1-2-3 * * * * *",
        "1/2/3 * * * * *",
        "*/0 * * * * *",
        "-1 * * * * *",
        "1_0 * * * * *",
        "0 0 0 30 2 *",
        ", * * * * *",
    ],
)
def test_what_is_no_schedule_or_never_due(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        next_due(text, None, 0, 0)


@pytest.mark.parametrize("text", ["@at 2030-01-01T00:00:00Z", "@every 5s"])
def test_dates_and_intervals_have_no_time_zone(text: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        next_due(text, BERLIN, 0, 0)


def test_a_time_zone_has_its_own_midnight() -> None:
    assert due("@daily", "2024-07-01T12:00:00Z", zone=BERLIN) == "2024-07-02T00:00:00+02:00"
    assert due("@daily", "2024-01-01T12:00:00Z", zone=ZoneInfo("Africa/Abidjan")) == "2024-01-02T00:00:00Z"


def test_what_the_clock_leaves_out_in_spring_does_not_happen() -> None:
    assert due("0 30 2 * * *", "2024-03-30T12:00:00Z", zone=BERLIN) == "2024-04-01T02:30:00+02:00"


def test_what_the_clock_shows_twice_in_autumn_happens_twice() -> None:
    first = due("0 30 2 * * *", "2024-10-26T12:00:00Z", zone=BERLIN)
    assert first == "2024-10-27T02:30:00+02:00"
    assert due("0 30 2 * * *", first, zone=BERLIN) == "2024-10-27T02:30:00+01:00"


@given(
    st.lists(st.sampled_from(["*", "*/3", "1", "2-5", "4,9", "7/2"]), min_size=3, max_size=3),
    st.sampled_from(["* * *", "1-20 * *", "* 2 *", "15 * mon", "? 3/4 0-3"]),
    st.integers(0, 4 * 10**9),
)
def test_the_next_time_is_the_first_that_matches(times: list[str], days: str, after: int) -> None:
    pattern = parse_pattern(" ".join([*times, days]))
    found = next_second(pattern, UTC, after)
    here = datetime.fromtimestamp(found, UTC)
    assert found > after
    assert here.second in pattern.seconds and here.minute in pattern.minutes and here.hour in pattern.hours
    for second in range(max(after + 1, found - 300), found):
        before = datetime.fromtimestamp(second, UTC)
        day = before.day in pattern.days, before.isoweekday() % 7 in pattern.weekdays
        assert not (
            before.second in pattern.seconds
            and before.minute in pattern.minutes
            and before.hour in pattern.hours
            and before.month in pattern.months
            and (any(day) if pattern.either else all(day))
        )
