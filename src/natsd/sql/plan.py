"""Which conditions of a query become part of a scan, and how.

1. A scan may give more messages than a condition asks for, never fewer: SQLite looks at every row again.
2. It does not where `is_exact` says that the scan leaves nothing to look at.
"""

from __future__ import annotations

import math

from natsd.sql.scan import MOST, Scan
from natsd.sql.values import moment
from natsd.subjects.valid import has_wildcard, is_valid, is_valid_literal

SEQ, TIME, TIME_NS, SUBJECT, HEADERS, PAYLOAD = range(6)
EQ, GT, LE, LT, GE, MATCH, LIKE, GLOB, LIMIT, OFFSET = 2, 4, 8, 16, 32, 64, 65, 66, 73, 74
"""Operators as SQLite numbers them."""
RANGES = (EQ, GT, LE, LT, GE)

DAMAGED = "\ufffd"
"""What the text of a subject has in place of bytes that are no UTF-8; what has it is not looked for in subjects."""

TAKEN = {SEQ: RANGES, TIME: RANGES, TIME_NS: RANGES, SUBJECT: (EQ, MATCH, LIKE, GLOB)}
"""The operators that a scan makes something of, by column."""


class PatternError(ValueError):
    """What stands behind MATCH is not a subject."""


def is_exact(column: int, op: int, value: object) -> bool:
    """Whether a scan with this condition gives nothing that SQLite would have to look at again."""
    if op == MATCH:
        return True
    if column in (SEQ, TIME_NS):
        return isinstance(value, int)
    if column == TIME:
        return isinstance(value, str) and moment(value) is not None
    return op == EQ and _is_subject(value)


def scan_for(conditions: list[tuple[int, int, object]]) -> Scan:
    """The scan for conditions (column, operator, value) that all hold. Raises PatternError."""
    scan = Scan()
    matched = exact = False
    for column, op, value in conditions:
        if column in (SEQ, TIME_NS):
            _narrow(scan, column, op, _number(value))
        elif column == TIME:
            at = moment(value) if isinstance(value, str) else None
            _narrow(scan, column, op, None if value is None else at if at is not None else ...)
        elif value is None:
            scan.clear()
        elif op == MATCH:
            # Only one of them is given to a scan, and nobody looks at it again.
            scan.pattern = checked_pattern(value)
            matched = True
        elif not isinstance(value, str):
            continue
        elif op == EQ:
            if _is_subject(value) and not matched and not exact:
                scan.pattern, exact = value, True
        else:
            _begin_with(scan, value, op == LIKE)
    if scan.prefix and not scan.caseless and not matched and not exact:
        scan.pattern = pattern_of(scan.prefix)
    return scan


def checked_pattern(value: object) -> str:
    """A subject with or without wildcards. Raises PatternError."""
    if isinstance(value, str) and is_valid(value.encode()):
        return value
    raise PatternError(f"{value!r} is not a subject with or without wildcards")


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and DAMAGED not in value and is_valid_literal(value.encode())


def _number(value: object) -> object:
    """A bound for whole numbers; Ellipsis where SQLite has rules of its own."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return float(min(max(value, -MOST), MOST))
    return ...


def _narrow(scan: Scan, column: int, op: int, value: object) -> None:
    if value is ...:
        return
    if not isinstance(value, (int, float)):
        # Nothing compares with NULL.
        scan.clear()
        return
    low, high = -MOST, MOST
    if op == EQ:
        low, high = math.ceil(value), math.floor(value)
    elif op == GT:
        low = math.floor(value) + 1
    elif op == GE:
        low = math.ceil(value)
    elif op == LT:
        high = math.ceil(value) - 1
    else:
        high = math.floor(value)
    if low > high or low > MOST or high < -MOST:
        scan.clear()
    elif column == SEQ:
        scan.first, scan.last = max(scan.first, low), min(scan.last, high)
    else:
        scan.since_ns, scan.until_ns = max(scan.since_ns, low), min(scan.until_ns, high)


def _begin_with(scan: Scan, pattern: str, caseless: bool) -> None:
    """Take the fixed beginning of a GLOB or LIKE pattern, where it says more than what is there already."""
    end = min((pattern.find(char) for char in ("%_" if caseless else "*?[") if char in pattern), default=len(pattern))
    prefix = pattern[:end].partition(DAMAGED)[0]
    caseless = caseless and any(char.isascii() and char.isalpha() for char in prefix)
    if not prefix or (scan.prefix and caseless):
        return
    scan.prefix, scan.caseless = prefix, caseless


def pattern_of(prefix: str) -> str:
    """The narrowest subject with a wildcard that stands for all subjects that begin so; empty where there is none."""
    whole, dot, _ = prefix.rpartition(".")
    pattern = f"{whole}.>" if dot else ""
    if not pattern or not is_valid(pattern.encode()) or has_wildcard(whole.encode()):
        return ""
    return pattern
