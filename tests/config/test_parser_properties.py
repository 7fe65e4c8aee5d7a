"""Laws of the configuration language."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from natsd.config.digest import digest_of
from natsd.config.parser import parse_text
from natsd.config.problems import ConfigError
from natsd.config.setting import Setting
from tests.config.readings import parse, world
from tests.fuzz.config import PIECES

WORDS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    WORDS,
    st.floats(-1e15, 1e15).map(lambda number: round(number, 3)).filter(lambda number: "e" not in repr(number)),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=15
)
KEYS = WORDS.filter(lambda word: "'" not in word and '"' not in word and "\\" not in word)


def plain_keys(value: Any) -> Any:
    """The value with keys that have no escapes: keys of the language know none."""
    if isinstance(value, dict):
        return {key.replace('"', "").replace("\\", ""): plain_keys(item) for key, item in value.items()}
    return [plain_keys(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(KEYS, VALUES, max_size=4).map(plain_keys))
def test_json_means_what_it_says(value: dict[str, object]) -> None:
    assert parse(json.dumps(value, ensure_ascii=False)) == value
    assert parse(json.dumps(value, ensure_ascii=False, indent=2)) == value


@given(st.dictionaries(KEYS, VALUES, max_size=4).map(plain_keys))
def test_the_digest_is_that_of_what_is_said_and_not_of_how(value: dict[str, object]) -> None:
    one = parse_text(json.dumps(value, ensure_ascii=False))
    other = parse_text("# remark\n" + json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True))
    assert digest_of(one) == digest_of(other)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_text_is_read_or_refused_with_places_in_it(text: str) -> None:
    lines = text.count("\n") + 1
    try:
        found = parse_text(text, "main.conf", world({"a.conf": "q: 1", "b.conf": text}, {"E": "[1, $F]", "F": "x"}))
    except ConfigError as error:
        assert error.errors
        for problem in error.errors:
            assert "\n" not in str(problem)
            assert problem.file != "main.conf" or 1 <= problem.line <= lines and problem.column >= 1
    else:
        look_through(found)


def look_through(found: dict[str, Setting]) -> None:
    for setting in found.values():
        assert setting.line >= 1 and setting.column >= 1
        json.dumps(setting.plain(), default=str)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse_text(data.decode("utf-8", "surrogateescape"))
    except ConfigError as error:
        assert error.errors
