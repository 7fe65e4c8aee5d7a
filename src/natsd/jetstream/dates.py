"""Dates as they stand in JetStream's JSON: RFC 3339 with up to nine decimals. In the code a date is nanoseconds."""

from __future__ import annotations

import re
import time
from datetime import date
from functools import lru_cache

SECOND_NS = 1_000_000_000
NO_DATE = "0001-01-01T00:00:00Z"
"""How Go writes a date that is not set."""
MAX_INT64 = (1 << 63) - 1
NO_DATE_NS = -62_135_596_800 * SECOND_NS

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def parse_date(text: str) -> int:
    """Nanoseconds since 1970, negative before. Raises ValueError where it is no date."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no date as RFC 3339 writes it")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{text!r} is no time of a day")
    days = date(year, month, day).toordinal() - _EPOCH_DAY
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    zone = found[8]
    if zone != "Z":
        offset = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
        seconds += offset if zone[0] == "-" else -offset
    return seconds * SECOND_NS + int((found[7] or "0").ljust(9, "0"))


def parse_moment(text: str) -> int:
    """The same, as far as times of messages reach: 64 bits."""
    return max(-MAX_INT64 - 1, min(parse_date(text), MAX_INT64))


def render_date(wall_ns: int) -> str:
    """A date in UTC with as many decimals as it takes; the unset date for 0."""
    if wall_ns == 0 or wall_ns <= NO_DATE_NS:
        return NO_DATE
    seconds, ns = divmod(wall_ns, SECOND_NS)
    stamp = _stamp(seconds)
    return f"{stamp}.{ns:09d}".rstrip("0") + "Z" if ns else stamp + "Z"


@lru_cache(maxsize=1024)
def _stamp(seconds: int) -> str:
    """Date and time of a second; messages of one second are often shown together."""
    moment = time.gmtime(seconds)
    return f"{moment.tm_year:04d}" + time.strftime("-%m-%dT%H:%M:%S", moment)
