"""The protocol trace: what the kernel and the sessions noted, line by line, as the log has it.

    127.0.0.1:1234 - cid:5 - <<- [PUB orders.eu 5]
    127.0.0.1:1234 - cid:5 - <<- MSG_PAYLOAD: ["hello"]
    127.0.0.1:1234 - cid:5 - ->> [OK]

Of a CONNECT only what is known to be no secret is written: of other keys, and of those nobody knows, the names alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.protocol.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class Owner(Protocol):
        """Whose line it is."""

        @property
        def label(self) -> str: ...


REDACTED = "[REDACTED]"
SHOWN = frozenset(
    "verbose pedantic echo headers no_responders protocol name lang version user account new_account tls_required"
    " remote_account".split()
)
"""Keys of a CONNECT whose values are written."""


def render(
    owner: Owner, direction: bytes, line: bytes, payload: bytes | None, max_payload: int, *, headers_only: bool = False
) -> Iterator[str]:
    """The log lines for one note.

    max_payload: how many bytes of a payload are shown, 0 for all. headers_only: of a payload nothing but its headers.
    """
    prefix = f"{owner.label} - {direction.decode()} "
    text = line.decode("utf-8", "replace")
    yield f"{prefix}[{redact(text) if text.startswith('CONNECT') else text}]"
    if payload is not None and headers_only:
        payload = header_of(line, payload)
    if payload is not None:
        if 0 < max_payload < len(payload):
            yield f'{prefix}MSG_PAYLOAD: ["{quoted(payload[:max_payload])[1:-1]}..."]'
        else:
            yield f"{prefix}MSG_PAYLOAD: [{quoted(payload)}]"


def header_of(line: bytes, payload: bytes) -> bytes | None:
    """The headers of a message without the empty line at their end; None where it has none."""
    words = line.split()
    if words[0] not in (b"HPUB", b"HMSG") or not words[-2].isdigit():
        return None
    return payload[: int(words[-2])].removesuffix(b"\r\n\r\n")


def redact(line: str) -> str:
    """A CONNECT line without the values of secrets. What cannot be read is not written at all."""
    from json import dumps

    from natsd.protocol.peer_json import load_json

    try:
        pairs = load_json(line[len("CONNECT") :].encode())
    except ValueError:
        pairs = None
    if not isinstance(pairs, tuple):
        return f"CONNECT {REDACTED}"
    fields = (
        f"{dumps(key, ensure_ascii=False)}:"
        + dumps(value if key.lower() in SHOWN and not isinstance(value, tuple | list) else REDACTED, ensure_ascii=False)
        for key, value in pairs
    )
    # An escape may stand for half a character, which no log can hold.
    return f"CONNECT {{{','.join(fields)}}}".encode("utf-8", "replace").decode()


def take(
    notes: list[tuple[Any, bytes, bytes, bytes | None]], max_payload: int, *, headers_only: bool = False
) -> Iterator[str]:
    """All lines for what was noted so far; the list is empty afterwards."""
    taken = notes[:]
    del notes[:]
    for owner, direction, line, payload in taken:
        yield from render(owner, direction, line, payload, max_payload, headers_only=headers_only)
