"""`nats account`: who we are to the server, and the connections of our account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import InnerGroup, Leaf, Table, json_flag
from natsd.cli.nats.servers.fleet import ALL, Fleet, data_of, read_answer
from natsd.cli.nats.settings import Settings
from natsd.cli.values import comma, go_duration, ibytes, short_duration
from natsd.client.errors import ClientError, NoResponders, PermissionsViolation, Timeout
from natsd.client.jetstream import ApiError, JetStreamMissing

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from natsd.client.connection import Connection
    from natsd.client.jetstream import JetStream

NO_JETSTREAM = "JetStream is not supported in this account"
# Error codes that mean the same.
_SWITCHED_OFF = (10039, 10076)
_HERE = "natsd.cli.nats.servers.account"
TABLE: Table = {
    "info": (f"{_HERE}:info", "Show user, account, limits and connection", ("nfo",)),
    "report": (f"{_HERE}:report", "Reports on the account", ("rep",)),
}
REPORTS: Table = {
    "connections": (f"{_HERE}:connections", "Connections of the account", ("conn", "connz", "conns")),
}
command = InnerGroup("account", table=TABLE, help="See the account of the connection.")
report = InnerGroup("report", table=REPORTS, help="Reports on the account of the connection.")


@click.command("info", cls=Leaf, help="Show user, account, limits and the connection itself.")
@json_flag
@click.pass_obj
def info(settings: Settings, as_json: bool) -> None:
    with settings.connect() as connection:
        rtt_ns = connection.rtt_ns()
        user = _who(connection)
        streams, reason = _jetstream(settings.jetstream(connection))
        server = dict(connection.info)
        address = connection.server.address
    if as_json:
        document = {"user": user, "rtt": rtt_ns, "url": address, "server": server, "jetstream": streams}
        console.out_json(document | ({"jetstream_error": reason} if reason else {}))
    else:
        console.out_text(render(user or {}, server, address, rtt_ns, streams, reason))


def _jetstream(js: JetStream) -> tuple[dict[str, Any] | None, str]:
    """Usage and limits of the account, or why there are none."""
    try:
        return js.account_info(), ""
    except JetStreamMissing:
        return None, NO_JETSTREAM
    except ApiError as problem:
        return None, NO_JETSTREAM if problem.err_code in _SWITCHED_OFF else _not_told(problem)
    except (PermissionsViolation, Timeout) as problem:
        return None, _not_told(problem)


def _not_told(problem: ClientError) -> str:
    return f"Could not obtain account information: {problem}"


def _who(connection: Connection) -> dict[str, Any] | None:
    """What the server says of our user; servers before 2.10 and users without the permission have no answer."""
    try:
        return data_of(read_answer(connection.request("$SYS.REQ.USER.INFO").payload))
    except (NoResponders, PermissionsViolation, Timeout, CommandFailed):
        return None


def render(
    user: dict[str, Any],
    server: dict[str, Any],
    address: str,
    rtt_ns: int,
    streams: dict[str, Any] | None,
    reason: str = "",
) -> str:
    """The block of an account. reason: why there is nothing about streams."""
    block = Block("Account Information")
    block.row_if("User", user.get("user_name") or user.get("user"))
    block.row_if("Account", user.get("account_name") or user.get("account"))
    block.row_if("System Account", bool(server.get("acct_is_sys")))
    if user.get("expires"):
        block.row("Expires", short_duration(int(user["expires"])))
    elif user:
        block.row("Expires", "never")
    block.row_if("Client ID", str(server.get("client_id") or ""))
    block.row_if("Client IP", server.get("client_ip"))
    block.row("RTT", go_duration(rtt_ns))
    block.row("Headers Supported", bool(server.get("headers")))
    block.row("Maximum Payload", ibytes(server.get("max_payload", 0)))
    block.row_if("Connected Cluster", server.get("cluster"))
    block.row("Connected URL", address)
    block.row_if("Connected Server ID", server.get("server_id"))
    block.row_if("Connected Server Version", server.get("version"))
    block.row_if("Connected Server Name", server.get("server_name"))
    block.row("TLS Connection", "yes" if server.get("tls_required") else "no")
    _show_permissions(block, user.get("permissions") or {})
    if streams is None:
        return f"{block.render()}   {reason}\n\n"
    domain = streams.get("domain")
    block.section(f"JetStream Account Information{f' for domain {domain}' if domain else ''}")
    block.section("Account Usage")
    block.row("Storage", ibytes(streams.get("storage", 0)))
    block.row("Memory", ibytes(streams.get("memory", 0)))
    block.row("Streams", streams.get("streams", 0))
    block.row("Consumers", streams.get("consumers", 0))
    block.section("Account Limits")
    block.row("Max Message Payload", ibytes(server.get("max_payload", 0)))
    for name, tier in sorted((streams.get("tiers") or {"Default": streams}).items()):
        _show_tier(block, name, tier)
    return block.render()


def _show_tier(block: Block, name: str, tier: dict[str, Any]) -> None:
    """What an account may have, and what of it is used."""
    limits = tier.get("limits") or {}

    def most(key: str, show: Callable[[int], str]) -> str:
        value = int(limits.get(key) or 0)
        return show(value) if value > 0 else "Unlimited"

    def use(key: str, limit: str, show: Callable[[int], str]) -> str:
        value = int(limits.get(limit, -1))
        return f"{show(int(tier.get(key) or 0))} of {show(value) if value >= 0 else 'Unlimited'}"

    block.section(f"Tier: {name}")
    block.section("Configuration Requirements")
    block.row("Stream Requires Max Bytes Set", bool(limits.get("max_bytes_required")))
    block.row("Consumer Maximum Ack Pending", most("max_ack_pending", comma))
    block.section("Stream Resource Usage Limits")
    block.row("Memory", use("memory", "max_memory", ibytes) + _reserved(tier, "reserved_memory"))
    block.row("Memory Per Stream", most("memory_max_stream_bytes", ibytes))
    block.row("Storage", use("storage", "max_storage", ibytes) + _reserved(tier, "reserved_storage"))
    block.row("Storage Per Stream", most("storage_max_stream_bytes", ibytes))
    block.row("Streams", use("streams", "max_streams", comma))
    consumers = int(limits.get("max_consumers", -1))
    block.row("Consumers", "Unlimited" if consumers < 0 else f"Maximum {comma(consumers)} per stream")


def _reserved(tier: dict[str, Any], key: str) -> str:
    return f" ({ibytes(tier[key])} reserved)" if tier.get(key) else ""


def _show_permissions(block: Block, permissions: dict[str, Any]) -> None:
    rows = [
        (f"{title} {word}", subjects)
        for kind, title in (("publish", "Publish"), ("subscribe", "Subscribe"))
        for word in ("allow", "deny")
        if (subjects := (permissions.get(kind) or {}).get(word))
    ]
    if rows:
        block.section("Connection Permissions")
        for label, subjects in rows:
            for number, subject in enumerate(subjects):
                block.row("" if number else label.title(), subject)


@click.command("connections", cls=Leaf, help="The busiest connections of the account.")
@json_flag
@click.option("-R", "--reverse", is_flag=True, help="The other way round.")
@click.option(
    "--sort", default="subs", show_default=True, help="in-bytes, out-bytes, in-msgs, out-msgs, uptime, cid, subs."
)
@click.option("--top", type=click.IntRange(min=1), default=1000, show_default=True, help="Show so many.")
@click.option("--subject", metavar="SUBJECT", help="Only those subscribed to this.")
@click.option("--username", metavar="NAME", help="Connections of this user only.")
@click.option("--state", type=click.Choice(["open", "closed", "all"]), default="open", show_default=True, help="Which.")
@click.option("--closed-reason", metavar="TEXT", help="Only those closed for a reason with this in it.")
@click.pass_obj
def connections(
    settings: Settings,
    as_json: bool,
    reverse: bool,
    sort: str,
    top: int,
    subject: str | None,
    username: str | None,
    state: str,
    closed_reason: str | None,
) -> None:
    from natsd.cli.nats.servers import connections as connz
    from natsd.cli.nats.servers.server_request import STATES

    if sort not in connz.SORTS:
        raise click.UsageError(f'unknown order "{sort}", there are {", ".join(connz.SORTS)}')
    body: dict[str, Any] = {"auth": True, "state": STATES["closed" if closed_reason else state]}
    body |= {key: value for key, value in (("filter_subject", subject), ("user", username)) if value}
    with settings.connect() as connection:
        fleet = Fleet(connection, settings.timeout_s)
        found = connz.closed_for(closed_reason, connz.fetch(fleet, f"{ALL}.CONNZ", body, 0))
    if as_json:
        console.out_json(connz.ordered(found, sort, reverse)[:top])
    else:
        connz.show(found, sort, reverse, top, body["state"] != 0)
