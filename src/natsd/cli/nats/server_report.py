"""`nats server report`: connections, accounts, processors and memory of all servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats import connections as connz
from natsd.cli.nats.app import InnerGroup, Leaf, Table
from natsd.cli.nats.fleet import ALL, Fleet, repeat, server_of
from natsd.cli.nats.server_request import STATES
from natsd.cli.nats.settings import Settings
from natsd.cli.values import comma, comma_fraction, ibytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from natsd.client.connection import Connection

_HERE = "natsd.cli.nats.server_report"
TABLE: Table = {
    "accounts": (f"{_HERE}:accounts", "Traffic of accounts", ("acct",)),
    "connections": (f"{_HERE}:connections", "Connections", ("conn", "connz", "conns")),
    "cpu": (f"{_HERE}:cpu", "Processor time of the servers", ()),
    "jetstream": (f"{_HERE}_js:jetstream", "What the servers store", ("jsz", "js")),
    "mem": (f"{_HERE}:mem", "Memory of the servers", ()),
}
command = InnerGroup("report", table=TABLE, help="Reports over all servers.")
BAR_COLUMNS = 40


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """Flags of all reports."""
    for option in (
        click.option("--watch", type=click.IntRange(min=1), metavar="SECONDS", help="Draw again every so often."),
        click.option("--tags", metavar="TAG", multiple=True, help="Servers with all of these tags only."),
        click.option("--cluster", metavar="NAME", help="Servers of this cluster only."),
        click.option("--host", metavar="TEXT", help="Servers with this in their host only."),
        click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("-R", "--reverse", is_flag=True, help="The other way round."),
    ):
        function = option(function)
    return function


def watch_with(settings: Settings, watch: int | None, draw: Callable[[Connection], None]) -> None:
    """Connect and draw, once or again and again."""
    with settings.connect() as connection:
        if watch:
            repeat(lambda: draw(connection), watch)
        else:
            draw(connection)


def filters_of(host: str | None, cluster: str | None, tags: tuple[str, ...]) -> dict[str, Any]:
    """Which servers shall answer, as a part of a request."""
    filters = {"host": host, "cluster": cluster, "tags": list(tags)}
    return {key: value for key, value in filters.items() if value}


@click.command("connections", cls=Leaf, help="The busiest connections of all servers.")
@click.argument("limit", type=click.IntRange(min=1), required=False)
@shared
@click.option("--account", metavar="NAME", help="Connections of this account only.")
@click.option("--username", metavar="NAME", help="Connections of this user only.")
@click.option("--subject", metavar="SUBJECT", help="Only those subscribed to this.")
@click.option("--sort", type=click.Choice(list(connz.SORTS)), default="subs", show_default=True, help="Order.")
@click.option("--top", type=click.IntRange(min=1), default=1000, show_default=True, help="Show so many.")
@click.option("--state", type=click.Choice(list(STATES)), default="open", show_default=True, help="Which ones.")
@click.option("--closed-reason", metavar="TEXT", help="Only those closed for a reason with this in it.")
@click.pass_obj
def connections(
    settings: Settings,
    limit: int | None,
    reverse: bool,
    as_json: bool,
    host: str | None,
    cluster: str | None,
    tags: tuple[str, ...],
    watch: int | None,
    account: str | None,
    username: str | None,
    subject: str | None,
    sort: str,
    top: int,
    state: str,
    closed_reason: str | None,
) -> None:
    body: dict[str, Any] = {"auth": True, "state": STATES["closed" if closed_reason else state]}
    body |= {key: value for key, value in (("acc", account), ("user", username), ("filter_subject", subject)) if value}

    def draw(connection: Connection) -> None:
        fleet = Fleet(connection, settings.timeout_s)
        found = connz.fetch(fleet, f"{ALL}.CONNZ", body, filters_of(host, cluster, tags))
        if closed_reason:
            found = [one for one in found if closed_reason.lower() in str(one.get("reason", "")).lower()]
        if as_json:
            console.out_json(connz.ordered(found, sort, reverse)[: limit or top])
        else:
            connz.show(found, sort, reverse, limit or top, body["state"] != 0)

    watch_with(settings, watch, draw)


_ACCOUNT_SORTS = {
    "in-bytes": "in_bytes",
    "out-bytes": "out_bytes",
    "in-msgs": "in_msgs",
    "out-msgs": "out_msgs",
    "conns": "connections",
    "subs": "subs",
}


@click.command("accounts", cls=Leaf, help="Traffic of all accounts, or of one, over all servers.")
@click.argument("account", required=False)
@click.argument("limit", type=click.IntRange(min=1), required=False)
@shared
@click.option("--sort", type=click.Choice(list(_ACCOUNT_SORTS)), default="subs", show_default=True, help="Order.")
@click.option("--top", type=click.IntRange(min=1), default=1000, show_default=True, help="Show so many.")
@click.pass_obj
def accounts(
    settings: Settings,
    account: str | None,
    limit: int | None,
    reverse: bool,
    as_json: bool,
    host: str | None,
    cluster: str | None,
    tags: tuple[str, ...],
    watch: int | None,
    sort: str,
    top: int,
) -> None:
    body = {"auth": True, "state": 0, **({"acc": account} if account else {})}

    def draw(connection: Connection) -> None:
        fleet = Fleet(connection, settings.timeout_s)
        sums = sum_accounts(connz.fetch(fleet, f"{ALL}.CONNZ", body, filters_of(host, cluster, tags)))
        rows = sorted(sums, key=lambda row: row[_ACCOUNT_SORTS[sort]], reverse=not reverse)[: limit or top]
        if as_json:
            console.out_json(rows)
        else:
            _show_accounts(rows, len(sums), sort)

    watch_with(settings, watch, draw)


def sum_accounts(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Connections summed up by account."""
    sums: dict[str, dict[str, Any]] = {}
    for one in found:
        name = connz.account_of(one)
        row = sums.setdefault(name, {"account": name, "connections": 0, "subs": 0} | dict.fromkeys(_COUNTERS, 0))
        row["connections"] += 1
        row["subs"] += one.get("subscriptions", 0)
        for key in _COUNTERS:
            row[key] += one.get(key, 0)
    return list(sums.values())


