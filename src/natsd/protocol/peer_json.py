"""JSON that a peer sent, read as leniently as the Go server reads it.

An object comes back as a tuple of its (key, value) pairs, in order and with equal keys kept, because what equal keys
mean is for the reader of the record to say.
"""

from __future__ import annotations

from typing import Any

DEPTH = 100
"""Nesting up to here is read; what is deeper is checked for its brackets only, and read as 0."""


def load_json(raw: bytes) -> Any:
    """The value. Bytes that are no UTF-8 are mended. Raises ValueError."""
    from json import loads

    text = raw.decode("utf-8", "replace")
    try:
        return loads(text, object_pairs_hook=tuple, parse_constant=_refuse)
    except RecursionError:
        return loads(_cut_deep_parts(text), object_pairs_hook=tuple, parse_constant=_refuse)


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


def _cut_deep_parts(text: str) -> str:
    kept: list[str] = []
    brackets: list[str] = []
    in_string = escaped = False
    for char in text:
        depth = len(brackets)
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "[{":
            brackets.append(char)
            if depth == DEPTH:
                kept.append("0")
        elif char in "]}" and (not brackets or brackets.pop() + char not in ("[]", "{}")):
            raise ValueError(f"unexpected {char!r}")
        if max(depth, len(brackets)) <= DEPTH:
            kept.append(char)
    return "".join(kept)
