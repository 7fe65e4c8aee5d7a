"""Stream imports: subscriptions of one account that get what is published in another.

1. For each subscription of the importer that overlaps an import, a shadow stands in the exporter's sublist, for just
   the subjects that both are about. It is given what is published there, under the importer's name for the subject.
2. An import reaches one account far: what an account imported it does not pass on, as in the Go server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.kernel import Renames, Shadow, Subscription
from natsd.subjects.two_way import TwoWay, common
from natsd.subjects.valid import tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from natsd.accounts.account import Account
    from natsd.config.records import Import
    from natsd.kernel import Sublist


class StreamImport:
    """One import. account: the exporter. Raises TransformError."""

    __slots__ = ("_names", "_way", "account", "record")

    def __init__(self, account: Account, record: Import) -> None:
        self.account = account
        self.record = record
        self._way = stream_way(record)
        renamed = self._way.pattern != self._way.source or self._way.moves
        self._names = Renames(self._way.forward) if renamed else None

    def shadow(self, sub: Subscription) -> Subscription | None:
        """What stands for a subscription in the exporter's sublist; None where the import is not about its subjects."""
        shared = common(tokens(sub.subject), self._way.tokens)
        if shared is None:
            return None
        subject = self._way.back(shared)
        if subject is None:
            return None
        return Subscription(subject, sub.sid, sub.queue, None, Shadow(sub, self._names))


def stream_way(record: Import) -> TwoWay:
    """From the exporter's subjects to the importer's. Raises TransformError."""
    subject = record.subject.encode()
    local = record.to.encode() if record.to else subject
    if record.prefix:
        local = record.prefix.removesuffix(".").encode() + b"." + subject
    return TwoWay(subject, local)


class Shadows:
    """The shadows of one connection's subscriptions."""

    __slots__ = ("_imports", "_shadows")

    def __init__(self, account: Account) -> None:
        self._imports = account.stream_imports
        self._shadows: dict[Subscription, list[tuple[Sublist, Subscription]]] = {}

    def add(self, sub: Subscription) -> None:
        """A subscription has come."""
        shadows = []
        for one in self._imports:
            shadow = one.shadow(sub)
            if shadow is not None:
                one.account.sublist.insert(shadow)
                shadows.append((one.account.sublist, shadow))
        if shadows:
            self._shadows[sub] = shadows

    def remove(self, sub: Subscription) -> None:
        """A subscription has gone."""
        for sublist, shadow in self._shadows.pop(sub, ()):
            sublist.remove(shadow)

    def clear(self) -> None:
        """All of them have gone."""
        for sub in list(self._shadows):
            self.remove(sub)

    def renew(self, account: Account, subs: Iterable[Subscription]) -> None:
        """The account imports other streams now."""
        self.clear()
        self._imports = account.stream_imports
        for sub in subs:
            self.add(sub)
