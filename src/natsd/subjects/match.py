"""Matching one subject against one pattern, token by token: what the kernel's faster ways are tested against."""

from __future__ import annotations

from natsd.subjects.valid import ANY_REST, ANY_TOKEN, tokens


def matches(pattern: bytes, subject: bytes) -> bool:
    """Whether a message on `subject` reaches a subscription on `pattern`.

    A published subject with an empty token reaches nobody; wildcards in it are ordinary tokens.
    """
    wanted = tokens(pattern)
    given = tokens(subject)
    if b"" in given:
        return False
    for at, token in enumerate(wanted):
        if token == ANY_REST and at == len(wanted) - 1:
            return len(given) > at
        if at >= len(given) or token not in (ANY_TOKEN, given[at]):
            return False
    return len(wanted) == len(given)


def is_subset(subject: bytes, of: bytes) -> bool:
    """Whether every subject that `subject` stands for is one that `of` stands for; both may have wildcards."""
    inner = tokens(subject)
    outer = tokens(of)
    for at, token in enumerate(outer):
        if at >= len(inner):
            return False
        if token == ANY_REST:
            return True
        if inner[at] == ANY_REST or (inner[at] == ANY_TOKEN and token != ANY_TOKEN):
            return False
        if token not in (ANY_TOKEN, inner[at]):
            return False
    return len(inner) == len(outer)


def collide(one: bytes, other: bytes) -> bool:
    """Whether there is a subject that both stand for."""
    first = tokens(one)
    second = tokens(other)
    for at in range(min(len(first), len(second))):
        if ANY_REST in (first[at], second[at]):
            return True
        if first[at] != second[at] and ANY_TOKEN not in (first[at], second[at]):
            return False
    return len(first) == len(second)
