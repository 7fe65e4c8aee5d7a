"""The digest of a configuration: SHA-256 of what it says as JSON, comments and layout left out.

The JSON is that of Go's encoder, keys sorted and a line break at the end, so that both servers agree on the digest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.config.setting import Map, Value

_SPECIAL = re.compile('[\\x00-\\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def digest_of(settings: Map) -> str:
    """`sha256:` and the digest in hexadecimal."""
    from hashlib import sha256

    parts: list[str] = []
    _render(settings, parts)
    parts.append("\n")
    return "sha256:" + sha256("".join(parts).encode()).hexdigest()


def _render(value: Value, parts: list[str]) -> None:
    # Parsing has bounded the nesting.
    if isinstance(value, dict):
        parts.append("{")
        for at, key in enumerate(sorted(value, key=lambda key: key.encode("utf-8", "surrogateescape"))):
            parts.append(f"{',' if at else ''}{_string(key)}:")
            _render(value[key].value, parts)
        parts.append("}")
    elif isinstance(value, list):
        parts.append("[")
        for at, item in enumerate(value):
            if at:
                parts.append(",")
            _render(item.value, parts)
        parts.append("]")
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif isinstance(value, int):
        parts.append(str(value))
    elif isinstance(value, float):
        parts.append(_float(value))
    elif isinstance(value, str):
        parts.append(_string(value))
    else:
        parts.append(value.strftime('"%Y-%m-%dT%H:%M:%SZ"'))


def _string(text: str) -> str:
    return '"' + _SPECIAL.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if "\ud800" <= char <= "\udfff":
        return "\ufffd"
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def _float(value: float) -> str:
    """The shortest digits; an exponent outside of 1e-6 to 1e21."""
    if value and not 1e-6 <= abs(value) < 1e21:
        digits, _, exponent = repr(value).partition("e")
        number = int(exponent)
        return f"{digits.removesuffix('.0')}e{'-' if number < 0 else '+'}{abs(number)}"
    text = repr(value)
    if "e" in text:
        text = format(value, f".{len(text) + 10}f").rstrip("0")
        return text.rstrip(".")
    return text.removesuffix(".0")
