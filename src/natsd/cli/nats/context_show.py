"""`nats context ls`, `info` and `validate`: what contexts there are and whether they are of use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.contexts import FILES, SECRETS, Context, Contexts
from natsd.cli.exit_codes import CommandFailed, line_of
from natsd.cli.nats.app import ContextName, Offline, json_flag
from natsd.cli.nats.settings import Settings

if TYPE_CHECKING:
    from natsd.cli.block import Value

# Label, key, and whether the value is to stay hidden.
_ROWS = (
    ("Description", "description", False),
    ("Server URLs", "url", False),
    ("SOCKS5 Proxy", "socks_proxy", False),
    ("Username", "user", False),
    ("Password", "password", True),
    ("Token", "token", True),
    ("Credentials", "creds", False),
    ("User JWT", "user_jwt", True),
    ("User Seed", "user_seed", True),
    ("NKey", "nkey", False),
    ("NSC Lookup", "nsc", False),
    ("Certificate", "cert", False),
    ("Key", "key", False),
    ("CA", "ca", False),
    ("TLS First", "tls_first", False),
    ("JS API Prefix", "jetstream_api_prefix", False),
    ("JS Event Prefix", "jetstream_event_prefix", False),
    ("JS Domain", "jetstream_domain", False),
    ("Inbox Prefix", "inbox_prefix", False),
    ("Color Scheme", "color_scheme", False),
)


@click.command("ls", cls=Offline, help="List the contexts; the selected one has a star.")
@json_flag
@click.option("-n", "--names", "only_names", is_flag=True, help="Print names only.")
@click.option("--completion", is_flag=True, hidden=True, help="The same as --names.")
def ls(as_json: bool, only_names: bool, completion: bool) -> None:
    contexts = Contexts()
    names = contexts.names()
    if only_names or completion:
        console.out_text("".join(name + "\n" for name in names))
        return
    selected = contexts.selected
    known = [(name, _describe(contexts, name)) for name in names]
    if as_json:
        document = [
            {"name": name, "description": text, "selected": name == selected, "path": contexts.path_of(name)}
            for name, text in known
        ]
        console.out_json(document)
        return
    if not known:
        console.note("There are no contexts, nats context add makes one.\n")
        return
    from natsd.cli.table import show_table

    rows = [(name + "*" * (name == selected), text) for name, text in known]
    show_table("Known Contexts", ("Name", "Description"), rows)


def _describe(contexts: Contexts, name: str) -> str:
    # One broken file does not hide the others.
    try:
        return contexts.load(name).text("description")
    except (CommandFailed, OSError):
        return "(cannot be read)"


@click.command("info", cls=Offline, help="Show a context, the one in use without NAME. Secrets are hidden.")
@click.argument("name", type=ContextName(), required=False)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print its file, with the secrets.")
@click.option("--connect", "connects", is_flag=True, help="Try to connect.")
@click.pass_obj
def info(settings: Settings, name: str | None, as_json: bool, connects: bool) -> None:
    context = _named(settings, name)
    if as_json:
        console.out(context.render())
        return
    problem = _trouble(settings, context, connect=True) if connects else ""
    show(context, (problem or "OK") if connects else "")
    from natsd.cli.nats.context import warn_of_environment

    warn_of_environment()
    if problem:
        raise CommandFailed(f'context "{context.name}" does not connect')


def _named(settings: Settings, name: str | None) -> Context:
    if name:
        return Contexts().load(name)
    context = settings.find_context()
    if context is None:
        raise CommandFailed("no context is selected, name one")
    return context


def show(context: Context, connection: str = "") -> None:
    """Print the block of a context."""
    from natsd.cli.block import Block

    block = Block(f'NATS Configuration Context "{context.name}"')
    for label, key, is_secret in _ROWS:
        if key == "tls_first":
            block.row_if(label, context.flag(key))
            continue
        block.row_if(label, _shown(context, key, is_secret))
    block.row("Path", context.path)
    if connection:
        block.row("Connection", connection)
    console.out_text(block.render())


def _shown(context: Context, key: str, is_secret: bool) -> Value:
    text = context.text(key)
    if not text:
        return ""
    if key == "url":
        from natsd.client.url import without_secret

        return ", ".join(without_secret(part.strip()) for part in text.split(",") if part.strip())
    if text.startswith("data:"):
        return "embedded"
    is_uri = text.startswith(("env://", "file://", "op://", "nsc://"))
    if is_secret and not is_uri:
        return "*********"
    if (key in FILES or is_uri) and (problem := _file_trouble(context, key)):
        return f"{text} ERROR: {problem}"
    return f"{text} OK" if key in FILES else text


def _file_trouble(context: Context, key: str) -> str:
    """Why the file or the secret behind a value cannot be had, empty when it can."""
    text = context.text(key)
    try:
        path = context.value(key)
    except CommandFailed as problem:
        return str(problem).rpartition(f"{key}: ")[2]
    if key in SECRETS and path != text and text.startswith(("env://", "file://", "data:")):
        return ""
    if key in FILES:
        if not os.path.exists(path):
            return "no such file"
        if not os.access(path, os.R_OK):
            return "not readable"
    return ""


@click.command(
    "validate", cls=Offline, help="Check a context, all of them without NAME. Exit code 1 when one is of no use."
)
@click.argument("name", type=ContextName(), required=False)
@click.option("--connect", "connects", is_flag=True, help="Try to connect.")
@click.pass_obj
def validate(settings: Settings, name: str | None, connects: bool) -> None:
    contexts = Contexts()
    names = [name] if name else contexts.names()
    failures = 0
    for one in names:
        try:
            problem = _trouble(settings, contexts.load(one), connects)
        except (CommandFailed, OSError) as error:
            problem = str(error)
        failures += bool(problem)
        console.out_text(f"{one}: {problem or 'OK'}\n")
    if failures:
        raise CommandFailed(f"{failures} of {len(names)} contexts cannot be used")


def _trouble(settings: Settings, context: Context, connect: bool) -> str:
    """What is wrong with a context, empty when nothing is."""
    from natsd.cli.nats.context import check_types
    from natsd.client.errors import ClientError
    from natsd.client.url import parse_urls

    try:
        check_types(context)
        for key in (*FILES, *SECRETS):
            if context.text(key) and (problem := _file_trouble(context, key)):
                return f"{key}: {problem}"
        parse_urls(context.text("url"))
        if connect:
            trial = Settings()
            trial.timeout_ns, trial.trace = settings.timeout_ns, settings.trace
            trial.use_context(context)
            trial.connect(reconnect=False).close()
    except CommandFailed as problem:
        return str(problem)
    except ClientError as problem:
        return line_of(problem)
    return ""
