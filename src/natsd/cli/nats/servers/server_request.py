"""`nats server request`: monitoring data as the servers give it, one JSON document per server and line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.app import InnerGroup, Leaf, Table
from natsd.cli.nats.servers.fleet import ALL, Fleet
from natsd.cli.nats.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_HERE = "natsd.cli.nats.servers.server_request"
TABLE: Table = {
    "accounts": (f"{_HERE}:accounts", "Accounts (ACCOUNTZ)", ("accountz", "acct")),
    "connections": (f"{_HERE}:connections", "Connections (CONNZ)", ("conn", "connz")),
    "gateways": (f"{_HERE}:gateways", "Gateways (GATEWAYZ)", ("gateway", "gwy", "gatewayz")),
    "ipqueue": (f"{_HERE}:queues", "Queues inside the server (IPQUEUESZ)", ("ipq", "ipqueuesz")),
    "jetstream": (f"{_HERE}:jetstream", "JetStream (JSZ)", ("jsz", "js")),
    "jetstream-health": (f"{_HERE}:health", "Health (HEALTHZ)", ("healthz",)),
    "kick": (f"{_HERE}:kick", "Disconnect a client", ()),
    "leafnodes": (f"{_HERE}:leafnodes", "Leaf nodes (LEAFZ)", ("leaf", "leafz")),
    "raft": (f"{_HERE}:raft", "Consensus groups (RAFTZ)", ("raftz",)),
    "routes": (f"{_HERE}:routes", "Routes (ROUTEZ)", ("route", "routez")),
    "subscriptions": (f"{_HERE}:subscriptions", "Subscriptions (SUBSZ)", ("sub", "subsz")),
    "variables": (f"{_HERE}:variables", "General information (VARZ)", ("var", "varz")),
}
command = InnerGroup("request", table=TABLE, help="Monitoring data as the servers give it, one line of JSON each.")

CONNECTION_SORTS = (
    "cid", "start", "subs", "pending", "msgs_to", "msgs_from", "bytes_to", "bytes_from", "last", "idle", "uptime",
    "stop", "reason", "rtt",
)  # fmt: skip
STATES = {"open": 0, "closed": 1, "all": 2}


def _asking(name: str, kind: str, text: str, pages: bool = False) -> Callable[[Callable[..., dict[str, Any]]], Leaf]:
    """Turns a function that makes a request's body of its flags into a command that sends it."""

    def wrap(make_body: Callable[..., dict[str, Any]]) -> Leaf:
        @click.command(name, cls=Leaf, help=f"{text} WAIT is how many answers to wait for (default: all servers).")
        @click.argument("wait", type=click.IntRange(min=0), default=0)
        @click.option("--name", "server_name", metavar="TEXT", help="Servers with this in their name only.")
        @click.option("--host", metavar="TEXT", help="Servers with this in their host only.")
        @click.option("--cluster", metavar="NAME", help="Servers of this cluster only.")
        @click.option("--tags", metavar="TAG", multiple=True, help="Servers with all of these tags only.")
        @click.option("-j", "--json", is_flag=True, hidden=True, expose_value=False)
        @click.pass_obj
        def ask(settings: Settings, /, wait: int, tags: tuple[str, ...], **values: Any) -> None:
            filters = {key: values.pop(key) for key in ("server_name", "host", "cluster")}
            body = {**make_body(**values), **filters, "tags": list(tags)}
            _print(settings, kind, {key: value for key, value in body.items() if value not in (None, "", [])}, wait)

        parameters = getattr(make_body, "__click_params__", [])
        if pages:
            parameters += [
                click.Option(("--limit",), type=click.IntRange(min=1), default=2048, help="Entries per server (2048)."),
                click.Option(("--offset",), type=click.IntRange(min=0), default=0, help="Entries to pass over."),
            ]
        ask.params += reversed(parameters)
        assert isinstance(ask, Leaf)
        return ask

    return wrap


def _print(settings: Settings, kind: str, body: dict[str, Any], wait: int) -> None:
    import json

    is_filtered = any(key in body for key in ("server_name", "host", "cluster", "tags"))
    with settings.connect() as connection:
        fleet = Fleet(connection, settings.timeout_s)
        expect = wait or (0 if is_filtered else fleet.size())
        for answer, _ in fleet.stream(f"{ALL}.{kind}", body, expect):
            console.out_text(json.dumps(answer, separators=(",", ":"), ensure_ascii=False) + "\n")
            console.flush()


@_asking("variables", "VARZ", "General information.")
def variables() -> dict[str, Any]:
    return {}


@_asking("accounts", "ACCOUNTZ", "Accounts, or one of them in detail.")
@click.option("--account", metavar="NAME", help="This account in detail.")
def accounts(**body: Any) -> dict[str, Any]:
    return body


