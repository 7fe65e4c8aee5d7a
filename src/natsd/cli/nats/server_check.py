"""`nats server check`: health checks whose exit code and output monitoring systems understand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.check import FORMATS, OK, Check
from natsd.cli.exit_codes import CommandFailed, line_of
from natsd.cli.nats.app import DURATION, InnerGroup, Leaf, Table
from natsd.cli.nats.settings import Settings
from natsd.cli.values import MS, SECOND, short_duration
from natsd.client.errors import ClientError, Timeout

if TYPE_CHECKING:
    from typing import Any

HELP = """Health checks for monitoring systems.

The exit code is 0 for OK, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN; with --format prometheus it is always 0.
"""

_META = "natsd.check."
TABLE: Table = {
    "connection": ("natsd.cli.nats.server_check:connection", "Connect, ping, and send a request", ("conn",)),
}


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value is not None:
        ctx.meta[f"{_META}{param.name}"] = value


def _shared(hidden: bool) -> list[click.Parameter]:
    rows: tuple[tuple[str, Any, str], ...] = (
        ("--format", click.Choice(FORMATS), "Form of the outcome (nagios)."),
        ("--namespace", str, "First part of Prometheus names (nats_server_check)."),
        ("--outfile", str, "Write the outcome to a file."),
    )
    return [
        click.Option((flag,), type=kind, expose_value=False, callback=_remember, help=text, hidden=hidden)
        for flag, kind, text in rows
    ]


class _CheckGroup(InnerGroup):
    """Takes the flags of all checks in front of the check."""


class _CheckLeaf(Leaf):
    """Takes them behind it as well; what keeps it from checking is UNKNOWN."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*_shared(hidden=False), *super().get_params(ctx)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (CommandFailed, OSError) as problem:
            check = Check(self.name or "", (self.name or "").capitalize())
            check.unknowns.append(str(problem))
            _finish(ctx, check)


def _finish(ctx: click.Context, check: Check) -> None:
    form = ctx.meta.get(f"{_META}format", "nagios")
    text = check.render(form, ctx.meta.get(f"{_META}namespace", "nats_server_check"))
    outfile = ctx.meta.get(f"{_META}outfile")
    if outfile:
        from natsd.cli.contexts import replace_file

        replace_file(outfile, text.encode())
    else:
        console.out_text(text)
    ctx.exit(OK if form == "prometheus" else check.status)


command = _CheckGroup("check", table=TABLE, params=_shared(hidden=False), help=HELP)


@click.command("connection", cls=_CheckLeaf, help="Connect, measure a PING, and send a request to ourselves.")
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
    _finish(ctx, check)


def _ask_ourselves(link: Any, timeout_s: float) -> None:
    subscription = link.subscribe(link.new_inbox())
    asked = link.start_request(subscription.subject, b"are you there")
    question = subscription.next(timeout_s)
    if question is None:
        error = link.take_error()
        raise error if error is not None else Timeout()
    link.respond(question, b"yes")
    link.next_reply(asked, timeout_s)
