"""Imports that go round in a circle: refused, because a message would never come to rest.

A search from each import follows the imports of the account it comes from, as far as a subject can go all the way. It
is a circle when it comes back to an account that it went through; two ways to one account are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.accounts.imports import stream_way
from natsd.accounts.permissions import covers, overlaps
from natsd.accounts.services import service_way
from natsd.subjects.valid import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from natsd.config.records import AccountRecord, Import

    Tokens = list[bytes]
    Follow = tuple[str, Tokens]

MOST_ACCOUNTS = 1024
"""How many accounts in a row a message may go through."""


def find_cycle(records: Mapping[str, AccountRecord]) -> str:
    """What is wrong with the imports of accounts that are checked one by one already, or nothing."""
    graphs = {service: _Graph(records, service) for service in (False, True)}
    for record in records.values():
        for one in record.imports:
            kind = "service" if one.service else "stream"
            starts = [local(one)] if one.service else [local(one), tokens(one.subject.encode())]
            for start in starts:
                if not graphs[one.service].runs_clear(record.name, one.account, start):
                    return f"account {record.name!r}: import of the {kind} {one.subject!r} forms a cycle"
    return ""


def local(one: Import) -> Tokens:
    """The importer's subjects of an import."""
    if one.service:
        way = service_way(one)
        return tokens((one.to or one.subject).encode()) if way is None else way.tokens
    return stream_way(one).tokens


class _Graph:
    """Who imports services, or streams, from whom. Searches keep a stack of their own: a row may be long."""

    __slots__ = ("_followed", "_records", "_service")

    def __init__(self, records: Mapping[str, AccountRecord], service: bool) -> None:
        self._records = records
        self._service = service
        self._followed: dict[tuple[str, bytes], list[Follow]] = {}

    def runs_clear(self, importer: str, exporter: str, subject: Tokens) -> bool:
        """Whether a search from one import ends."""
        on_way = {importer}
        done: set[tuple[str, bytes]] = set()
        stack: list[tuple[str, list[Follow]]] = []
        name, wanted = exporter, subject
        while True:
            if len(on_way) >= MOST_ACCOUNTS:
                return False
            key = (name, b".".join(wanted))
            following: list[Follow] = []
            if key not in done:
                done.add(key)
                if key not in self._followed:
                    self._followed[key] = self._follow(name, wanted)
                following = list(self._followed[key])
                if any(other in on_way for other, _ in following):
                    return False
                on_way.add(name)
            stack.append((name, following))
            while stack and not stack[-1][1]:
                left, _ = stack.pop()
                if left != importer:
                    on_way.discard(left)
            if not stack:
                return True
            name, wanted = stack[-1][1].pop()

    def _follow(self, name: str, wanted: Tokens) -> list[Follow]:
        """The accounts that a subject in an account comes from or goes to, and as what."""
        record = self._records[name]
        if not self._service and not any(
            covers(tokens(export.subject.encode()), wanted) for export in record.exports if not export.service
        ):
            return []
        found = []
        for one in record.imports:
            if one.service != self._service:
                continue
            mine = local(one)
            there = tokens(one.subject.encode()) if one.service else mine
            if overlaps(wanted, there):
                found.append((one.account, mine if covers(wanted, mine) else wanted))
        return found
