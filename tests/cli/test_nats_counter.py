"""`nats counter` against a server with JetStream."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.streams import Inside
else:
    Inside = Any


@pytest.fixture
def counting(inside: Inside) -> Inside:
    inside.ok("stream", "add", "C", "--subjects", "c.>", "--allow-counter", "--defaults")
    return inside


def viewed(counting: Inside, wanted: str, *more: str) -> str:
    """The counter of a source, seen once it has something."""
    ends = time.monotonic() + 60
    while wanted not in (out := counting.run("counter", "view", "c.a", "--stream", "D", *more).out):
        assert time.monotonic() < ends, out
    return out


def test_what_is_added_and_taken_is_shown_as_the_sum(counting: Inside) -> None:
    sums = [counting.ok("counter", *words) for words in (("incr", "c.a", "5"), ("decrement", "c.a", "7"))]
    assert sums == ["5\n", "-2\n"]
    assert counting.ok("counter", "increment", "c.a", "-3") == "-5\n"
    assert counting.ok("counter", "get", "c.a") == counting.ok("counter", "get", "c.a", "--stream", "C") == "-5\n"
    assert counting.ok("counter", "incr", "c.a", "9" * 30) == "9" * 29 + "4\n"


def test_a_counter_is_shown_with_its_sources(counting: Inside) -> None:
    counting.ok("counter", "incr", "c.a", "1000")
    out = counting.ok("counter", "view", "c.a")
    for row in ("Counter c.a\n", "      Value: 1,000\n", "  Increment: 1,000\n", "    Subject: c.a\n"):
        assert row in out
    assert out.endswith("No source information found\n")
    counting.ok("stream", "add", "D", "--subjects", "d.>", "--allow-counter", "--defaults", "--source", "C")
    counting.ok("counter", "incr", "c.a", "1")
    out = viewed(counting, "C: c.a: 1001\n")
    assert "Sources:\n\n" in out


def test_counters_are_listed(counting: Inside) -> None:
    for subject in ("c.b", "c.a", "c.a.x"):
        counting.ok("counter", "incr", subject, "1")
    assert counting.ok("counter", "ls", "--stream", "C") == "c.a\nc.a.x\nc.b\n"
    assert counting.json("counter", "ls", "c.*") == ["c.a", "c.b"]
    assert counting.run("counter", "ls").err == "nats: error: no stream or subject specified\n"
    assert counting.run("counter", "ls", "x", "--stream", "C").err == "nats: error: no counters found\n"


def test_counters_are_json_too(counting: Inside) -> None:
    added = {"stream": "C", "subject": "c.a", "seq": 1, "val": "5"}
    assert counting.json("counter", "incr", "c.a", "5") == added
    assert counting.json("counter", "decr", "c.a", "7") == {**added, "seq": 2, "val": "-2"}
    assert counting.json("counter", "get", "c.a") == {"subject": "c.a", "val": "-2"}
    counting.ok("stream", "add", "D", "--subjects", "d.>", "--allow-counter", "--defaults", "--source", "C")
    counting.ok("counter", "incr", "c.a", "1")
    shown = {"subject": "c.a", "val": "-1", "increment": "1", "sources": {"C": {"c.a": "-1"}}}
    assert json.loads(viewed(counting, '"val": "-1"', "-j")) == shown


def test_what_is_no_counter_is_an_error(counting: Inside) -> None:
    counting.ok("stream", "add", "E", "--subjects", "e", "--defaults")
    for words, text in (
        (("get", "c.none"), "counter not initialized for subject: c.none"),
        (("get", "nothing"), "stream not found"),
        (("get", "e"), '"E" is not a valid counter stream'),
        (("incr", "e", "1"), '"E" is not a valid counter stream'),
        (("incr", "c.a", "x"), "invalid value"),
        (("incr", "c.a", "1.5"), "invalid value"),
    ):
        result = counting.run("counter", *words)
        assert result.code == 1
        assert text in result.err
