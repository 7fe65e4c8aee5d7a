"""What a client writes: the bytes of PUB, HPUB, SUB, UNSUB and CONNECT, and which subjects may go into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.client.errors import BadSubject
from natsd.subjects.valid import may_subscribe

if TYPE_CHECKING:
    from collections.abc import Mapping

PING = b"PING\r\n"
PONG = b"PONG\r\n"


def encode_word(text: str | bytes, what: str) -> bytes:
    """The bytes of a reply subject or queue group. Blanks and line breaks would end it on the wire: BadSubject."""
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    if not raw or len(raw.split(None, 1)) != 1 or raw[:1].isspace() or raw[-1:].isspace() or b"\0" in raw:
        raise BadSubject(f'nats: invalid {what} "{raw.decode("utf-8", "backslashreplace")}"')
    return raw


def encode_subject(text: str | bytes) -> bytes:
    """The bytes of a subject that can be subscribed or published to. Raises BadSubject."""
    raw = encode_word(text, "subject")
    if not may_subscribe(raw):
        raise BadSubject(f'nats: invalid subject "{raw.decode("utf-8", "backslashreplace")}"')
    return raw


def render_publish(subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes) -> bytes:
    """PUB, or HPUB when there is a header block."""
    target = subject + b" " + reply if reply else subject
    if header is None:
        return b"PUB %b %d\r\n%b\r\n" % (target, len(payload), payload)
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (target, len(header), len(header) + len(payload), header, payload)


def render_subscribe(subject: bytes, group: bytes | None, sid: int) -> bytes:
    if group:
        return b"SUB %b %b %d\r\n" % (subject, group, sid)
    return b"SUB %b %d\r\n" % (subject, sid)


def render_unsubscribe(sid: int, after: int) -> bytes:
    return b"UNSUB %d %d\r\n" % (sid, after) if after else b"UNSUB %d\r\n" % sid


def render_connect(options: Mapping[str, object]) -> bytes:
    import json

    return b"CONNECT " + json.dumps(options, separators=(",", ":")).encode() + b"\r\n"
