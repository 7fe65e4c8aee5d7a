"""When a schedule is due: `@at` a date, `@every` so often, or by a pattern of cron with seconds (ADR-51).

1. A pattern has six fields: second, minute, hour, day of the month, month, day of the week (0 is Sunday); `@hourly` and
   its like are such patterns. A field is `*` or `?`, numbers, names of months and days, ranges, lists, steps.
2. Where neither day field is a star, one of them has to match; else both.
3. A pattern is read by the clock of a time zone, UTC where none is named. What that clock leaves out in spring does not
   happen; what it shows twice in autumn happens twice.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from natsd.base.units import SECOND_NS, parse_duration
from natsd.jetstream.dates import parse_date, render_date

NAMED = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
MONTHS = ("", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 59, ()),
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, MONTHS),
    (0, 6, DAYS),
)
"""Least, most and names of each field."""
NUMBER = re.compile(r"\+?[0-9]{1,9}")
YEARS = 5
"""What does not happen for so long never does."""


class Due(NamedTuple):
    """A moment, wall clock nanoseconds, and whether there is one after it. text: as a header has it."""

    wall_ns: int
    repeats: bool
    text: str


class Pattern(NamedTuple):
    """Which numbers of each field match. either: one of the two fields of days is enough."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool


def next_due(text: str, zone: tzinfo | None, after_ns: int, now_ns: int) -> Due:
    """When a schedule that was due at `after_ns`, or made then, is due next; what was missed by now is left out.

    Raises ValueError where it is no schedule, or never due.
    """
    if text.startswith("@at "):
        if zone is not None:
            raise ValueError("a date has its own time zone")
        at_ns = parse_date(text[4:])
        return Due(at_ns, False, render_date(at_ns))
    if text.startswith("@every "):
        if zone is not None:
            raise ValueError("an interval has no time zone")
        every_ns = parse_duration(text[7:])
        if every_ns < SECOND_NS:
            raise ValueError("an interval is at least a second")
        at_ns = _rounded(after_ns) + every_ns
        if at_ns < now_ns:
            at_ns = _rounded(now_ns) + every_ns
        return Due(at_ns, True, render_date(at_ns))
    pattern = parse_pattern(NAMED.get(text, text))
    second = next_second(pattern, zone or UTC, after_ns // SECOND_NS)
    if second * SECOND_NS < now_ns:
        second = next_second(pattern, zone or UTC, _rounded(now_ns) // SECOND_NS)
    shown = datetime.fromtimestamp(second, zone or UTC).isoformat()
    return Due(second * SECOND_NS, True, shown.removesuffix("+00:00") + "Z" if shown.endswith("+00:00") else shown)


def _rounded(wall_ns: int) -> int:
    return (wall_ns + SECOND_NS // 2) // SECOND_NS * SECOND_NS


@lru_cache(maxsize=1024)
def parse_pattern(text: str) -> Pattern:
    """Raises ValueError."""
    fields = text.split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"a pattern has six fields, not {len(fields)}")
    found = [_parse_field(field, *bounds) for field, bounds in zip(fields, FIELDS, strict=True)]
    seconds, minutes, hours, days, months, weekdays = (numbers for numbers, _ in found)
    return Pattern(seconds, minutes, hours, days, months, weekdays, either=not (found[3][1] or found[5][1]))


def _parse_field(text: str, least: int, most: int, names: tuple[str, ...]) -> tuple[frozenset[int], bool]:
    """The numbers that match, and whether one of its parts is a star."""
    numbers: set[int] = set()
    starred = False
    for part in filter(None, text.split(",")):
        span, *steps = part.split("/")
        ends = span.split("-")
        if len(steps) > 1 or len(ends) > 2:
            raise ValueError(f"{part!r} has too much in it")
        step = _parse_number(steps[0], ()) if steps else 1
        if ends[0] in ("*", "?"):
            first, last = least, most
            starred = starred or step == 1
        else:
            first, last = _parse_number(ends[0], names), _parse_number(ends[-1], names)
            if steps and len(ends) == 1:
                last = most
        if not least <= first <= last <= most or not step:
            raise ValueError(f"{part!r} is not between {least} and {most}")
        numbers.update(range(first, last + 1, step))
    if not numbers:
        raise ValueError(f"{text!r} has no number in it")
    return frozenset(numbers), starred


def _parse_number(text: str, names: tuple[str, ...]) -> int:
    if text.lower() in names and text:
        return names.index(text.lower())
    if NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no number")
    return int(text)


def next_second(pattern: Pattern, zone: tzinfo, after_s: int) -> int:
    """The first second later than one, both since 1970, that a pattern matches. Raises ValueError for none."""
    second = after_s + 1
    here = datetime.fromtimestamp(second, zone)
    last_year = here.year + YEARS
    while here.year <= last_year:
        if here.month not in pattern.months:
            day = datetime(here.year + here.month // 12, here.month % 12 + 1, 1, tzinfo=zone)
            second = int(day.timestamp())
        elif not _matches_day(pattern, here):
            day = datetime(here.year, here.month, here.day, tzinfo=zone) + timedelta(days=1)
            second = int(day.timestamp())
        elif here.hour not in pattern.hours:
            second += 3600 - here.minute * 60 - here.second
        elif here.minute not in pattern.minutes:
            second += 60 - here.second
        elif here.second not in pattern.seconds:
            second += 1
        else:
            return second
        here = datetime.fromtimestamp(second, zone)
    raise ValueError(f"it does not happen in {YEARS} years")


def _matches_day(pattern: Pattern, here: datetime) -> bool:
    day, weekday = here.day in pattern.days, here.isoweekday() % 7 in pattern.weekdays
    return day or weekday if pattern.either else day and weekday
