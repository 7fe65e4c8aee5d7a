"""Rows of a result as text: one JSON array a line. A blob is an object {"base64": "..."}."""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from natsd.sql.query import Value


def _blob(value: bytes) -> dict[str, str]:
    return {"base64": b2a_base64(value, newline=False).decode()}


_encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), default=_blob)


def render_row(row: Sequence[Value]) -> bytes:
    """One line. Numbers that JSON does not have (infinity) are texts."""
    if any(isinstance(value, float) and value - value != 0 for value in row):
        row = [str(value) if isinstance(value, float) and value - value != 0 else value for value in row]
    return _encoder.encode(row).encode() + b"\n"
