"""Counts who is interested in a subject, for those who look for the reason of a message that went nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.accounts.permissions import covers
from natsd.subjects.valid import has_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from natsd.accounts.account import Account
    from natsd.kernel import Subscription


def count_subscriptions(account: Account, subject: bytes, queue: bytes | None = None) -> int:
    """How many subscriptions of connections a message on `subject` reaches; with wildcards, how many lie within it.

    queue: only members of that group.
    """
    found: Iterable[Subscription]
    if has_wildcard(subject):
        wanted = subject.split(b".")
        found = (sub for sub in account.sublist.subscriptions() if covers(wanted, sub.subject.split(b".")))
    else:
        plain, groups = account.sublist.match(subject)
        found = [*plain, *(member for group in groups for member in group)]
    return sum(sub.outbound is not None and queue in (None, sub.queue) for sub in found)
