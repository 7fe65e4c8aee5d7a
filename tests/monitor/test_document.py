"""Documents as text: Go's layout, and pieces of bounded size."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.monitor.document import PIECE_CHARS, Rows, number, pieces, quote, render

LAYOUT = """{
  "text": "a",
  "none": null,
  "yes": true,
  "no": false,
  "number": 7,
  "share": 0.5,
  "empty": {},
  "nothing": [],
  "rows": [
    {
      "cid": 1,
      "subs": [
        "a",
        "b"
      ]
    },
    {
      "cid": 2,
      "subs": []
    }
  ],
  "list": [
    1,
    {
      "a": 1
    }
  ],
  "no_rows": []
}"""


def document() -> dict[str, object]:
    def row(cid: int) -> dict[str, object]:
        return {"cid": cid, "subs": Rows(["a", "b"] if cid == 1 else [], str)}

    return {
        "text": "a",
        "none": None,
        "yes": True,
        "no": False,
        "number": 7,
        "share": 0.5,
        "empty": {},
        "nothing": [],
        "rows": Rows([1, 2], row),
        "list": (1, {"a": 1}),
        "no_rows": Rows([], str),
    }


def test_the_layout_is_that_of_go() -> None:
    assert "".join(pieces(document())) == LAYOUT


def test_without_indentation_it_is_one_line() -> None:
    text = "".join(pieces(document(), ""))
    assert text == json.dumps(json.loads(LAYOUT), separators=(",", ":"))


def test_an_empty_document_has_no_lines() -> None:
    assert "".join(pieces({})) == "{}"


def test_rows_are_built_only_as_the_text_is_asked_for() -> None:
    built: list[int] = []

    def row(cid: int) -> dict[str, object]:
        built.append(cid)
        return {"cid": cid, "name": "x" * 100}

    parts = pieces({"rows": Rows(range(10_000), row)})
    assert not built
    next(parts)
    assert 0 < len(built) < 200


def test_no_piece_is_much_longer_than_the_limit_even_when_one_row_is() -> None:
    row: dict[str, Any] = {"subs": Rows(range(50_000), lambda sid: f"subject.{sid}")}
    sizes = [len(part) for part in pieces({"rows": Rows([1], lambda _: row)})]
    assert max(sizes) < PIECE_CHARS + 100
    assert sum(sizes) > 500_000


def test_strings_are_escaped_as_go_does_it() -> None:
    assert quote('a"\\\n\x01é<b>&\u2028\x7f') == '"a\\"\\\\\\n\\u0001é\\u003cb\\u003e\\u0026\\u2028\x7f"'
    assert quote("\ud800") == '"?"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (2.0, "2"),
        (-3.0, "-3"),
        (0.5, "0.5"),
        (0.26666666666666666, "0.26666666666666666"),
        (1e-5, "0.00001"),
        (-1.25e-6, "-0.00000125"),
        (1e-7, "1e-07"),
        (1e20, "100000000000000000000"),
        (1.5e21, "1.5e+21"),
    ],
)
def test_floats_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_reads_back_as_itself(value: float) -> None:
    assert float(number(value)) == value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from(["", "  "]))
def test_every_document_reads_back_as_itself(value: object, indent: str) -> None:
    assert json.loads("".join(pieces(value, indent))) == value


def test_what_json_has_no_word_for_is_refused() -> None:
    with pytest.raises(TypeError, match="a document cannot hold bytes"):
        render(b"x")
