"""Digests, those of the Go server for the same texts."""

from __future__ import annotations

from hashlib import sha256

import pytest

from natsd.config.digest import digest_of
from natsd.config.parser import parse_text


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("", "{}"),
        ("b: 1, a: [], B {}", '{"B":{},"a":[],"b":1}'),
        ("a: true, b: off, c: -5, d: 1k", '{"a":true,"b":false,"c":-5,"d":1000}'),
        ("a: 1.5, b: 2.0, c: 0.000001, d: 0.0000001", '{"a":1.5,"b":2,"c":0.000001,"d":1e-7}'),
        ("a: 100000000000000000000.0, b: 1000000000000000000000.0", '{"a":100000000000000000000,"b":1e+21}'),
        ("a: 123456789.125, b: -0.5, c: 0.0", '{"a":123456789.125,"b":-0.5,"c":0}'),
        (r'a: "<b>&\"\\\t\n\r\x08\x0c\x01\x7f"', r'{"a":"\u003cb\u003e\u0026\"\\\t\n\r\b\f\u0001' + '\x7f"}'),
        (r'a: "\xe2\x80\xa8€\xff"', '{"a":"\\u2028€\ufffd"}'),
        ("a: 2016-05-04T18:53:41Z", '{"a":"2016-05-04T18:53:41Z"}'),
    ],
)
def test_the_digest_is_that_of_sorted_json(text: str, document: str) -> None:
    assert digest_of(parse_text(text)) == "sha256:" + sha256(f"{document}\n".encode()).hexdigest()
