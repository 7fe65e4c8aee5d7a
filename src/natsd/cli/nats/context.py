"""`nats context`: keep, change, choose and remove connections by name. What shows them is in context_show.py."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.contexts import FILES, SECRETS, Context, Contexts, expand, parse, read_secret
from natsd.cli.draft import replace_file
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import ContextName, InnerGroup, Offline, Table, force_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.prompt import confirm, pick

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

HELP = """Keep connections under names.

A context holds the address of servers and what is needed to connect to them. The selected one is used by every command;
--context NAME or NATS_CONTEXT use another one, flags and environment outweigh what it says, --no-context ignores it.

\b
Examples:
  nats context add prod --server nats://prod:4222 --user app --password env://PROD_PASSWORD --select
  nats --context prod pub orders.eu hello
"""

_HERE = "natsd.cli.nats.context"
TABLE: Table = {
    "add": (f"{_HERE}:add", "Add or change a context", ("create", "save")),
    "copy": (f"{_HERE}:copy", "Copy a context", ("cp",)),
    "edit": (f"{_HERE}:edit", "Edit a context in $EDITOR", ("vi",)),
    "info": ("natsd.cli.nats.context_show:info", "Show a context", ("show", "v", "view")),
    "ls": ("natsd.cli.nats.context_show:ls", "List the contexts", ("list", "l")),
    "previous": (f"{_HERE}:previous", "Select the context selected before", ("-",)),
    "rm": (f"{_HERE}:remove", "Remove a context", ("remove",)),
    "select": (f"{_HERE}:select", "Select a context", ("switch", "set")),
    "unselect": (f"{_HERE}:unselect", "Select no context", ()),
    "validate": ("natsd.cli.nats.context_show:validate", "Check contexts", ()),
}

command = InnerGroup("context", table=TABLE, help=HELP)

# Flag, key of the context and help of what only a context can keep so far.
_FLAGS = (
    ("--socks-proxy", "socks_proxy", "SOCKS5 proxy."),
    ("--nsc", "nsc", "User in the nsc store."),
    ("--colors", "color_scheme", "Colour scheme."),
)
# Attribute of the settings and key of the context of what global flags say.
_GLOBAL = (
    ("servers", "url"),
    ("user", "user"),
    ("password", "password"),
    ("token", "token"),
    ("creds", "creds"),
    ("nkey", "nkey"),
    ("jwt", "user_jwt"),
    ("seed", "user_seed"),
    ("tls_cert", "cert"),
    ("tls_key", "key"),
    ("tls_ca", "ca"),
    ("tls_first", "tls_first"),
    ("js_domain", "jetstream_domain"),
    ("js_api_prefix", "jetstream_api_prefix"),
    ("js_event_prefix", "jetstream_event_prefix"),
    ("inbox_prefix", "inbox_prefix"),
)


def _content_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    for flag, key, text in reversed(_FLAGS):
        function = click.option(flag, key, metavar="TEXT", help=text)(function)
    function = click.option("--embed", is_flag=True, help="Keep the content of credential files in the context.")(
        function
    )
    function = click.option("--select", "selects", is_flag=True, help="Select the context.")(function)
    return click.option("--description", metavar="TEXT", help="What it is for.")(function)


@click.command("add", cls=Offline, help="Add a context from connection flags, or change the ones given of a known one.")
@click.argument("name", type=ContextName())
@_content_flags
@click.pass_obj
def add(settings: Settings, /, name: str, selects: bool, embed: bool, **values: Any) -> None:
    contexts = Contexts()
    path = contexts.path_of(name)
    if contexts.is_known(name):
        context = contexts.load(name)
    elif settings.context and not settings.no_context:
        context = Context(name, path, contexts.load(settings.context).data)
    else:
        context = Context(name, path, {})
    _finish(contexts, context, settings, values, embed, selects)


@click.command("copy", cls=Offline, help="Copy a context; flags change the copy.")
@click.argument("source", type=ContextName())
@click.argument("name")
@_content_flags
@click.pass_obj
def copy(settings: Settings, /, source: str, name: str, selects: bool, embed: bool, **values: Any) -> None:
    contexts = Contexts()
    path = contexts.path_of(name)
    if contexts.is_known(name):
        raise CommandFailed(f'context "{name}" exists already')
    _finish(contexts, Context(name, path, contexts.load(source).data), settings, values, embed, selects)


def _finish(
    contexts: Contexts, context: Context, settings: Settings, values: dict[str, Any], embed: bool, selects: bool
) -> None:
    given = {key: getattr(settings, name) for name, key in _GLOBAL} | values
    context.data.update((key, value) for key, value in given.items() if value not in (None, "", False))
    if not context.data.get("url"):
        from natsd.client.url import DEFAULT_URL

        context.data["url"] = DEFAULT_URL
    if embed:
        _embed(context)
    contexts.save(context)
    if selects:
        contexts.select(context.name)
    _show(context.name)


def _embed(context: Context) -> None:
    """Put what credential files contain in the place of their paths."""
    import base64

    for key in SECRETS:
        text = context.text(key)
        if not text or text.startswith(("data:", "env://", "op://", "nsc://")):
            continue
        if text.startswith("file://"):
            content = (read_secret(text) or "").encode()
        elif key in FILES:
            with open(expand(text), "rb") as file:
                content = file.read()
        else:
            continue
        context.data[key] = "data:;base64," + base64.b64encode(content).decode()


def _show(name: str) -> None:
    from natsd.cli.nats.context_show import show

    show(Contexts().load(name))


@click.command("edit", cls=Offline, help="Edit the file of a context in $VISUAL or $EDITOR.")
@click.argument("name", type=ContextName())
def edit(name: str) -> None:
    from natsd.cli.editor import edit_file

    contexts = Contexts()
    context = contexts.load(name)
    # The original stays until the new text is known to be a context.
    draft = os.path.join(contexts.folder, "context", f".{name}.{os.getpid()}.json")
    replace_file(draft, context.render())
    try:
        edit_file(draft, f'context "{name}"')
        with open(draft, "rb") as file:
            data = parse(file.read(), name)
    finally:
        os.unlink(draft)
    changed = Context(name, context.path, data)
    check_types(changed)
    contexts.save(changed)
    _show(name)


def check_types(context: Context) -> None:
    """Raises CommandFailed where a value of a context is not of its kind."""
    from natsd.cli.contexts import KEYS

    for key, default in KEYS:
        if default is False:
            context.flag(key)
        elif default == "":
            context.text(key)


@click.command("rm", cls=Offline, help="Remove a context.")
@click.argument("name", type=ContextName())
@force_flag
def remove(name: str, force: bool) -> None:
    contexts = Contexts()
    contexts.must_know(name)
    if force or confirm(f'Really remove context "{name}"'):
        contexts.remove(name)


@click.command("select", cls=Offline, help="Select the context that commands use; without NAME one can be picked.")
@click.argument("name", type=ContextName(), required=False)
def select(name: str | None) -> None:
    contexts = Contexts()
    name = name or _pick(contexts)
    contexts.select(name)
    _show(name)
    warn_of_environment()


def _pick(contexts: Contexts) -> str:
    names = contexts.names()
    if not names:
        raise CommandFailed("there are no contexts, nats context add makes one")
    return pick("Context", names, "the name of a context")


@click.command("unselect", cls=Offline, help="Select no context.")
def unselect() -> None:
    contexts = Contexts()
    if not contexts.selected:
        raise CommandFailed("no context is selected")
    contexts.select("")


@click.command("previous", cls=Offline, help="Select the context that was selected before.")
def previous() -> None:
    contexts = Contexts()
    name = contexts.previous
    if not name:
        raise CommandFailed("no context was selected before")
    contexts.select(name)
    _show(name)
    warn_of_environment()


def warn_of_environment() -> None:
    """Say which environment variables outweigh what a context says."""
    names = ("NATS_URL", "NATS_USER", "NATS_PASSWORD", "NATS_TOKEN", "NATS_CONTEXT")
    found = [name for name in names if os.environ.get(name)]
    if found:
        sys.stdout.flush()
        console.log(f"The environment outweighs the context: {', '.join(found)}")
