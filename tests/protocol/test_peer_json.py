"""JSON from peers."""

from __future__ import annotations

import pytest

from natsd.protocol.peer_json import load_json


def test_an_object_is_its_pairs_in_order_with_equal_keys_kept() -> None:
    assert load_json(b'{"b":1,"a":[2,{"c":null}],"b":3}') == (("b", 1), ("a", [2, (("c", None),)]), ("b", 3))
    assert load_json(b"{}") == ()
    assert load_json(b"[]") == []


def test_bytes_that_are_no_text_are_mended() -> None:
    assert load_json(b'"\xff"') == "\ufffd"


@pytest.mark.parametrize("raw", [b"", b"{", b"NaN", b"-Infinity", b'{"a":Infinity}', b"{} x", b"'a'", b'"\n"', b"\xff"])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        load_json(raw)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"k":', b"}")])
def test_deep_nesting_is_read_as_far_as_it_goes(opening: bytes, closing: bytes) -> None:
    raw = b'{"x":' + opening * 3000 + b"1" + closing * 3000 + b',"y":"]\\"[","z":[1,2]}'
    pairs = dict(load_json(raw))
    assert pairs["y"] == ']"['
    assert pairs["z"] == [1, 2]


@pytest.mark.parametrize("tail", [b"]" * 2999 + b"}", b"]" * 3001, b"}" * 3000, b"]" * 2999])
def test_deep_nesting_that_does_not_end_as_it_began_is_refused(tail: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        load_json(b"[" * 3000 + tail)
