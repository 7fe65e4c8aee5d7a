"""`nats top`: the connections of one server and their traffic, drawn again every second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import Leaf
from natsd.cli.nats.servers.fleet import Fleet, data_of
from natsd.cli.nats.servers.server_request import CONNECTION_SORTS
from natsd.cli.nats.settings import Settings
from natsd.cli.times import unix_seconds
from natsd.cli.values import SECOND, short_duration

if TYPE_CHECKING:
    from typing import Any

HELP = """Watch the busiest connections of a server, given by name or id.

\b
Examples:
  nats top n1 --sort msgs_to
  nats top n1 --max-refresh 1 -o - --delimiter ,
"""
HEADERS = (
    "HOST", "CID", "NAME", "SUBS", "PENDING", "MSGS_TO", "MSGS_FROM", "BYTES_TO", "BYTES_FROM", "LANG", "VERSION",
    "UPTIME", "LAST_ACTIVITY",
)  # fmt: skip
_COUNTED = ("in_msgs", "out_msgs", "in_bytes", "out_bytes")


@click.command("top", cls=Leaf, help=HELP, short_help="Watch the busiest connections of a server.")
@click.argument("name")
@click.option("-n", "--conns", type=click.IntRange(min=1), default=1024, show_default=True, help="Show so many.")
@click.option("-d", "--interval", type=click.IntRange(min=1), default=1, show_default=True, help="Seconds between.")
@click.option("--sort", type=click.Choice(CONNECTION_SORTS), default="cid", show_default=True, help="Order.")
@click.option("--lookup", is_flag=True, help="Names of hosts in the place of addresses.")
@click.option("-o", "--output", metavar="FILE", help="Write to a file, - for standard output; one round then.")
@click.option("--delimiter", default="", metavar="TEXT", help="Between columns, for --output.")
@click.option("-b", "--raw", is_flag=True, help="Bytes as plain numbers.")
@click.option("-r", "--max-refresh", type=int, default=-1, help="End after so many rounds.")
@click.option("--subs", is_flag=True, help="Show the subscriptions.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print what the server answered, one line a round.")
@click.pass_obj
def command(
    settings: Settings,
    name: str,
    conns: int,
    interval: int,
    sort: str,
    lookup: bool,
    output: str | None,
    delimiter: str,
    raw: bool,
    max_refresh: int,
    subs: bool,
    as_json: bool,
) -> None:
    rounds = 1 if output and max_refresh < 1 else max_refresh
    body = {"sort": sort, "limit": conns, "auth": True, "subscriptions": subs}
    terminal = console.is_terminal(1) and not output and not as_json
    before: dict[str, Any] = {}
    number = 0
    with settings.connect() as connection:
        fleet = Fleet(connection, settings.timeout_s)
        # The first answer tells the id: the name has to be looked up once only.
        varz = data_of(fleet.find(name, "VARZ"))
        name = str(varz.get("server_id") or name)
        while True:
            connz = data_of(fleet.find(name, "CONNZ", body))
            if as_json:
                import json

                text = json.dumps({"varz": varz, "connz": connz}, separators=(",", ":"), ensure_ascii=False) + "\n"
            else:
                head = "" if delimiter else render_head(varz, before, connz)
                text = head + render_rows(connz, delimiter, raw, lookup)
            if output and output != "-":
                with open(output, "a" if number else "w", encoding="utf-8") as file:
                    file.write(text)
            else:
                console.out_text(("\033[2J\033[H" if terminal else "") + text)
                console.flush()
            number += 1
            if 0 < rounds <= number:
                return
            connection.pause(interval)
            before, varz = varz, data_of(fleet.find(name, "VARZ"))


def render_head(varz: dict[str, Any], before: dict[str, Any], connz: dict[str, Any]) -> str:
    """What the server is and does; rates since the round before."""
    seconds = unix_seconds(str(varz.get("now", ""))) - unix_seconds(str(before.get("now", ""))) if before else 0.0
    rates = {key: (varz.get(key, 0) - before.get(key, 0)) / seconds if seconds > 0 else 0.0 for key in _COUNTED}
    found = connz.get("connections") or []
    return (
        f"NATS server version {varz.get('version', '')} (uptime: {varz.get('uptime', '')})\n"
        f"Server: {varz.get('server_name', '')}\n"
        f"  ID:   {varz.get('server_id', '')}\n"
        f"  Load: CPU:  {varz.get('cpu', 0):.1f}%  Memory: {_size(varz.get('mem', 0))}  "
        f"Slow Consumers: {varz.get('slow_consumers', 0)}\n"
        f"  In:   Msgs: {_size(varz.get('in_msgs', 0))}  Bytes: {_size(varz.get('in_bytes', 0))}  "
        f"Msgs/Sec: {rates['in_msgs']:.1f}  Bytes/Sec: {_size(rates['in_bytes'])}\n"
        f"  Out:  Msgs: {_size(varz.get('out_msgs', 0))}  Bytes: {_size(varz.get('out_bytes', 0))}  "
        f"Msgs/Sec: {rates['out_msgs']:.1f}  Bytes/Sec: {_size(rates['out_bytes'])}\n\n"
        f"Connections Polled: {len(found)}\n"
    )


def _size(value: float) -> str:
    for unit in ("", "K", "M", "G", "T"):
        if value < 1024 or unit == "T":
            break
        value /= 1024
    return f"{value:.1f}{unit}" if unit or value % 1 else f"{value:.0f}"


def render_rows(connz: dict[str, Any], delimiter: str, raw: bool, lookup: bool) -> str:
    """The connections in columns, or with a delimiter between."""
    show = str if raw or delimiter else _size
    has_subscriptions = any("subscriptions_list" in one for one in connz.get("connections") or ())
    headers = [*HEADERS, *(["SUBSCRIPTIONS"] if has_subscriptions else [])]
    lines: list[list[str]] = [headers]
    for one in connz.get("connections") or ():
        host = str(one.get("ip", ""))
        line = [
            f"{_look_up(host) if lookup else host}:{one.get('port', '')}",
            str(one.get("cid", "")),
            str(one.get("name", "")),
            str(one.get("subscriptions", 0)),
            show(one.get("pending_bytes", 0)),
            show(one.get("out_msgs", 0)),
            show(one.get("in_msgs", 0)),
            show(one.get("out_bytes", 0)),
            show(one.get("in_bytes", 0)),
            str(one.get("lang", "")),
            str(one.get("version", "")),
            str(one.get("uptime", "")),
            _ago(one.get("last_activity")),
        ]
        if has_subscriptions:
            line.append(", ".join(one.get("subscriptions_list") or ()))
        lines.append(line)
    if delimiter:
        return "".join(delimiter.join(line) + "\n" for line in lines)
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return "".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _ago(text: object) -> str:
    at = unix_seconds(str(text or ""))
    return short_duration(max(0, int((time.time() - at) * SECOND))) if at else ""


def _look_up(address: str) -> str:
    import socket

    try:
        return socket.gethostbyaddr(address)[0]
    except OSError:
        return address