_COUNTERS = ("in_msgs", "out_msgs", "in_bytes", "out_bytes")


def _show_accounts(rows: list[dict[str, Any]], count: int, sort: str) -> None:
    from natsd.cli.table import show_table

    headers = ("Account", "Connections", "In Msgs", "Out Msgs", "In Bytes", "Out Bytes", "Subs")
    lines = [
        (
            row["account"],
            comma(row["connections"]),
            comma(row["in_msgs"]),
            comma(row["out_msgs"]),
            ibytes(row["in_bytes"]),
            ibytes(row["out_bytes"]),
            comma(row["subs"]),
        )
        for row in rows
    ]
    show_table(f"Top {len(rows):,} Accounts out of {count:,} by {sort}", headers, lines, (), " rrrrrr")


def _bars(name: str, key: str, text: str) -> Leaf:
    @click.command(name, cls=Leaf, help=text)
    @click.argument("limit", type=click.IntRange(min=1), required=False)
    @shared
    @click.pass_obj
    def report(
        settings: Settings,
        limit: int | None,
        reverse: bool,
        as_json: bool,
        host: str | None,
        cluster: str | None,
        tags: tuple[str, ...],
        watch: int | None,
    ) -> None:
        def draw(connection: Connection) -> None:
            fleet = Fleet(connection, settings.timeout_s)
            filters = filters_of(host, cluster, tags)
            answers = fleet.stream(f"{ALL}.STATSZ", filters, 0 if filters else fleet.size())
            usage = [(str(server_of(one).get("name", "")), (one.get("statsz") or {}).get(key, 0)) for one, _ in answers]
            usage.sort(key=lambda row: (-row[1] if not reverse else row[1], row[0]))
            if as_json:
                console.out_json([{"server": server, key: value} for server, value in usage[:limit]])
            else:
                console.out_text(render_bars(text.rstrip("."), usage[:limit], ibytes if key == "mem" else _percent))

        watch_with(settings, watch, draw)

    assert isinstance(report, Leaf)
    return report


def _percent(value: float) -> str:
    return f"{comma_fraction(value)}%"


def render_bars(title: str, usage: list[tuple[str, float]], show: Callable[[float], str]) -> str:
    """A bar per server, the longest for the largest value."""
    most = max((value for _, value in usage), default=0) or 1
    width = max((len(name) for name, _ in usage), default=0)
    lines = [f"{name:>{width}}: {'█' * round(value / most * BAR_COLUMNS)} ({show(value)})" for name, value in usage]
    return "\n".join([title, "", *lines]) + "\n\n"


cpu = _bars("cpu", "cpu", "Processor time of the servers.")
mem = _bars("mem", "mem", "Memory of the servers.")
