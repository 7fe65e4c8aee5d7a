"""`nats stream add`, `edit` and `copy`: from flags, a file or questions to a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.app import StreamName, force_flag, json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.configuration import (
    agreed,
    differences,
    edit_document,
    read_config,
    without_reserved,
    write_config,
)
from natsd.cli.nats.streams.stream_ask import fill_in, source_of
from natsd.cli.nats.streams.stream_flags import apply, stream_flags
from natsd.cli.nats.streams.stream_show import show_stream
from natsd.cli.nats.targets import StreamLeaf, choose_stream, jetstream, stream_argument
from natsd.client.errors import PermissionsViolation
from natsd.client.jetstream import check_name

if TYPE_CHECKING:
    from typing import Any

    from natsd.client.jetstream import JetStream

    Config = dict[str, Any]

ADD_HELP = """Make a stream.

What flags leave open is asked for at a terminal; --defaults takes the default of everything but name and subjects.

\b
Examples:
  nats stream add ORDERS --subjects 'orders.>' --defaults
  nats stream add ORDERS --config orders.json
  nats stream add COPY --mirror ORDERS --defaults
"""


@click.command("add", cls=StreamLeaf, help=ADD_HELP, short_help="Make a stream.")
@click.argument("stream", required=False)
@click.option("--config", "config_file", metavar="FILE", help="Take the configuration from a JSON file.")
@click.option("--validate", "only_validate", is_flag=True, help="Only check the configuration and print it.")
@click.option("--output", metavar="FILE", help="Write the configuration to a file instead.")
@click.option("--defaults", is_flag=True, help="Ask nothing, take the defaults.")
@stream_flags(editing=False)
@json_flag
@click.pass_obj
def add(
    settings: Settings,
    /,
    stream: str | None,
    config_file: str | None,
    only_validate: bool,
    output: str | None,
    defaults: bool,
    as_json: bool,
    **values: Any,
) -> None:
    with jetstream(settings) as js:
        if config_file:
            config = apply(read_config(config_file), values)
            config["name"] = stream or config.get("name", "")
            _add_sources(config, values, True)
        else:
            config = apply({"name": stream} if stream else {}, values)
            _add_sources(config, values, defaults)
            config = fill_in(config, defaults, "max_bytes" not in config and _size_required(js))
        _refuse(config)
        if only_validate:
            console.out_json(config)
            return
        if output:
            write_config(output, config)
            return
        js.create_stream(config)
        name = config["name"]
        if not as_json:
            console.out_text(f"Stream {name} was created\n\n")
        show_stream(js.stream_info(name), as_json)


def _size_required(js: JetStream) -> bool:
    """Whether the account wants a limit of bytes; who may not ask for that may still make a stream."""
    try:
        return bool((js.account_info().get("limits") or {}).get("max_bytes_required"))
    except PermissionsViolation:
        return False


def _add_sources(config: Config, values: Config, defaults: bool) -> None:
    if values.get("mirror"):
        config["mirror"] = source_of(values["mirror"], defaults, "mirror")
    if values.get("sources"):
        config["sources"] = [source_of(text, defaults, "source") for text in values["sources"]]


def _refuse(config: Config) -> None:
    """Raises a usage error for what no server would take."""
    check_name(str(config.get("name", "")))
    if ">" in (config.get("subjects") or ()) and not config.get("no_ack"):
        raise CommandFailed('a stream of ">" has to be told --no-ack: its acks would be stored too', USAGE)


@click.command("edit", cls=StreamLeaf, help="Change the configuration of a stream. Shows the differences and asks.")
@stream_argument
@click.option("--config", "config_file", metavar="FILE", help="Take the new configuration from a JSON file.")
@click.option("-i", "--interactive/--no-interactive", default=False, help="Edit it in $VISUAL or $EDITOR.")
@click.option("--dry-run", is_flag=True, help="Only show the differences; exit code 1 where there are some.")
@force_flag
@stream_flags(editing=True)
@json_flag
@click.pass_obj
def edit(
    settings: Settings,
    /,
    stream: str | None,
    config_file: str | None,
    interactive: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
    **values: Any,
) -> None:
    if values.get("mirror") or values.get("sources"):
        raise click.UsageError("mirrors and sources are changed with --config")
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        old = without_reserved(js.stream_info(name)["config"])
        if config_file:
            new = {**read_config(config_file), "name": name}
        elif interactive:
            new = edit_document(old, name)
        else:
            new = apply(old, values)
        lines = differences(old, new)
        if not agreed(lines, f"Really edit Stream {name}", dry_run, force, as_json):
            return
        js.update_stream(new)
        if not as_json:
            console.out_text(f"Stream {name} was updated\n\n")
        show_stream(js.stream_info(name), as_json)


@click.command("copy", cls=StreamLeaf, help="Make a stream with the configuration of another one; copies no messages.")
@click.argument("source", type=StreamName())
@click.argument("destination")
@stream_flags(editing=False)
@json_flag
@click.pass_obj
def copy(settings: Settings, /, source: str, destination: str, as_json: bool, **values: Any) -> None:
    if source == destination:
        raise click.UsageError("source and destination are the same")
    with jetstream(settings) as js:
        config = apply(without_reserved(js.stream_info(source)["config"]), values)
        _add_sources(config, values, True)
        config["name"] = destination
        _refuse(config)
        js.create_stream(config)
        if not as_json:
            console.out_text(f"Stream {destination} was created\n\n")
        show_stream(js.stream_info(destination), as_json)
