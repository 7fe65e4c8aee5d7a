"""`nats server info`: one server in detail, from its VARZ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.nats.app import Leaf
from natsd.cli.nats.servers.fleet import Fleet, data_of, server_of
from natsd.cli.nats.settings import Settings
from natsd.cli.times import local_time
from natsd.cli.values import comma, ibytes, short_duration

if TYPE_CHECKING:
    from typing import Any


@click.command("info", cls=Leaf, help="Show a server by its name or id, the connected one without SERVER.")
@click.argument("server", required=False)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print what the server answered.")
@click.pass_obj
def info(settings: Settings, server: str | None, as_json: bool) -> None:
    with settings.connect() as connection:
        name = server or str(connection.info.get("server_id", ""))
        answer = Fleet(connection, settings.timeout_s).find(name, "VARZ")
    if as_json:
        console.out_json(answer)
    else:
        console.out_text(render(data_of(answer), server_of(answer)))


def render(varz: dict[str, Any], server: dict[str, Any]) -> str:
    """The block of a server."""
    name = varz.get("server_name") or server.get("name", "")
    block = Block(f"Server information for {name} ({varz.get('server_id', '')})")
    block.section("Process Details")
    block.row("Version", str(varz.get("version", "")))
    block.row_if("Git Commit", varz.get("git_commit"))
    block.row("Go Version", str(varz.get("go", "")))
    block.row("Start Time", local_time(str(varz.get("start", ""))))
    block.row_if("Configuration Load Time", local_time(str(varz.get("config_load_time", ""))))
    block.row_if("Configuration Digest", varz.get("config_digest"))
    block.row("Uptime", str(varz.get("uptime", "")))
    block.section("Connection Details")
    block.row("Auth Required", bool(varz.get("auth_required")))
    block.row("TLS Required", bool(varz.get("tls_required")))
    block.row("Host", f"{varz.get('host', '')}:{varz.get('port', '')}")
    block.row_if("Client URLs", varz.get("connect_urls"))
    block.row_if("WebSocket URLs", (varz.get("websocket") or {}).get("connect_urls"))
    _show_streams(block, varz.get("jetstream") or {})
    block.section("Limits")
    block.row("Maximum Connections", _limit(varz.get("max_connections")))
    block.row("Maximum Subscriptions", _limit(varz.get("max_subscriptions")))
    block.row("Maximum Payload", ibytes(varz.get("max_payload", 0)))
    block.row("TLS Timeout", f"{varz.get('tls_timeout', 0):g}s")
    block.row("Write Deadline", short_duration(int(varz.get("write_deadline", 0))))
    block.section("Statistics")
    block.row("CPU Cores", f"{varz.get('cores', 0)} {varz.get('cpu', 0):.2f}%")
    block.row_if("GOMAXPROCS", varz.get("gomaxprocs"))
    block.row("Memory", ibytes(varz.get("mem", 0)))
    block.row("Connections", comma(varz.get("connections", 0)))
    block.row("Subscriptions", comma(varz.get("subscriptions", 0)))
    block.row("Messages", f"{comma(varz.get('in_msgs', 0))} in {comma(varz.get('out_msgs', 0))} out")
    block.row("Bytes", f"{ibytes(varz.get('in_bytes', 0))} in {ibytes(varz.get('out_bytes', 0))} out")
    block.row("Slow Consumers", comma(varz.get("slow_consumers", 0)))
    cluster = varz.get("cluster") or {}
    if cluster.get("name"):
        block.section("Cluster")
        block.row("Name", str(cluster["name"]))
        block.row_if("Host", f"{cluster.get('addr', '')}:{cluster.get('cluster_port', '')}")
        block.row_if("URLs", cluster.get("urls"))
    gateway = varz.get("gateway") or {}
    if gateway.get("name"):
        block.section("Super Cluster")
        block.row("Name", str(gateway["name"]))
        for other in gateway.get("gateways") or ():
            block.row(str(other.get("name", "")), ", ".join(other.get("urls") or ()))
    return block.render()


def _limit(value: Any) -> str:
    return comma(int(value)) if isinstance(value, int) and value > 0 else "unlimited"


def _show_streams(block: Block, jetstream: dict[str, Any]) -> None:
    config, stats = jetstream.get("config") or {}, jetstream.get("stats") or {}
    if not config:
        return
    api = stats.get("api") or {}
    block.section("JetStream")
    block.row_if("Domain", config.get("domain"))
    block.row_if("API Support Level", api.get("level"))
    block.row("Storage Directory", str(config.get("store_dir", "")))
    block.row("Active Accounts", int(stats.get("accounts", 0)))
    block.row("Memory In Use", ibytes(stats.get("memory", 0)))
    block.row("File In Use", ibytes(stats.get("storage", 0)))
    block.row("API Requests", int(api.get("total", 0)))
    block.row("API Errors", int(api.get("errors", 0)))
    block.row("Maximum Memory Storage", ibytes(config.get("max_memory", 0)))
    block.row("Maximum File Storage", ibytes(config.get("max_storage", 0)))
