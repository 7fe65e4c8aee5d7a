"""`nats server report jetstream`: what the servers store, and who leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import Leaf
from natsd.cli.nats.servers.fleet import data_of, server_of
from natsd.cli.nats.servers.server_report import Report, report_flags
from natsd.cli.table import show_table
from natsd.cli.values import comma, ibytes, short_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from natsd.cli.nats.servers.fleet import Fleet

    Answer = dict[str, Any]

_SORTS: dict[str, Callable[[Answer], Any]] = {
    "name": lambda row: row["server"],
    "cluster": lambda row: (row["cluster"], row["server"]),
    "streams": lambda row: (row["streams"], row["server"]),
    "consumers": lambda row: (row["consumers"], row["server"]),
    "msgs": lambda row: row["messages"],
    "mbytes": lambda row: row["bytes"],
    "bytes": lambda row: row["bytes"],
    "mem": lambda row: row["memory"],
    "file": lambda row: row["storage"],
    "store": lambda row: row["storage"],
    "api": lambda row: row["api_total"],
    "err": lambda row: row["api_errors"],
}
_SUMS = ("streams", "consumers", "messages", "bytes", "memory", "storage", "api_total", "pending")


@click.command("jetstream", cls=Leaf, help="What the servers store, and the requests to their JetStream.")
@click.argument("limit", type=click.IntRange(min=1), required=False)
@click.option("--account", metavar="NAME", help="Of this account only.")
@click.option("--sort", type=click.Choice(list(_SORTS)), default="cluster", show_default=True, help="Order.")
@click.option("--compact/--no-compact", default=True, help="Names as they are, either way.", hidden=True)
@click.option("-l", "--leaders", is_flag=True, help="Show how leaders are spread over servers.")
@report_flags
def jetstream(report: Report, limit: int | None, account: str | None, sort: str, compact: bool, leaders: bool) -> None:
    body: Answer = {"raft": True}
    if account:
        body |= {"account": account, "streams": True, "consumer": True, "limit": 10000}

    def draw(fleet: Fleet) -> None:
        answers = report.answers(fleet, "JSZ", body)
        rows = [row_of(one, account) for one in answers if not data_of(one).get("disabled")]
        rows.sort(key=_SORTS[sort], reverse=report.reverse)
        if report.as_json:
            console.out_json(rows[:limit])
        else:
            show(rows[:limit], account, leaders)

    report.run(draw)


def row_of(answer: Answer, account: str | None = None) -> Answer:
    """The figures of a server, of one account where it is named."""
    server, data = server_of(answer), data_of(answer)
    meta = data.get("meta_cluster") or {}
    row: Answer = {
        "server": str(server.get("name", "")),
        "cluster": str(server.get("cluster", "")),
        "domain": str((data.get("config") or {}).get("domain", "")),
        "streams": int(data.get("streams") or 0),
        "consumers": int(data.get("consumers") or 0),
        "messages": int(data.get("messages") or 0),
        "bytes": int(data.get("bytes") or 0),
        "pending": int(meta.get("pending") or 0),
        "meta": meta,
        "stream_leaders": int(data.get("streams_leader") or 0),
        "consumer_leaders": int(data.get("consumers_leader") or 0),
    }
    figures = data
    details = data.get("account_details") or []
    if account and len(details) == 1:
        figures = details[0]
        streams = figures.get("stream_detail") or []
        states = [stream.get("state") or {} for stream in streams]
        row |= {
            "streams": len(streams),
            "consumers": sum(int(state.get("consumer_count") or 0) for state in states),
            "messages": sum(int(state.get("messages") or 0) for state in states),
            "bytes": int(figures.get("memory") or 0) + int(figures.get("storage") or 0),
        }
    api = figures.get("api") or {}
    row |= {"memory": int(figures.get("memory") or 0), "storage": int(figures.get("storage") or 0)}
    row |= {"api_total": int(api.get("total") or 0), "api_errors": int(api.get("errors") or 0)}
    return row


def show(rows: list[Answer], account: str | None, leaders: bool) -> None:
    """The summary and, where there is one, the meta group."""
    with_domain = any(row["domain"] for row in rows)

    def cells(row: Answer, name: str) -> tuple[str, ...]:
        return (
            name,
            row["cluster"],
            *((row["domain"],) if with_domain else ()),
            comma(row["streams"]),
            comma(row["consumers"]),
            comma(row["messages"]),
            ibytes(row["bytes"]),
            ibytes(row["memory"]),
            ibytes(row["storage"]),
            comma(row["api_total"]),
            str(row["pending"]),
        )

    headers = ("Server", "Cluster", *(("Domain",) if with_domain else ()))
    headers += ("Streams", "Consumers", "Messages", "Bytes", "Memory", "File", "API Req", "Pending")
    total = {key: sum(row[key] for row in rows) for key in _SUMS} | {"cluster": "", "domain": ""}
    lines = [cells(row, row["server"] + "*" * (row["meta"].get("leader") == row["server"])) for row in rows]
    title = f"JetStream Summary for Account {account}" if account else "JetStream Summary"
    show_table(title, headers, lines, cells(total, ""), right=" " * (len(headers) - 1) + "r")
    for row in rows:
        if row["meta"].get("leader") == row["server"]:
            _show_meta(row["meta"])
    if leaders:
        counts = [
            (row["server"], row["cluster"], comma(row["stream_leaders"]), comma(row["consumer_leaders"]))
            for row in rows
        ]
        show_table("Leaders", ("Server", "Cluster", "Streams", "Consumers"), counts)


def _show_meta(meta: Answer) -> None:
    peers = [*(meta.get("replicas") or ()), {"name": meta["leader"], "peer": meta.get("peer"), "current": True}]
    rows = [
        (
            str(peer.get("name", "")),
            str(peer.get("peer") or ""),
            "yes" if peer.get("name") == meta["leader"] else "",
            str(bool(peer.get("current"))).lower(),
            str(not peer.get("offline")).lower(),
            short_duration(int(peer.get("active") or 0)),
            comma(int(peer.get("lag") or 0)),
        )
        for peer in sorted(peers, key=lambda peer: str(peer.get("name", "")))
    ]
    headers = ("Connection Name", "ID", "Leader", "Current", "Online", "Active", "Lag")
    show_table(f"RAFT Meta Group Information - Lead cluster: {meta.get('name', '')}", headers, rows)
