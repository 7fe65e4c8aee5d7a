"""Certificates whose names look like somebody else's: parts of several values, orders, escapes, repetitions.

CVE-2026-33248. Names are compared by what they say, and by nothing that a certificate can make look the same.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natsd.auth.certificate import Owners, escaped, parse_name

values = st.sampled_from(("a", "b", "a,CN=b", "a+CN=b", " a", "a ", "#a", "a\\", 'a"', "a=b", "é", "a;b", "<a>"))
pairs = st.tuples(st.sampled_from(("CN", "O", "OU")), values)
parts = st.lists(pairs, min_size=1, max_size=2, unique_by=lambda pair: pair[0]).map(frozenset)
names = st.lists(parts, min_size=1, max_size=4)


def render(name: list[frozenset[tuple[str, str]]]) -> str:
    return ",".join("+".join(f"{kind}={escaped(value)}" for kind, value in sorted(part)) for part in name)


@settings(deadline=None)
@given(names, names)
def test_two_names_are_one_only_where_they_have_the_same_parts(
    one: list[frozenset[tuple[str, str]]], other: list[frozenset[tuple[str, str]]]
) -> None:
    text = render(one)
    assert parse_name(text) == one
    owners = Owners([text])
    assert owners.find(one)[:1] == [text]
    assert bool(owners.find(other)) is (Counter(one) == Counter(other))


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("CN=a,O=x,O=x", "CN=a,CN=a,O=x"),
        ("CN=a,CN=a,O=x", "CN=a,O=x,O=x"),
        ("CN=a+O=x", "CN=a,O=x"),
        ("CN=a,O=x", "CN=a+O=x"),
        ("CN=a", "CN=a,CN=a"),
        ("CN=a\\,O=x", "CN=a,O=x"),
        ("CN=a", "CN=A"),
        ("CN=a", "O=a"),
        ("CN=a,O=x", "CN=a"),
        ("CN=a\\20", "CN=a"),
    ],
)
def test_names_that_only_look_alike_are_two(user: str, subject: str) -> None:
    wanted = parse_name(subject)
    assert wanted is not None
    assert Owners([user]).find(wanted) == []


@pytest.mark.parametrize("text", ["", "=", "=a", "CN", "CN=a,", "CN=a+", "CN=a\\", "CN=a\\2", "CN=a\\zz", ",CN=a", "+CN=a"])
def test_what_is_no_name_is_nobodys(text: str) -> None:
    assert parse_name(text) is None
    assert Owners([text, "CN=a"]).find([frozenset({("CN", "b")})]) == []