@_asking("connections", "CONNZ", "Connections.", pages=True)
@click.option("--sort", type=click.Choice(CONNECTION_SORTS), default="cid", show_default=True, help="Order.")
@click.option("--subscriptions", is_flag=True, help="With their subscriptions.")
@click.option("--filter-cid", "cid", type=int, metavar="CID", help="This connection only.")
@click.option("--filter-state", "state", type=click.Choice(list(STATES)), default="open", help="Open, closed or all.")
@click.option("--filter-user", "user", metavar="USER", help="Connections of this user only.")
@click.option("--filter-account", "acc", metavar="ACCOUNT", help="Connections of this account only.")
@click.option("--filter-subject", "filter_subject", metavar="SUBJECT", help="Only those subscribed to this.")
def connections(sort: str, subscriptions: bool, state: str, **body: Any) -> dict[str, Any]:
    detail = {"subscriptions": True, "subscriptions_detail": True} if subscriptions else {}
    return {"sort": sort, "auth": True, "state": STATES[state], **detail, **body}


@_asking("subscriptions", "SUBSZ", "Subscriptions.", pages=True)
@click.option("--detail", "subscriptions", is_flag=True, help="With each of them.")
@click.option("--filter-account", "account", metavar="ACCOUNT", help="Those of this account only.")
@click.option("--filter-subject", "test", metavar="SUBJECT", help="Only those that this subject reaches.")
def subscriptions(**body: Any) -> dict[str, Any]:
    return body


@_asking("routes", "ROUTEZ", "Routes.")
@click.option("--subscriptions", is_flag=True, help="With their subscriptions.")
def routes(**body: Any) -> dict[str, Any]:
    return body


@_asking("gateways", "GATEWAYZ", "Gateways.")
@click.option("--filter-name", "name", metavar="NAME", help="This gateway only.")
@click.option("--filter-account", "account_name", metavar="ACCOUNT", help="This account only.")
@click.option("--accounts", is_flag=True, help="With the accounts.")
def gateways(**body: Any) -> dict[str, Any]:
    return body


@_asking("leafnodes", "LEAFZ", "Leaf nodes.")
@click.option("--subscriptions", is_flag=True, help="With their subscriptions.")
def leafnodes(**body: Any) -> dict[str, Any]:
    return body


@_asking("ipqueue", "IPQUEUESZ", "Queues inside the server.")
@click.option("--all", "all", is_flag=True, help="Empty ones too.")
@click.option("--filter", "filter", metavar="TEXT", help="Those with this in their name only.")
def queues(**body: Any) -> dict[str, Any]:
    return body


@_asking("raft", "RAFTZ", "Consensus groups.")
@click.option("--account", metavar="NAME", help="This account only.")
@click.option("--group", metavar="NAME", help="This group only.")
def raft(**body: Any) -> dict[str, Any]:
    return body


@_asking("jetstream", "JSZ", "JetStream.", pages=True)
@click.option("--account", metavar="NAME", help="This account only.")
@click.option("--accounts", is_flag=True, help="With the accounts.")
@click.option("--streams", is_flag=True, help="With the streams.")
@click.option("--consumer", is_flag=True, help="With the consumers.")
@click.option("--config", is_flag=True, help="With the configurations.")
@click.option("--raft", is_flag=True, help="With the groups.")
@click.option("--leader", "leader_only", is_flag=True, help="From the leader only.")
def jetstream(**body: Any) -> dict[str, Any]:
    return body


@_asking("jetstream-health", "HEALTHZ", "Health.")
@click.option("-J", "--js-enabled", "enabled_only", is_flag=True, help="Whether JetStream is enabled only.")
@click.option("-S", "--server-only", "server_only", is_flag=True, help="Without streams and consumers.")
@click.option("--account", metavar="NAME", help="This account only.")
@click.option("--stream", metavar="NAME", help="This stream only.")
@click.option("--consumer", metavar="NAME", help="This consumer only.")
@click.option("--details/--no-details", default=True, help="Every error, not the first one only (default).")
def health(enabled_only: bool, server_only: bool, **body: Any) -> dict[str, Any]:
    return {"js-enabled-only": enabled_only, "js-server-only": server_only, **body}


@click.command("kick", cls=Leaf, help="Disconnect CLIENT, a number, from SERVER, a name or id.")
@click.argument("client", type=int)
@click.argument("server")
@click.option("-j", "--json", is_flag=True, hidden=True, expose_value=False)
@click.pass_obj
def kick(settings: Settings, client: int, server: str) -> None:
    import json

    if client < 1:
        raise CommandFailed(f"{client} is not the number of a client", USAGE)
    with settings.connect() as connection:
        answer = Fleet(connection, settings.timeout_s).find(server, "KICK", {"cid": client})
    console.out_text(json.dumps(answer, separators=(",", ":"), ensure_ascii=False) + "\n")
