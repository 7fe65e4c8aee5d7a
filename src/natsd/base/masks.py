"""Secrets of a command line, hidden for whoever is shown it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

REDACTED = "[REDACTED]"
SECRET_FLAGS = frozenset(("user", "pass", "auth"))
URL_FLAGS = frozenset(("routes", "cluster", "cluster_listen"))
"""URLs in their values may carry a user and a password."""


def mask_args(args: Sequence[str]) -> list[str]:
    """The same arguments without their secrets."""
    masked = list(args)
    for at, arg in enumerate(args):
        if not arg.startswith("-"):
            continue
        name, equals, value = arg.removeprefix("-").removeprefix("-").partition("=")
        if name not in SECRET_FLAGS | URL_FLAGS:
            continue
        if equals:
            masked[at] = f"{arg.partition('=')[0]}={_mask(name, value)}"
        elif at + 1 < len(args):
            masked[at + 1] = _mask(name, args[at + 1])
    return masked


def _mask(name: str, value: str) -> str:
    if name in SECRET_FLAGS:
        return REDACTED
    return ",".join(mask_url(url) for url in value.split(","))


def mask_url(url: str) -> str:
    """A URL without the user and the password in it."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        scheme, rest = "", url
    place = rest.partition("/")[0]
    if "@" not in place:
        return url
    return f"{scheme}{mark}{REDACTED}@{rest[place.rindex('@') + 1 :]}"
