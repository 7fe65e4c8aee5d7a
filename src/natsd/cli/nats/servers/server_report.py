"""`nats server report`: connections, accounts, processors and memory of all servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import InnerGroup, Leaf, Table, json_flag
from natsd.cli.nats.servers import connections as connz
from natsd.cli.nats.servers.fleet import ALL, Fleet, repeat, server_of
from natsd.cli.nats.servers.server_request import STATES
from natsd.cli.nats.settings import Settings
from natsd.cli.values import comma, comma_fraction, ibytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_HERE = "natsd.cli.nats.servers.server_report"
TABLE: Table = {
    "accounts": (f"{_HERE}:accounts", "Traffic of accounts", ("acct",)),
    "connections": (f"{_HERE}:connections", "Connections", ("conn", "connz", "conns")),
    "cpu": (f"{_HERE}:cpu", "Processor time of the servers", ()),
    "jetstream": (f"{_HERE}_js:jetstream", "What the servers store", ("jsz", "js")),
    "mem": (f"{_HERE}:mem", "Memory of the servers", ()),
}
command = InnerGroup("report", table=TABLE, help="Reports over all servers.")
BAR_COLUMNS = 40


class Report:
    """How a report is wanted: of which servers, in which order, as what, how often."""

    def __init__(
        self,
        settings: Settings,
        host: str | None,
        cluster: str | None,
        tags: tuple[str, ...],
        reverse: bool,
        as_json: bool,
        watch: int | None,
    ) -> None:
        filters = {"host": host, "cluster": cluster, "tags": list(tags)}
        self._filters: dict[str, Any] = {key: value for key, value in filters.items() if value}
        self.reverse = reverse
        self.as_json = as_json
        self._settings = settings
        self._watch = watch

    def run(self, draw: Callable[[Fleet], None]) -> None:
        """Connect and draw, once or again and again."""
        with self._settings.connect() as connection:
            if self._watch:
                repeat(lambda: draw(Fleet(connection, self._settings.timeout_s)), self._watch)
            else:
                draw(Fleet(connection, self._settings.timeout_s))

    def answers(self, fleet: Fleet, kind: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """What the servers answer to a kind of request."""
        found = fleet.stream(f"{ALL}.{kind}", {**body, **self._filters}, self._servers(fleet))
        return [answer for answer, _ in found]

    def connections(self, fleet: Fleet, body: dict[str, Any]) -> list[dict[str, Any]]:
        """The connections that the servers tell of."""
        return connz.fetch(fleet, f"{ALL}.CONNZ", {**body, **self._filters}, self._servers(fleet))

    def _servers(self, fleet: Fleet) -> int:
        """How many will answer; how many the filters leave is not known."""
        return 0 if self._filters else fleet.size()


def report_flags(function: Callable[..., None]) -> Callable[..., None]:
    """Flags of all reports; the command gets them as a `Report`."""

    @click.option("-R", "--reverse", is_flag=True, help="The other way round.")
    @json_flag
    @click.option("--host", metavar="TEXT", help="Servers with this in their host only.")
    @click.option("--cluster", metavar="NAME", help="Servers of this cluster only.")
    @click.option("--tags", metavar="TAG", multiple=True, help="Servers with all of these tags only.")
    @click.option("--watch", type=click.IntRange(min=1), metavar="SECONDS", help="Draw again every so often.")
    @click.pass_obj
    def command(
        settings: Settings,
        /,
        host: str | None,
        cluster: str | None,
        tags: tuple[str, ...],
        reverse: bool,
        as_json: bool,
        watch: int | None,
        **values: Any,
    ) -> None:
        function(Report(settings, host, cluster, tags, reverse, as_json, watch), **values)

    return command


@click.command("connections", cls=Leaf, help="The busiest connections of all servers.")
@click.argument("limit", type=click.IntRange(min=1), required=False)
@click.option("--account", metavar="NAME", help="Connections of this account only.")
@click.option("--username", metavar="NAME", help="Connections of this user only.")
@click.option("--subject", metavar="SUBJECT", help="Only those subscribed to this.")
@click.option("--sort", type=click.Choice(list(connz.SORTS)), default="subs", show_default=True, help="Order.")
@click.option("--top", type=click.IntRange(min=1), default=1000, show_default=True, help="Show so many.")
@click.option("--state", type=click.Choice(list(STATES)), default="open", show_default=True, help="Which ones.")
@click.option("--closed-reason", metavar="TEXT", help="Only those closed for a reason with this in it.")
@report_flags
def connections(
    report: Report,
    limit: int | None,
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

    def draw(fleet: Fleet) -> None:
        found = connz.closed_for(closed_reason, report.connections(fleet, body))
        if report.as_json:
            console.out_json(connz.ordered(found, sort, report.reverse)[: limit or top])
        else:
            connz.show(found, sort, report.reverse, limit or top, body["state"] != 0)

    report.run(draw)


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
@click.option("--sort", type=click.Choice(list(_ACCOUNT_SORTS)), default="subs", show_default=True, help="Order.")
@click.option("--top", type=click.IntRange(min=1), default=1000, show_default=True, help="Show so many.")
@report_flags
def accounts(report: Report, account: str | None, limit: int | None, sort: str, top: int) -> None:
    body = {"auth": True, "state": 0, **({"acc": account} if account else {})}

    def draw(fleet: Fleet) -> None:
        sums = sum_accounts(report.connections(fleet, body))
        rows = sorted(sums, key=lambda row: row[_ACCOUNT_SORTS[sort]], reverse=not report.reverse)[: limit or top]
        if report.as_json:
            console.out_json(rows)
        else:
            _show_accounts(rows, len(sums), sort)

    report.run(draw)


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
    @report_flags
    def bars(report: Report, limit: int | None) -> None:
        def draw(fleet: Fleet) -> None:
            usage = [
                (str(server_of(one).get("name", "")), (one.get("statsz") or {}).get(key, 0))
                for one in report.answers(fleet, "STATSZ", {})
            ]
            usage.sort(key=lambda row: (-row[1] if not report.reverse else row[1], row[0]))
            if report.as_json:
                console.out_json([{"server": server, key: value} for server, value in usage[:limit]])
            else:
                console.out_text(render_bars(text.rstrip("."), usage[:limit], ibytes if key == "mem" else _percent))

        report.run(draw)

    assert isinstance(bars, Leaf)
    return bars


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
