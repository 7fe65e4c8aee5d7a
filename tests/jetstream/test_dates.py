"""Dates in JetStream's JSON."""

from __future__ import annotations

import pytest

from natsd.jetstream.dates import NO_DATE, NO_DATE_NS, parse_date, render_date


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("2023-11-14T22:13:20.5Z", 1_700_000_000_500_000_000),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000_000_000_000),
        ("1969-12-31T23:59:59.75Z", -250_000_000),
        (NO_DATE, NO_DATE_NS),
    ],
)
def test_a_date_is_read(text: str, ns: int) -> None:
    assert parse_date(text) == ns


@pytest.mark.parametrize("text", ["", "2023", "2023-13-01T00:00:00Z", "2023-01-01T24:00:00Z", "2023-01-01T00:00:00"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_date(text)


def test_a_date_is_written_in_utc_without_needless_zeros() -> None:
    assert render_date(1_700_000_000_500_000_000) == "2023-11-14T22:13:20.5Z"
    assert render_date(1_700_000_000_000_000_000) == "2023-11-14T22:13:20Z"
    assert render_date(0) == NO_DATE
    assert parse_date(render_date(-250_000_000)) == -250_000_000
