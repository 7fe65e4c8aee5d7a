"""/subsz, also called /subscriptionsz: how many subscriptions there are, how their caches do, and on request which."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from natsd.monitor.connz import subscription_detail
from natsd.monitor.document import CHUNK, PAUSE, Rows
from natsd.monitor.query import BadQuery
from natsd.monitor.times import date
from natsd.monitor.view import DEFAULT_LIMIT
from natsd.subjects.valid import is_valid_literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from natsd.accounts.account import Account
    from natsd.kernel import Subscription
    from natsd.monitor.document import Document, Steps
    from natsd.monitor.query import Query
    from natsd.monitor.view import OpenView, ServerView

    Found = tuple[Subscription, int, str]


def subsz(server: ServerView, query: Query) -> Steps:
    """The page. Options: subs, offset, limit, test (a subject that the listed ones match), acc.

    Raises BadQuery at once; the rest is done step by step.
    """
    listed = query.flag("subs")
    offset = max(query.integer("offset"), 0)
    limit = query.integer("limit")
    limit = limit if limit > 0 else DEFAULT_LIMIT
    test = query.text("test")
    if test and not is_valid_literal(test.encode()):
        raise BadQuery(f"invalid test subject, must be valid publish subject: {test}")
    wanted = query.text("acc")
    accounts = [account for name, account in server.accounts.items() if not wanted or name == wanted]
    return _build(server, accounts, listed, test.encode(), offset, limit)


def _build(
    server: ServerView, accounts: Sequence[Account], listed: bool, test: bytes, offset: int, limit: int
) -> Steps:
    stats = []
    for at, account in enumerate(accounts):
        stats.append(account.sublist.stats())
        if at % 16 == 15:
            yield PAUSE
    page: Document = {
        "server_id": server.roster.info.server_id,
        "now": date(server.clock.wall_ns()),
        **_sum(stats),
        "total": 0,
        "offset": offset,
        "limit": limit,
    }
    if not listed:
        return page
    found: Iterable[Found]
    if test:
        matching = [entry for account in accounts for entry in _matching(account, test)]
        total, found = len(matching), matching[offset : offset + limit]
    else:
        names = {account.name for account in accounts}
        everybody = list(server.roster.connections.values())
        connections: list[OpenView] = []
        total = 0
        for start in range(0, len(everybody), CHUNK):
            chunk = [item for item in everybody[start : start + CHUNK] if item.account_name in names]
            connections += chunk
            total += sum(connection.subscriptions for connection in chunk)
            yield PAUSE
        found = _listed(connections, offset, limit)
    page["total"] = total
    if total > offset:
        page["subscriptions_list"] = Rows(found, lambda entry: subscription_detail(*entry))
    return page


def _sum(stats: Iterable[dict[str, int | float]]) -> Document:
    """The figures of several accounts as one: counts are added, the rates weighted by what they are rates of."""
    total: dict[str, int | float] = dict.fromkeys(
        ("num_subscriptions", "num_cache", "num_inserts", "num_removes", "num_matches"), 0
    )
    hits = fanout = 0.0
    greatest = 0
    for one in stats:
        for key in total:
            total[key] += one[key]
        hits += one["cache_hit_rate"] * one["num_matches"]
        fanout += one["avg_fanout"] * one["num_cache"]
        greatest = max(greatest, int(one["max_fanout"]))
    return {
        **total,
        "cache_hit_rate": hits / total["num_matches"] if total["num_matches"] else 0.0,
        "max_fanout": greatest,
        "avg_fanout": fanout / total["num_cache"] if total["num_cache"] else 0.0,
    }


def _matching(account: Account, subject: bytes) -> Iterator[Found]:
    plain, groups = account.sublist.match(subject)
    for sub in (*plain, *(member for group in groups for member in group)):
        # A subscription of the server itself belongs to no connection.
        if sub.outbound is not None:
            yield sub, sub.outbound.owner.cid, account.name


def _listed(connections: Collection[OpenView], offset: int, limit: int) -> Iterator[Found]:
    """A page of all subscriptions, in the order of connections; taken from each only when its turn comes."""
    for connection in connections:
        count = len(connection.subs)
        if offset >= count:
            offset -= count
            continue
        account = connection.account_name
        chosen = list(islice(connection.subs.values(), offset, offset + limit))
        for sub in chosen:
            yield sub, connection.cid, account
        offset = 0
        limit -= len(chosen)
        if limit <= 0:
            return
