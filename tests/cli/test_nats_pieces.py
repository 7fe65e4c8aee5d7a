"""Numbers, durations, sizes, tables, templates and bars of the `nats` command."""

from __future__ import annotations

import re

import pytest

from natsd.cli.progress import Bar
from natsd.cli.table import render_table, text_width
from natsd.cli.templates import Template, TemplateError, random_text
from natsd.cli.values import (
    comma_fraction,
    go_duration,
    ibytes,
    old_bytes,
    parse_duration,
    parse_size,
    quote,
    short_duration,
)

S = 1_000_000_000


@pytest.mark.parametrize(
    ("ns", "exact", "short"),
    [
        (0, "0s", "0s"),
        (1, "1ns", "0s"),
        (649_899, "649.899µs", "650µs"),
        (1_000, "1µs", "1µs"),
        (13_200_000, "13.2ms", "13ms"),
        (999_999_999, "999.999999ms", "1s"),
        (1_234_567_890, "1.23456789s", "1.23s"),
        (65 * S, "1m5s", "1m5s"),
        (7205 * S, "2h0m5s", "2h0m5s"),
        (3 * 86400 * S + S, "72h0m1s", "3d0h0m1s"),
        (400 * 86400 * S, "9600h0m0s", "1y35d0h0m0s"),
        (-1500, "-1.5µs", "-2µs"),
    ],
)
def test_durations(ns: int, exact: str, short: str) -> None:
    assert go_duration(ns) == exact
    assert short_duration(ns) == short


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("5s", 5 * S),
        ("300ms", 300_000_000),
        ("1.5h", 5400 * S),
        ("1h5m", 3900 * S),
        ("1d3h5m2s", 97502 * S),
        ("2w", 14 * 86400 * S),
        ("1M", 30 * 86400 * S),
        ("1y", 365 * 86400 * S),
        ("7us", 7000),
        ("7µs", 7000),
        (".5s", S // 2),
        ("10ns", 10),
    ],
)
def test_durations_are_read(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "5", "s", "5x", "1..2s", "-1s", ".s", "soon", "1s2"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("128", 128),
        ("128B", 128),
        ("1k", 1024),
        ("1KB", 1024),
        ("1KiB", 1024),
        ("1.5 MiB", 3 << 19),
        ("2G", 2 << 30),
        ("1TB", 1 << 40),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "B", "iB", "1iB", "x", "-1", "nan", "inf", "1Q"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="invalid size"):
        parse_size(text)


def test_sizes_are_written() -> None:
    assert [ibytes(size) for size in (0, 1023, 1024, 1288490189, 357564416, (1 << 20) - 1)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.2 GiB",
        "341 MiB",
        "1.0 MiB",
    ]
    assert [old_bytes(size) for size in (10, 1793132830)] == ["10.00 B", "1.67 GB"]


def test_fractions_have_as_many_digits_as_they_need() -> None:
    assert [comma_fraction(value) for value in (0.1, 1234.567, 3.0, 1000.0)] == ["0.1", "1,234.57", "3", "1,000"]


def test_quoting_shows_what_cannot_be_printed() -> None:
    assert quote("\u4e3b\u9898.x") == '"\u4e3b\u9898.x"'
    assert quote('a"b\\c\x01\n\udcff') == '"a\\"b\\\\c\\x01\\n\\xff"'


def test_a_table() -> None:
    assert render_table(
        "Known Contexts", ("Name", "Description"), [("local*", "Localhost")], right=" r"
    ).splitlines() == [
        "╭──────────────────────╮",
        "│    Known Contexts    │",
        "├────────┬─────────────┤",
        "│ Name   │ Description │",
        "├────────┼─────────────┤",
        "│ local* │   Localhost │",
        "╰────────┴─────────────╯",
    ]


def test_a_table_counts_columns_not_characters() -> None:
    lines = render_table("", ("\u4e3b\u9898",), [("e\u0301",)], ("a long footer",)).splitlines()
    assert {text_width(line) for line in lines} == {17}
    assert len({text_width(line) for line in render_table("a title that is longer", ("A", "B"), []).splitlines()}) == 1


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("plain", "plain"),
        ("{{Count}}-{{.Cnt}}-{{ Count }}", "7-7-7"),
        ("{{Unix}}", r"\d{10}"),
        ("{{UnixNano}}", r"\d{19}"),
        ("{{Time}}", r"(1[0-2]|[1-9]):[0-5]\d[AP]M"),
        ("{{TimeStamp}}", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"),
        ("{{ID}}", r"\w{22}"),
        ("{{Random 10 20}}", r"[A-Za-z0-9]{10,20}"),
        ("<{{Request}}>", "<body>"),
        ("}} {x}", r"\}\} \{x\}"),
    ],
)
def test_templates(text: str, pattern: str) -> None:
    assert re.fullmatch(pattern, Template(text.encode()).render(7, b"body").decode())


@pytest.mark.parametrize(
    "text", ["{{", "{{}}", "{{Nope}}", "{{Count 1}}", "{{Random}}", "{{Random 5 1}}", "{{Random a b}}"]
)
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(TemplateError):
        Template(text.encode())


def test_bytes_around_a_template_stay() -> None:
    assert Template(b"\xff{{Count}}\0").render(1) == b"\xff1\0"


def test_random_texts_reach_both_ends() -> None:
    assert {len(random_text(1, 3)) for _ in range(200)} == {1, 2, 3}


def test_bars() -> None:
    bar = Bar(100, "Publishing")
    bar.done = 50
    assert re.fullmatch(r"Publishing    3s \[=+>-+\]  50%", bar.render(3.7, 60))
    bar.done, bar.state = 100, "Finished"
    assert re.fullmatch(r"Finished    1m5s \[=+\] 100%", bar.render(65, 60))
    counting = Bar(40, "")
    counting.done = 20
    assert re.fullmatch(r" 50% \[=+>-+\] \[20 in 2s; 10/s\]", counting.render(2.0, 60))
    assert len(counting.render(2.0, 60)) <= 60
    assert re.fullmatch(r"100% \[=+\] \[0 in 0s; 0/s\]", Bar(0, "").render(0, 60))
