"""The `nats` command as click sees it: the table of commands, global flags before and after the command, help.

Command modules are imported when they are used; each of them has its click command under the name `command`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.values import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from click.shell_completion import CompletionItem

    F = TypeVar("F", bound=Callable[..., Any])
    # A generic class for type checkers only.
    _Type = click.ParamType[int]
    _Text = click.ParamType[str]
else:
    _Type = _Text = click.ParamType

# Name: module, what it does in a few words, aliases.
Table = dict[str, tuple[str, str, tuple[str, ...]]]

COMMANDS: Table = {
    "account": ("natsd.cli.nats.servers.account", "See the account of the connection", ("a",)),
    "bench": ("natsd.cli.nats.bench.bench", "Measure throughput and latency", ()),
    "completion": ("natsd.cli.nats.completion", "Print the completion script for a shell", ()),
    "consumer": (
        "natsd.cli.nats.consumers.consumer",
        "Make, see, use and remove consumers of streams",
        ("con", "obs", "c"),
    ),
    "context": ("natsd.cli.nats.context", "Keep connections under names", ("ctx",)),
    "counter": ("natsd.cli.nats.streams.counter", "Count with streams", ("ctr",)),
    "errors": ("natsd.cli.nats.errors", "Explain the errors of JetStream", ("err", "error")),
    "events": ("natsd.cli.nats.servers.events", "Show what happens on the servers", ("event", "e")),
    "help": ("natsd.cli.nats.help", "Show help for a command", ()),
    "kv": ("natsd.cli.nats.buckets.kv", "Keep values under keys, in buckets", ()),
    "object": ("natsd.cli.nats.buckets.object", "Keep files in buckets", ("obj",)),
    "publish": ("natsd.cli.nats.messages.publish", "Publish messages", ("pub",)),
    "reply": ("natsd.cli.nats.messages.reply", "Answer requests", ()),
    "request": ("natsd.cli.nats.messages.request", "Send requests and show the replies", ("req",)),
    "rtt": ("natsd.cli.nats.servers.rtt", "Measure the round-trip time to servers", ()),
    "schema": ("natsd.cli.nats.schema", "What requests to JetStream look like", ()),
    "server": (
        "natsd.cli.nats.servers.server",
        "See servers and work with what belongs to them",
        ("srv", "sys", "system"),
    ),
    "stream": ("natsd.cli.nats.streams.stream", "Make, see, change and remove streams", ("str", "st", "ms", "s")),
    "subscribe": ("natsd.cli.nats.messages.subscribe", "Show messages as they come", ("sub",)),
    "top": ("natsd.cli.nats.servers.top", "Watch the busiest connections of a server", ()),
}


class DurationType(_Type):
    """``500ms``, ``5s``, ``1h30m`` as nanoseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


