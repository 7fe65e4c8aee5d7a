"""When a subject is valid, as the Go server sees it. Subjects are bytes; any byte but the separator may be in them.

Three strictnesses, from lax to strict:
1. `may_subscribe`: no empty token, nothing after a `>` token. What SUB demands.
2. `is_valid`: also no blank, tab or newline. What configuration, permissions and JetStream demand.
3. `is_valid_literal`: also no wildcard token. What a pedantic connection's publish subject is measured by.
"""

from __future__ import annotations

SEPARATOR = b"."
ANY_TOKEN = b"*"
ANY_REST = b">"
RESERVED_QUEUE = b"_sys_"
"""The queue group the server keeps for itself."""

_BLANKS = b" \t\n\r\f"


def tokens(subject: bytes) -> list[bytes]:
    """The tokens of a subject."""
    return subject.split(SEPARATOR)


def count_tokens(subject: bytes) -> int:
    """How many tokens a subject has, empty ones too; none for the empty subject."""
    return subject.count(SEPARATOR) + 1 if subject else 0


def may_subscribe(subject: bytes) -> bool:
    """Whether a subscription on it can be: no empty token, and a `>` token only at the end."""
    if not subject or subject[0] == 46 or subject[-1] == 46 or b".." in subject:
        return False
    at = subject.find(ANY_REST)
    if at < 0 or at == len(subject) - 1:
        return True
    return not (subject.startswith(b">.") or b".>." in subject)


def is_valid(subject: bytes, *, check_text: bool = False) -> bool:
    """Whether it is a well-formed subject, wildcards allowed. `check_text` also refuses NUL and what is no UTF-8."""
    if not may_subscribe(subject) or any(blank in subject for blank in _BLANKS):
        return False
    return not check_text or _is_text(subject)


def _is_text(subject: bytes) -> bool:
    try:
        text = subject.decode()
    except UnicodeDecodeError:
        return False
    # A replacement character says that somebody's text was damaged on its way here.
    return "\0" not in text and "\ufffd" not in text


def has_wildcard(subject: bytes) -> bool:
    """Whether any token is `*` or `>`."""
    if ANY_TOKEN not in subject and ANY_REST not in subject:
        return False
    parts = subject.split(SEPARATOR)
    return ANY_TOKEN in parts or ANY_REST in parts


def is_valid_literal(subject: bytes) -> bool:
    """Whether it is a well-formed subject without wildcards."""
    return is_valid(subject) and not has_wildcard(subject)


def is_valid_queue(queue: bytes) -> bool:
    """Whether a client may name a queue group so."""
    return bool(queue) and queue != RESERVED_QUEUE and not any(blank in queue for blank in _BLANKS)
