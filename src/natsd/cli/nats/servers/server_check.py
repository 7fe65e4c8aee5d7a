"""`nats server check`: health checks whose exit code and output monitoring systems understand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.check import FORMATS, OK, Check
from natsd.cli.exit_codes import CommandFailed, line_of
from natsd.cli.nats.app import DURATION, SIZE, InnerGroup, Leaf, Table
from natsd.cli.nats.settings import Settings
from natsd.cli.values import MS, SECOND, short_duration
from natsd.client.errors import ClientError, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

HELP = """Health checks for monitoring systems.

The exit code is 0 for OK, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN; with --format prometheus it is always 0.
"""

_META = "natsd.check."
TABLE: Table = {
    "connection": ("natsd.cli.nats.servers.server_check:connection", "Connect, ping, and send a request", ("conn",)),
    "consumer": ("natsd.cli.nats.servers.server_check_js:consumer", "A consumer of a stream", ()),
    "jetstream": ("natsd.cli.nats.servers.server_check_js:account", "JetStream in the account", ("js",)),
    "kv": ("natsd.cli.nats.servers.server_check_js:kv", "A key-value bucket", ()),
    "message": ("natsd.cli.nats.servers.server_check_js:message", "The last message of a subject", ("msg",)),
    "server": ("natsd.cli.nats.servers.server_check:server", "Load, connections and settings of a server", ()),
    "stream": ("natsd.cli.nats.servers.server_check_js:stream", "A stream", ("str",)),
}


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value is not None:
        ctx.meta[f"{_META}{param.name}"] = value


def _shared() -> list[click.Parameter]:
    rows: tuple[tuple[str, Any, str], ...] = (
        ("--format", click.Choice(FORMATS), "Form of the outcome (nagios)."),
        ("--namespace", str, "First part of Prometheus names (nats_server_check)."),
        ("--outfile", str, "Write the outcome to a file."),
    )
    return [
        click.Option((flag,), type=kind, expose_value=False, callback=_remember, help=text) for flag, kind, text in rows
    ]


class _CheckGroup(InnerGroup):
    """Takes the flags of all checks in front of the check."""


class CheckLeaf(Leaf):
    """Takes them behind it as well; what keeps it from checking is UNKNOWN."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*_shared(), *super().get_params(ctx)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (CommandFailed, ClientError, OSError) as problem:
            check = Check(self.name or "", (self.name or "").capitalize())
            check.unknowns.append(str(problem))
            finish(ctx, check)


def finish(ctx: click.Context, check: Check) -> None:
    """Print the outcome where it is wanted, and end with its exit code."""
    form = ctx.meta.get(f"{_META}format", "nagios")
    text = check.render(form, ctx.meta.get(f"{_META}namespace", "nats_server_check"))
    outfile = ctx.meta.get(f"{_META}outfile")
    if outfile:
        from natsd.cli.draft import replace_file

        replace_file(outfile, text.encode())
    else:
        console.out_text(text)
    ctx.exit(OK if form == "prometheus" else check.status)


command = _CheckGroup("check", table=TABLE, params=_shared(), help=HELP)


