"""The header block of HPUB and HMSG: lines of ``Key: value`` in order, a key as often as it occurs, no case folding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.client.errors import BadHeader

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION_LINE = b"NATS/1.0"


def render_headers(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The block with its final empty line. Line breaks in a value become blanks; BadHeader for an impossible key."""
    lines = [VERSION_LINE]
    for key, value in pairs:
        if not key or not key.isascii() or not key.isprintable() or ":" in key or " " in key:
            raise BadHeader(f'nats: invalid header "{key}"')
        clean = value.replace("\r\n", " ").replace("\r", " ").replace("\n", " ").strip()
        lines.append(key.encode() + b": " + clean.encode("utf-8", "surrogateescape"))
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def parse_headers(block: bytes | None) -> tuple[int, str, list[tuple[str, str]]]:
    """(status or 0, description, pairs in order). Lines that are no header are skipped."""
    if not block:
        return 0, "", []
    lines = block.split(b"\r\n")
    status = 0
    description = ""
    inline = lines[0][len(VERSION_LINE) :].strip() if lines[0].startswith(VERSION_LINE) else b""
    if inline:
        code, _, rest = inline.partition(b" ")
        if code.isdigit() and len(code) <= 9:
            status = int(code)
            description = _text(rest.strip())
    pairs = []
    for line in lines[1:]:
        key, found, value = line.partition(b":")
        if found:
            pairs.append((_text(key), _text(value.strip())))
    return status, description, pairs


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
