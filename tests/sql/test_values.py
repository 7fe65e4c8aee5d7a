"""Times, headers and payloads as SQL has them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.sql.values import (
    SECOND_NS,
    compare_times,
    moment,
    render_headers,
    render_payload,
    render_subject,
    render_times,
)

TIMES = st.integers(-60_000_000_000 * SECOND_NS, 9_000_000_000 * SECOND_NS)


def _text(time_ns: int) -> str:
    return render_times([time_ns])[0]


@given(st.lists(st.one_of(TIMES, st.integers(-3 * SECOND_NS, 3 * SECOND_NS))))
def test_times_of_a_batch_have_the_text_that_each_has_alone(times: list[int]) -> None:
    assert render_times(times) == [_text(time_ns) for time_ns in times]


@given(TIMES)
def test_a_time_comes_back_from_its_text(time_ns: int) -> None:
    assert moment(_text(time_ns)) == time_ns


@given(TIMES, TIMES)
def test_texts_sort_as_the_times_do(one: int, other: int) -> None:
    expected = (one > other) - (one < other)
    assert compare_times(_text(one), _text(other)) == expected
    if one >= 0 and other >= 0:
        assert (_text(one) > _text(other)) - (_text(one) < _text(other)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:01", 60 * SECOND_NS),
        ("1970-01-01 00:00:02", 2 * SECOND_NS),
        ("1970-01-01T00:00:00.5Z", SECOND_NS // 2),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1970-01-01 01:00:00 -0030", 5400 * SECOND_NS),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1970-01-01T00:00:00.0000000019Z", 1),
        ("1970-13-01", None),
        ("1970-01-01T24:00", None),
        ("1970-01-01T00:60", None),
        ("now", None),
        ("", None),
        ("1970-01-01T", None),
    ],
)
def test_what_means_a_time(text: str, expected: int | None) -> None:
    assert moment(text) == expected


TEXTS = st.one_of(
    TIMES.map(_text),
    TIMES.map(lambda ns: _text(ns)[:19].replace("T", " ")),
    TIMES.map(lambda ns: _text(ns)[:10]),
    st.text(max_size=3),
)


@given(TEXTS, TEXTS, TEXTS)
def test_the_order_of_times_is_an_order(a: str, b: str, c: str) -> None:
    assert compare_times(a, a) == 0
    assert compare_times(a, b) == -compare_times(b, a)
    if compare_times(a, b) <= 0 and compare_times(b, c) <= 0:
        assert compare_times(a, c) <= 0


def test_headers_are_an_object_with_arrays_for_what_comes_again() -> None:
    block = b"NATS/1.0\r\nA: 1\r\nB: x: y\r\nA: 2\r\nA:3\r\nnone\r\n\r\n"
    text = render_headers(block)
    assert text is not None
    assert json.loads(text) == {"A": ["1", "2", "3"], "B": "x: y"}
    assert render_headers(None) is None
    assert render_headers(b"") is None
    assert render_headers(b"NATS/1.0\r\n\r\n") == "{}"


def test_a_payload_is_text_where_it_can_be() -> None:
    assert render_payload("grüß".encode()) == "grüß"
    assert render_payload(b"") == ""
    assert render_payload(b"\xff") == b"\xff"
    assert render_payload(b"a\0b") == b"a\0b"
    assert render_subject(b"a.\xff") == "a.\ufffd"