class SizeType(_Type):
    """``128``, ``1KB``, ``4MiB`` as bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_size(str(value))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


DURATION = DurationType()
SIZE = SizeType()


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """A global flag lands in the settings; one that is not given leaves what an outer level said."""
    if value is not None and param.name is not None:
        setattr(ctx.obj, param.name, value)


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from natsd.base.version import VERSION

        click.echo(VERSION)
        ctx.exit()


SWITCHES = {"--tlsfirst": "tls_first"}
"""Switches whose name in the settings is not that of the flag."""


def _complete_context(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from natsd.cli.contexts import Contexts

    return [name for name in Contexts().names() if name.startswith(incomplete)]


class ContextName(_Text):
    """The name of a context; the shell completes it."""

    name = "context"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in _complete_context(ctx, param, incomplete)]


class StreamName(_Text):
    """The name of a stream; the shell completes it by asking the server."""

    name = "stream"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from natsd.cli.nats.targets import complete_names

        return complete_names(ctx, incomplete, lambda js: js.stream_names())


def global_flags(outermost: bool) -> list[click.Parameter]:
    """The flags every command takes. At the outermost level they look into the environment and show in the help."""
    rows: list[tuple[tuple[str, ...], str, str, Any, str]] = [
        (("-s", "--server", "servers"), "NATS_URL", "URL", None, "Server addresses, comma separated."),
        (("--user",), "NATS_USER", "USER", None, "User name; without a password it is sent as a token."),
        (("--password",), "NATS_PASSWORD", "PASSWORD", None, "Password of the user."),
        (("--token",), "NATS_TOKEN", "TOKEN", None, "Authentication token."),
        (("--tlscert", "tls_cert"), "NATS_CERT", "FILE", None, "Certificate to show to the server (PEM)."),
        (("--tlskey", "tls_key"), "NATS_KEY", "FILE", None, "Private key to it (PEM)."),
        (("--tlsca", "tls_ca"), "NATS_CA", "FILE", None, "Authorities that servers' certificates may be of (PEM)."),
        (("--creds",), "NATS_CREDS", "FILE", None, "Credentials file: a user JWT and its seed."),
        (("--nkey",), "NATS_NKEY", "FILE", None, "File with the seed of an nkey."),
        (("--jwt",), "NATS_JWT", "TEXT", None, "User JWT."),
        (("--seed",), "NATS_SEED", "TEXT", None, "Seed that belongs to the JWT."),
        (("--js-domain",), "", "DOMAIN", None, "JetStream domain."),
        (("--js-api-prefix",), "", "PREFIX", None, "Subject prefix of the JetStream API ($JS.API)."),
        (("--js-event-prefix",), "", "PREFIX", None, "Subject prefix of JetStream events ($JS.EVENT)."),
        (("--connection-name",), "", "NAME", None, "Name of the connection as the server shows it."),
        (
            ("--timeout", "timeout_ns"),
            "NATS_TIMEOUT",
            "DURATION",
            DURATION,
            "Time for connecting and for replies (5s).",
        ),
        (("--inbox-prefix",), "", "PREFIX", None, "First part of inbox subjects (_INBOX)."),
        (("--context",), "NATS_CONTEXT", "NAME", None, "Context to use, or a path ending in .json."),
    ]
    flags: list[click.Parameter] = [
        click.Option(
            names,
            envvar=(variable or None) if outermost else None,
            metavar=metavar,
            type=kind,
            expose_value=False,
            callback=_keep,
            help=text,
            hidden=not outermost,
            shell_complete=_complete_context if names[0] == "--context" else None,
        )
        for names, variable, metavar, kind, text in rows
    ]
    for name, text in (
        ("--tlsfirst", "Do the TLS handshake before the server says anything."),
        ("--no-context", "Use no context, not even the selected one."),
        ("--trace", "Show connects, disconnects and asynchronous errors."),
    ):
        flags.append(
            click.Option(
                (name, SWITCHES.get(name, name[2:].replace("-", "_"))),
                is_flag=True,
                default=None,
                expose_value=False,
                callback=_keep,
                help=text,
                hidden=not outermost,
            )
        )
    return flags


_INNER_FLAGS = global_flags(outermost=False)
_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Inner(click.Command):
    """What leaves and groups below the top share: they take the global flags and do not list them again."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *_INNER_FLAGS]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text("Global flags such as --server work here too, see nats --help.")


class Offline(_Inner):
    """A command that needs no connection, or not always: it looks at no context by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", _HELP)
        super().__init__(*args, **kwargs)


class Leaf(Offline):
    """A command that connects, with what flags, environment and the context say."""

    def invoke(self, ctx: click.Context) -> Any:
        ctx.obj.load_context()
        return super().invoke(ctx)


class LazyGroup(click.Group):
    """A group whose commands are named in a table and imported when they are used."""

    def __init__(self, *args: Any, table: Table, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", _HELP)
        super().__init__(*args, **kwargs)
        self.no_args_is_help = False
        self._table = table

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            console.note(ctx.get_help() + "\n")
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = self._table.get(cmd_name)
        if row is None:
            row = next((row for row in self._table.values() if cmd_name in row[2]), None)
        if row is None:
            return None
        from importlib import import_module

        module, _, name = row[0].partition(":")
        command: click.Command = getattr(import_module(module), name or "command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            from difflib import get_close_matches

            known = [word for key, row in self._table.items() for word in (key, *row[2])]
            close = get_close_matches(name, known, 1)
            ctx.fail(f'unknown command "{name}"' + (f', did you mean "{close[0]}"?' if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(", ".join((name, *row[2])), row[1]) for name, row in sorted(self._table.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class InnerGroup(_Inner, LazyGroup):
    """A group below the top."""


def _root_params() -> list[click.Parameter]:
    version = click.Option(
        ("--version",),
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="Show the version.",
    )
    return [*global_flags(outermost=True), version]


nats = LazyGroup(
    "nats",
    table=COMMANDS,
    params=_root_params(),
    help="Talk to NATS servers: publish, subscribe, ask, answer, measure.",
    epilog="Global flags may stand before or after the command. nats help COMMAND explains a command.",
)


def json_flag(function: F) -> F:
    """``-j``: JSON instead of something for people."""
    return click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")(function)


def force_flag(function: F) -> F:
    """``-f``: no question."""
    return click.option("-f", "--force", is_flag=True, help="Do not ask.")(function)


def split_header(text: str) -> tuple[str, str]:
    """``K:V`` of a -H flag. Raises a usage error."""
    key, found, value = text.partition(":")
    if not found or not key.strip():
        raise click.UsageError(f'invalid header "{text}", write it as Key:Value')
    return key.strip(), value.strip()
