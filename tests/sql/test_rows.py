"""Rows as lines."""

from __future__ import annotations

import json

from natsd.sql.rows import render_row


def test_a_row_is_a_line_of_json() -> None:
    assert render_row((1, None, 2.5, 'a\n"ü')) == '[1,null,2.5,"a\\n\\"ü"]\n'.encode()


def test_blobs_and_numbers_without_json_have_a_form_of_their_own() -> None:
    assert json.loads(render_row((b"\xff\0", float("inf"), float("-inf"), 1.5))) == [
        {"base64": "/wA="},
        "inf",
        "-inf",
        1.5,
    ]
