"""Connections of all servers: fetched page by page, sorted, and shown as the reports of `nats` do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli.nats.servers.fleet import data_of, server_of
from natsd.cli.times import unix_seconds
from natsd.cli.values import comma, ibytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from natsd.cli.nats.servers.fleet import Fleet

    Connz = dict[str, Any]

PAGE = 1024


def _uptime_s(one: Connz) -> float:
    start, stop = unix_seconds(str(one.get("start", ""))), unix_seconds(str(one.get("stop", "")))
    import time

    return (stop or time.time()) - start


SORTS: dict[str, Callable[[Connz], Any]] = {
    "in-bytes": lambda one: one.get("in_bytes", 0),
    "out-bytes": lambda one: one.get("out_bytes", 0),
    "in-msgs": lambda one: one.get("in_msgs", 0),
    "out-msgs": lambda one: one.get("out_msgs", 0),
    "uptime": _uptime_s,
    "cid": lambda one: one.get("cid", 0),
    "subs": lambda one: one.get("subscriptions", 0),
}
HEADERS = (
    "CID", "Name", "Server", "Cluster", "IP", "Account", "Uptime", "In Msgs", "Out Msgs", "In Bytes", "Out Bytes",
    "Subs",
)  # fmt: skip


def fetch(fleet: Fleet, subject: str, body: dict[str, Any], servers: int) -> list[Connz]:
    """Every connection that the servers tell of, each with its server under ``server``. servers: 0 where unknown.

    A page more is asked for as long as one of the servers has a full one.
    """
    found: list[Connz] = []
    offset = 0
    while True:
        fullest = 0
        for answer, _ in fleet.stream(subject, {**body, "offset": offset, "limit": PAGE}, servers):
            entries = data_of(answer).get("connections") or []
            fullest = max(fullest, len(entries))
            server = server_of(answer)
            found += [{**one, "server": server} for one in entries]
        if fullest < PAGE:
            return found
        offset += PAGE


def closed_for(reason: str | None, found: list[Connz]) -> list[Connz]:
    """Those that were closed for a reason with this in it, all of them without one."""
    if not reason:
        return found
    return [one for one in found if reason.lower() in str(one.get("reason", "")).lower()]


def show(found: list[Connz], sort: str, reverse: bool, top: int, with_reason: bool) -> None:
    """Two tables: the connections, and how many each server has."""
    from natsd.cli.table import show_table

    rows = ordered(found, sort, reverse)[:top]
    lines = []
    for one in rows:
        server = one.get("server") or {}
        line = [
            str(one.get("cid", "")),
            str(one.get("name", "")),
            str(server.get("name", "")),
            str(server.get("cluster", "")),
            f"{one.get('ip', '')}:{one.get('port', '')}",
            account_of(one),
            str(one.get("uptime", "")),
            comma(one.get("in_msgs", 0)),
            comma(one.get("out_msgs", 0)),
            ibytes(one.get("in_bytes", 0)),
            ibytes(one.get("out_bytes", 0)),
            comma(one.get("subscriptions", 0)),
        ]
        lines.append([*line, str(one.get("reason", ""))] if with_reason else line)
    footer = ["", "", "", "", "", "", "", *_totals(rows)]
    headers = (*HEADERS, "Reason") if with_reason else HEADERS
    title = f"Top {len(rows):,} Connections out of {len(found):,} by {sort}"
    show_table(title, headers, lines, [*footer, ""] if with_reason else footer, "r      rrrrr")
    counts: dict[tuple[str, str], int] = {}
    for one in found:
        server = one.get("server") or {}
        key = (str(server.get("name", "")), str(server.get("cluster", "")))
        counts[key] = counts.get(key, 0) + 1
    if len(counts) > 1:
        per_server = [(name, cluster, comma(count)) for (name, cluster), count in sorted(counts.items())]
        show_table("Connections per server", ("Server", "Cluster", "Connections"), per_server, (), "  r")


def ordered(found: Iterable[Connz], sort: str, reverse: bool) -> list[Connz]:
    """The largest first; with `reverse` the smallest."""
    return sorted(found, key=SORTS[sort], reverse=not reverse)


def account_of(one: Connz) -> str:
    return str(one.get("account") or "")


def _totals(rows: list[Connz]) -> list[str]:
    def total(key: str) -> int:
        return sum(int(one.get(key, 0)) for one in rows)

    return [
        comma(total("in_msgs")), comma(total("out_msgs")), ibytes(total("in_bytes")), ibytes(total("out_bytes")),
        comma(total("subscriptions")),
    ]  # fmt: skip
