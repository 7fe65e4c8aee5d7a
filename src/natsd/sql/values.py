"""How messages look in SQL: times as text, headers as JSON, payloads as text or blob; and texts that mean a time."""

from __future__ import annotations

import json
import re
from datetime import date
from time import gmtime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND_NS = 1_000_000_000

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)?\s?(Z|z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def render_times(times_ns: Iterable[int]) -> list[str]:
    """ISO 8601 in UTC, always of the same width: texts of this form sort as the times do."""
    found = []
    begin, end, head = 0, 0, ""
    for time_ns in times_ns:
        if not begin <= time_ns < end:
            begin = time_ns // SECOND_NS * SECOND_NS
            end = begin + SECOND_NS
            year, month, day, hour, minute, second = gmtime(begin // SECOND_NS)[:6]
            head = f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}."
        found.append(f"{head}{str(time_ns - begin + SECOND_NS)[1:]}Z")
    return found


def moment(text: str) -> int | None:
    """The nanoseconds of a date with or without a time and an offset (UTC without), None where it is none."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        days = date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    zone = found[8]
    if zone and zone not in "Zz":
        offset = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
        seconds += offset if zone[0] == "-" else -offset
    return seconds * SECOND_NS + int((found[7] or "").ljust(9, "0"))


def compare_times(one: str, other: str) -> int:
    """The order of the column `time`: by what is meant where both are times, which come before all other texts."""
    # Two values of the column; max(time) and ORDER BY come here for every message.
    if len(one) == 30 == len(other) and one[29] == "Z" == other[29] and one[10] == "T" == other[10]:
        return 1 if one > other else -1 if one < other else 0
    left, right = moment(one), moment(other)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    if left is None and right is None:
        return (one > other) - (one < other)
    return 1 if left is None else -1


def render_headers(block: bytes | None) -> str | None:
    """A NATS/1.0 block as a JSON object: a text for a key, an array of texts where it comes more than once."""
    if not block:
        return None
    found: dict[str, str | list[str]] = {}
    for line in block.split(b"\r\n")[1:]:
        key, colon, value = line.partition(b":")
        if not colon:
            continue
        name, text = key.decode("utf-8", "replace"), value.strip().decode("utf-8", "replace")
        before = found.get(name)
        if before is None:
            found[name] = text
        elif isinstance(before, list):
            before.append(text)
        else:
            found[name] = [before, text]
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def render_payload(payload: bytes) -> str | bytes:
    """Text where it is UTF-8 without zero bytes, else a blob."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return payload
    return payload if "\0" in text else text


def render_subject(subject: bytes) -> str:
    return subject.decode("utf-8", "replace")