@click.command("connection", cls=CheckLeaf, help="Connect, measure a PING, and send a request to ourselves.")
@click.option("--connect-warn", type=DURATION, default=500 * MS, metavar="DURATION", help="Warn above (500ms).")
@click.option("--connect-critical", type=DURATION, default=SECOND, metavar="DURATION", help="Critical above (1s).")
@click.option("--rtt-warn", type=DURATION, default=500 * MS, metavar="DURATION", help="Warn above (500ms).")
@click.option("--rtt-critical", type=DURATION, default=SECOND, metavar="DURATION", help="Critical above (1s).")
@click.option("--req-warn", type=DURATION, default=500 * MS, metavar="DURATION", help="Warn above (500ms).")
@click.option("--req-critical", type=DURATION, default=SECOND, metavar="DURATION", help="Critical above (1s).")
@click.pass_context
def connection(
    ctx: click.Context,
    connect_warn: int,
    connect_critical: int,
    rtt_warn: int,
    rtt_critical: int,
    req_warn: int,
    req_critical: int,
) -> None:
    # Loading the client is no part of connecting.
    import natsd.client.connection
    import natsd.kernel  # noqa: F401

    settings: Settings = ctx.obj
    check = Check("connection", "Connection")
    started = time.perf_counter_ns()
    try:
        with settings.connect(reconnect=False) as link:
            took = time.perf_counter_ns() - started
            text = f"connected to {link.server.address} in {short_duration(took)}"
            check.measure_s("connect_time", took, connect_warn, connect_critical, text, text)
            took = link.rtt_ns()
            text = f"rtt time {short_duration(took)}"
            check.measure_s("rtt", took, rtt_warn, rtt_critical, text, text)
            started = time.perf_counter_ns()
            _ask_ourselves(link, settings.timeout_s)
            took = time.perf_counter_ns() - started
            text = f"round trip took {took / 1e9:.6f}s"
            check.measure_s("request_time", took, req_warn, req_critical, text, text)
    except ClientError as problem:
        check.criticals.append(line_of(problem))
    finish(ctx, check)


def _ask_ourselves(link: Any, timeout_s: float) -> None:
    subscription = link.subscribe(link.new_inbox())
    asked = link.start_request(subscription.subject, b"are you there")
    question = subscription.next(timeout_s)
    if question is None:
        error = link.take_error()
        raise error if error is not None else Timeout()
    link.respond(question, b"yes")
    link.next_reply(asked, timeout_s)


_LIMITS = (("cpu", "processor time in %"), ("conn", "connections"), ("subs", "subscriptions"))


def _limits(function: Callable[..., Any]) -> Callable[..., Any]:
    for level in ("critical", "warn"):
        function = click.option(f"--uptime-{level}", type=DURATION, default=0, help="Limit of the uptime, from below.")(
            function
        )
        function = click.option(f"--mem-{level}", type=SIZE, default=0, help="Limit of the memory.")(function)
        for name, what in _LIMITS:
            function = click.option(f"--{name}-{level}", type=float, default=0.0, help=f"Limit of {what}.")(function)
    return function


@click.command(
    "server",
    cls=CheckLeaf,
    help="Load, connections and settings of a server. A critical limit below that of the warning is a least value.",
)
@click.option("--name", required=True, help="Name or id of the server.")
@_limits
@click.option("--auth-required", is_flag=True, help="It has to ask who clients are.")
@click.option("--tls-required", is_flag=True, help="It has to require TLS.")
@click.option("--js-required", is_flag=True, help="It has to have JetStream.")
@click.pass_context
def server(
    ctx: click.Context, /, name: str, auth_required: bool, tls_required: bool, js_required: bool, **limits: Any
) -> None:
    from natsd.cli.nats.servers.fleet import Fleet, data_of
    from natsd.cli.times import unix_seconds

    settings: Settings = ctx.obj
    check = Check("server", name)
    with settings.connect(reconnect=False) as connection:
        varz = data_of(Fleet(connection, settings.timeout_s).find(name, "VARZ"))
    for word, key, unit in (
        ("cpu", "cpu", "%"),
        ("mem", "mem", ""),
        ("conn", "connections", ""),
        ("subs", "subscriptions", ""),
    ):
        check.measure(key, varz.get(key, 0), limits[f"{word}_warn"], limits[f"{word}_critical"], unit)
    uptime_s = int(unix_seconds(str(varz.get("now", ""))) - unix_seconds(str(varz.get("start", ""))))
    warn_s, critical_s = limits["uptime_warn"] / 1e9, limits["uptime_critical"] / 1e9
    check.measure_least("uptime", uptime_s, warn_s, critical_s, "s")
    if auth_required:
        check.demand("authentication required", bool(varz.get("auth_required")))
    if tls_required:
        check.demand("TLS required", bool(varz.get("tls_required")))
    if js_required:
        check.demand("JetStream enabled", bool((varz.get("jetstream") or {}).get("config")))
    finish(ctx, check)
