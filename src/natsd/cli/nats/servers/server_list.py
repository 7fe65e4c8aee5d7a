"""`nats server list` and `nats server ping`: which servers there are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import Leaf, json_flag
from natsd.cli.nats.servers.fleet import ALL, Fleet, server_of
from natsd.cli.nats.settings import Settings
from natsd.cli.times import unix_seconds
from natsd.cli.values import SECOND, comma, comma_fraction, ibytes, short_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Row = tuple[dict[str, Any], dict[str, Any], int]

_SORTS: dict[str, Callable[[Row], Any]] = {
    "name": lambda row: str(row[0].get("name")),
    "cluster": lambda row: str(row[0].get("cluster", "")),
    "conns": lambda row: row[1].get("connections", 0),
    "subs": lambda row: row[1].get("subscriptions", 0),
    "routes": lambda row: len(row[1].get("routes") or ()),
    "gw": lambda row: len(row[1].get("gateways") or ()),
    "mem": lambda row: row[1].get("mem", 0),
    "cpu": lambda row: row[1].get("cpu", 0),
    "slow": lambda row: row[1].get("slow_consumers", 0),
    "uptime": lambda row: -unix_seconds(str(row[1].get("start", ""))),
    "rtt": lambda row: row[2],
}
_HEADERS = (
    "Name", "Cluster", "Host", "Version", "JS", "Conns", "Subs", "Routes", "GWs", "Mem", "CPU %", "Cores", "Slow",
    "Uptime", "RTT",
)  # fmt: skip


@click.command("list", cls=Leaf, help="List the servers. EXPECT is how many there should be; fewer is exit code 1.")
@click.argument("expect", type=click.IntRange(min=0), default=0)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print what the servers answered.")
@click.option("--sort", type=click.Choice(list(_SORTS)), default="rtt", show_default=True, help="Order.")
@click.option("-R", "--reverse", is_flag=True, help="The other way round.")
@click.option("--compact/--no-compact", default=True, help="Short host names (default).")
@click.pass_context
def ls(ctx: click.Context, expect: int, as_json: bool, sort: str, reverse: bool, compact: bool) -> None:
    settings: Settings = ctx.obj
    with settings.connect() as connection:
        fleet = Fleet(connection, settings.timeout_s)
        answers = list(fleet.stream(f"{ALL}.STATSZ", None, fleet.size()))
    if as_json:
        console.out_json([answer for answer, _ in answers])
    else:
        rows: list[Row] = [(server_of(answer), answer.get("statsz") or {}, took) for answer, took in answers]
        rows.sort(key=lambda row: str(row[0].get("name")))
        rows.sort(key=_SORTS[sort], reverse=reverse)
        _show_servers(rows, compact)
        _show_clusters(rows)
    _compare(ctx, expect, len(answers))


def _show_servers(rows: list[Row], compact: bool) -> None:
    from natsd.cli.table import show_table

    hosts = [str(server.get("host", "")) for server, _, _ in rows]
    if compact:
        hosts = compact_names(hosts)
    now = time.time()
    lines = [
        (
            str(server.get("name", "")),
            str(server.get("cluster", "")),
            host,
            str(server.get("ver", "")),
            "yes" if server.get("jetstream") else "no",
            comma(stats.get("connections", 0)),
            comma(stats.get("subscriptions", 0)),
            comma(len(stats.get("routes") or ())),
            comma(len(stats.get("gateways") or ())),
            ibytes(stats.get("mem", 0)),
            comma_fraction(stats.get("cpu", 0), 0),
            comma(stats.get("cores", 0)),
            comma(stats.get("slow_consumers", 0)),
            _uptime(stats, now),
            short_duration(took),
        )
        for (server, stats, took), host in zip(rows, hosts, strict=True)
    ]

    def total(key: str) -> int:
        return sum(int(stats.get(key, 0)) for _, stats, _ in rows)

    clusters = len({server.get("cluster") for server, _, _ in rows if server.get("cluster")})
    with_streams = sum(bool(server.get("jetstream")) for server, _, _ in rows)
    footer = (
        "", comma(clusters), comma(len(rows)), "", comma(with_streams), comma(total("connections")),
        comma(total("subscriptions")), "", "", ibytes(total("mem")), "", "", comma(total("slow_consumers")), "", "",
    )  # fmt: skip
    show_table("Server Overview", _HEADERS, lines, footer, "    " + " rrrrrrrrrr")


def _show_clusters(rows: list[Row]) -> None:
    from natsd.cli.table import show_table

    clusters: dict[str, list[int]] = {}
    for server, stats, _ in rows:
        if not server.get("cluster"):
            continue
        sums = clusters.setdefault(str(server["cluster"]), [0, 0, 0, 0])
        gateways = stats.get("gateways") or ()
        sums[0] += 1
        sums[1] += len(gateways)
        sums[2] += sum(int(gateway.get("inbound_connections", 0)) for gateway in gateways)
        sums[3] += int(stats.get("connections", 0))
    if clusters:
        headers = ("Cluster", "Node Count", "Outgoing Gateways", "Incoming Gateways", "Connections")
        lines = [(name, *map(comma, sums)) for name, sums in sorted(clusters.items())]
        footer = ("", *(comma(sum(column)) for column in zip(*clusters.values(), strict=True)))
        show_table("Cluster Overview", headers, lines, footer, " rrrr")


def _uptime(stats: dict[str, Any], now: float) -> str:
    start = unix_seconds(str(stats.get("start", "")))
    return short_duration(max(0, int(now - start)) * SECOND) if start else ""


def compact_names(names: list[str]) -> list[str]:
    """Host names without the domain that all of them end in."""
    first = [name.split(".") for name in names]
    if len(names) < 2 or any(len(parts) < 2 or parts[-1].isdigit() for parts in first):
        return names
    while all(len(parts) > 1 for parts in first) and len({parts[-1] for parts in first}) == 1:
        first = [parts[:-1] for parts in first]
    return [".".join(parts) for parts in first]


@click.command("ping", cls=Leaf, help="Ping all servers. EXPECT is how many there should be; fewer is exit code 1.")
@click.argument("expect", type=click.IntRange(min=0), default=0)
@click.option("--id", "with_id", is_flag=True, help="Show the id of each server.")
@json_flag
@click.pass_context
def ping(ctx: click.Context, expect: int, with_id: bool, as_json: bool) -> None:
    settings: Settings = ctx.obj
    times: list[int] = []
    document: list[dict[str, Any]] = []
    with settings.connect() as connection:
        fleet = Fleet(connection, settings.timeout_s)
        for answer, took in fleet.stream(f"{ALL}.STATSZ", None, expect or fleet.size()):
            times.append(took)
            server = server_of(answer)
            name = str(server.get("name", ""))
            document.append({"name": name, "id": server.get("id", ""), "rtt": took})
            if not as_json:
                front = f"{server.get('id', '')} " if with_id else ""
                console.out_text(f"{front}{name:<60} rtt={short_duration(took)}\n")
                console.flush()
    if as_json:
        console.out_json(document)
    else:
        ms = [took / 1e6 for took in times]
        console.out_text(
            f"\n---- ping statistics ----\n{len(ms)} replies max: {max(ms):.2f} min: {min(ms):.2f} "
            f"avg: {sum(ms) / len(ms):.2f}\n"
        )
    _compare(ctx, expect, len(times))


def _compare(ctx: click.Context, expect: int, found: int) -> None:
    if found < expect:
        console.note(f"Missing {expect - found} server(s)\n")
        ctx.exit(1)
