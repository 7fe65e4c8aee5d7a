"""`nats bench`: the group, and the older form `nats bench SUBJECT --pub N --sub N` beside its commands."""

from __future__ import annotations

import click

from natsd.cli.nats.app import InnerGroup, Table, global_flags

COMMANDS: Table = {
    "pub": ("natsd.cli.nats.bench.bench_core:publish", "Publish as fast as it goes", ()),
    "sub": ("natsd.cli.nats.bench.bench_core:subscribe", "Receive and count", ()),
    "js": ("natsd.cli.nats.bench.bench_js", "JetStream: publish, read, get", ()),
    "kv": ("natsd.cli.nats.bench.bench_js:kv", "Key-value buckets", ()),
    "service": ("natsd.cli.nats.bench.bench:service", "Requests and replies", ()),
}
SERVICE_COMMANDS: Table = {
    "request": ("natsd.cli.nats.bench.bench_core:request", "Send requests one after the other", ()),
    "serve": ("natsd.cli.nats.bench.bench_core:serve", "Answer requests", ()),
}
# Flags that take a value and may stand before the name of a command.
_VALUED = frozenset(
    name
    for flag in global_flags(outermost=False)
    if isinstance(flag, click.Option) and not flag.is_flag
    for name in flag.opts
)


class _BenchGroup(InnerGroup):
    """Whatever does not name one of the commands is taken in the older form."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not _names_command(args):
            args = ["--", "(older form)", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] == "(older form)":
            from natsd.cli.nats.bench.bench_old import command as older

            return "", older, args[1:]
        return super().resolve_command(ctx, args)


def _names_command(args: list[str]) -> bool:
    rest = iter(args)
    for arg in rest:
        if arg in ("-h", "--help"):
            return True
        if not arg.startswith("-"):
            return arg in COMMANDS
        if arg in _VALUED:
            next(rest, None)
    return False


command = _BenchGroup(
    "bench",
    table=COMMANDS,
    help="""Measure throughput and latency.

\b
Examples:
  nats bench sub orders --clients 2 & nats bench pub orders --msgs 1000000 --size 16
  nats bench js pub async events --create --batch 4000
  nats bench service serve add & nats bench service request add --clients 4
  nats bench orders --pub 1 --sub 2 --msgs 100000 --size 128
""",
)

service = InnerGroup("service", table=SERVICE_COMMANDS, help="Measure requests and replies.")
