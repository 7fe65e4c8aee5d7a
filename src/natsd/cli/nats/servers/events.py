"""`nats events`: what happens on the servers, as they tell the system account, in blocks, lines or JSON."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.nats.app import Leaf
from natsd.cli.nats.servers.fleet import Fleet, server_of
from natsd.cli.nats.settings import Settings
from natsd.cli.times import unix_seconds
from natsd.cli.values import comma, ibytes

if TYPE_CHECKING:
    from typing import Any

    from natsd.client.message import Message

HELP = """Show what happens on the servers.

Without flags: clients that connect and disconnect, and those that are not let in; this needs the system account.
--all shows everything that servers and JetStream tell.
"""
_SERVER = (
    ("Client Connection", "$SYS.ACCOUNT.*.CONNECT"),
    ("Client Disconnection", "$SYS.ACCOUNT.*.DISCONNECT"),
    ("Authentication Error", "$SYS.SERVER.*.CLIENT.AUTH.ERR"),
)
_MORE = (
    ("Account Connections", "$SYS.ACCOUNT.*.SERVER.CONNS"),
    ("Server Shutdown", "$SYS.SERVER.*.SHUTDOWN"),
    ("Server Lame Duck", "$SYS.SERVER.*.LAMEDUCK"),
    ("Server Statistics", "$SYS.SERVER.*.STATSZ"),
    ("Leaf Node Connection", "$SYS.ACCOUNT.*.LEAFNODE.CONNECT"),
    ("Leaf Node Disconnection", "$SYS.ACCOUNT.*.LEAFNODE.DISCONNECT"),
)
_ADVISORIES = (("JetStream Advisory", "$JS.EVENT.ADVISORY.>"),)
_METRICS = (("JetStream Metric", "$JS.EVENT.METRIC.>"),)


@click.command("events", cls=Leaf, help=HELP, short_help="Show what happens on the servers.")
@click.option("-a", "--all", "everything", is_flag=True, help="Every kind of event.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Events as they come.")
@click.option("--cloudevent", is_flag=True, help="Events as CloudEvents v1 in JSON.")
@click.option("--short", is_flag=True, help="One line each.")
@click.option("--filter", "pattern", default="", metavar="RE", help="Only events whose JSON this expression finds.")
@click.option("--js-metric", is_flag=True, help="JetStream metrics.")
@click.option("--js-advisory", is_flag=True, help="JetStream advisories.")
@click.option("--srv-advisory/--no-srv-advisory", default=True, help="Server events (default).")
@click.option("--subjects", multiple=True, metavar="SUBJECT", help="Events on these subjects as well.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many events.")
@click.pass_obj
def command(
    settings: Settings,
    everything: bool,
    as_json: bool,
    cloudevent: bool,
    short: bool,
    pattern: str,
    js_metric: bool,
    js_advisory: bool,
    srv_advisory: bool,
    subjects: tuple[str, ...],
    count: int | None,
) -> None:
    try:
        wanted = re.compile(pattern)
    except re.error as problem:
        raise click.UsageError(f'bad expression "{pattern}": {problem}') from None
    sources: list[tuple[str, str]] = [
        *(_SERVER if srv_advisory else ()),
        *(_MORE if everything else ()),
        *(_ADVISORIES if js_advisory or everything else ()),
        *(_METRICS if js_metric or everything else ()),
        *(("Custom Subject", subject) for subject in subjects),
    ]
    if not sources:
        raise click.UsageError("there is nothing to listen to")
    queue: deque[Message] = deque()
    shown = 0
    with settings.connect() as connection:
        if srv_advisory or everything:
            # In another account the subjects are free: nothing would ever come and nobody would say why.
            Fleet(connection, settings.timeout_s).size()
        for _, subject in sources:
            connection.subscribe(subject, queue=queue)
        connection.flush()
        for title, subject in sources:
            console.log(f"Listening for {title} events on {subject}")
        while count is None or shown < count:
            message = connection.next(queue)
            if message is None:
                continue
            text = message.payload.decode("utf-8", "replace")
            if not wanted.search(text):
                continue
            shown += 1
            console.out_text(_render(message.subject, text, as_json, cloudevent, short))
            console.flush()


def _render(subject: str, text: str, as_json: bool, cloudevent: bool, short: bool) -> str:
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        return text + "\n"
    if cloudevent:
        return json.dumps(to_cloudevent(event, subject), ensure_ascii=False) + "\n"
    if as_json:
        return text.rstrip("\n") + "\n"
    return render_short(event, subject) if short else render_block(event, subject)


def to_cloudevent(event: dict[str, Any], subject: str) -> dict[str, Any]:
    server = server_of(event)
    return {
        "specversion": "1.0",
        "type": event.get("type") or subject,
        "source": f"urn:nats:{server.get('id') or server.get('name') or 'unknown'}",
        "subject": subject,
        "id": event.get("id", ""),
        "time": event.get("timestamp", ""),
        "datacontenttype": "application/json",
        "data": event,
    }


_TITLES = {
    "client_connect": "Client Connection",
    "client_disconnect": "Client Disconnection",
    "account_connections": "Account Connections",
}
_SHORT = {
    "client_connect": "Connection",
    "client_disconnect": "Disconnection",
    "account_connections": "Account",
}


def _kind(event: dict[str, Any], subject: str) -> str:
    if subject.endswith(".CLIENT.AUTH.ERR"):
        return "auth_error"
    return str(event.get("type", "")).rpartition(".")[2]


def _clock(event: dict[str, Any]) -> str:
    at = unix_seconds(str(event.get("timestamp", ""))) or time.time()
    return time.strftime("%H:%M:%S", time.localtime(at))


def render_short(event: dict[str, Any], subject: str) -> str:
    """``15:04:05 [Connection] user: x cid: n in account a``."""
    kind = _kind(event, subject)
    client = event.get("client") or {}
    title = "Authentication Error" if kind == "auth_error" else _SHORT.get(kind, kind or subject)
    text = f"{_clock(event)} [{title}]"
    if client:
        text += f" user: {client.get('user', '')} cid: {client.get('id', '')} in account {client.get('acc', '')}"
    if event.get("reason"):
        text += f": {event['reason']}"
    if kind == "account_connections":
        text += f" {event.get('acc', '')}: {event.get('conns', 0)} connections"
    return text + "\n"


def render_block(event: dict[str, Any], subject: str) -> str:
    kind = _kind(event, subject)
    title = "Authentication Error" if kind == "auth_error" else _TITLES.get(kind, kind or subject)
    client, server = event.get("client") or {}, server_of(event)
    block = Block(f"[{_clock(event)}] [{event.get('id', '')}] {title}")
    block.row_if("Reason", event.get("reason"))
    block.row_if("Server", server.get("name"))
    block.row_if("Cluster", server.get("cluster"))
    if client:
        block.section("Client")
        block.row("ID", str(client.get("id", "")))
        block.row_if("User", client.get("user"))
        block.row_if("Name", client.get("name"))
        block.row_if("Account", client.get("acc"))
        language, version = client.get("lang"), client.get("ver")
        block.row_if("Library Version", f"{version}  language: {language}" if language else "")
        block.row_if("Host", client.get("host"))
        block.row_if("RTT", str(client.get("rtt", "")) and f"{client['rtt'] / 1e6:.3f}ms")
    if kind == "account_connections":
        block.row("Account", str(event.get("acc", "")))
        block.row("Connections", int(event.get("conns", 0)))
        block.row("Leaf Nodes", int(event.get("leafnodes", 0)))
    received, sent = event.get("received") or {}, event.get("sent") or {}
    if received or sent:
        block.section("Stats")
        block.row("Received", f"{comma(received.get('msgs', 0))} messages ({ibytes(received.get('bytes', 0))})")
        block.row("Published", f"{comma(sent.get('msgs', 0))} messages ({ibytes(sent.get('bytes', 0))})")
    if not client and kind != "account_connections":
        block.row("Subject", subject)
    return block.render()
