"""`nats consumer add`, `edit` and `copy`: from flags, a file or questions to a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import StreamName, force_flag, json_flag
from natsd.cli.nats.consumers.consumer_ask import fill_in
from natsd.cli.nats.consumers.consumer_flags import apply, consumer_flags
from natsd.cli.nats.consumers.consumer_show import show_consumer
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.configuration import (
    agreed,
    differences,
    edit_document,
    read_config,
    without_reserved,
    write_config,
)
from natsd.cli.nats.targets import (
    ConsumerName,
    StreamLeaf,
    choose_consumer,
    choose_stream,
    consumer_arguments,
    jetstream,
    stream_argument,
)

if TYPE_CHECKING:
    from typing import Any

ADD_HELP = """Make a consumer of a stream.

What flags leave open is asked for at a terminal; --defaults takes the default of everything but the name.

\b
Examples:
  nats consumer add ORDERS WORKER --pull --defaults
  nats consumer add ORDERS PUSHED --target deliver.orders --ack none --defaults
  nats consumer add ORDERS --config worker.json
"""


@click.command("add", cls=StreamLeaf, help=ADD_HELP, short_help="Make a consumer.")
@stream_argument
@click.argument("consumer", required=False)
@click.option("--config", "config_file", metavar="FILE", help="Take the configuration from a JSON file.")
@click.option("--validate", "only_validate", is_flag=True, help="Only check the configuration and print it.")
@click.option("--output", metavar="FILE", help="Write the configuration to a file instead.")
@click.option("--defaults", is_flag=True, help="Ask nothing, take the defaults.")
@consumer_flags(editing=False)
@json_flag
@click.pass_obj
def add(
    settings: Settings,
    /,
    stream: str | None,
    consumer: str | None,
    config_file: str | None,
    only_validate: bool,
    output: str | None,
    defaults: bool,
    as_json: bool,
    **values: Any,
) -> None:
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        if config_file:
            config = apply(read_config(config_file), values)
            if consumer:
                config["name"] = consumer
                if config.get("durable_name"):
                    config["durable_name"] = consumer
        else:
            config = fill_in(apply({}, values), consumer, values, defaults)
        if only_validate:
            console.out_json(config)
            return
        if output:
            write_config(output, config)
            return
        show_consumer(js.create_consumer(target, config, "create"), as_json)


@click.command("edit", cls=StreamLeaf, help="Change the configuration of a consumer. Shows the differences and asks.")
@consumer_arguments
@click.option("--config", "config_file", metavar="FILE", help="Take the new configuration from a JSON file.")
@click.option("-i", "--interactive/--no-interactive", default=False, help="Edit it in $VISUAL or $EDITOR.")
@click.option("--dry-run", is_flag=True, help="Only show the differences; exit code 1 where there are some.")
@force_flag
@consumer_flags(editing=True)
@json_flag
@click.pass_obj
def edit(
    settings: Settings,
    /,
    stream: str | None,
    consumer: str | None,
    config_file: str | None,
    interactive: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
    **values: Any,
) -> None:
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        name = choose_consumer(js, target, consumer)
        old = without_reserved(js.consumer_info(target, name)["config"])
        if not old.get("durable_name"):
            raise CommandFailed("only durable consumers can be edited")
        if config_file:
            new = read_config(config_file)
        elif interactive:
            new = edit_document(old, name)
        else:
            new = apply(old, values)
        if (
            new.get("backoff")
            and new.get("backoff") == old.get("backoff")
            and new.get("ack_wait") != old.get("ack_wait")
        ):
            raise CommandFailed("the ack wait of a consumer with a backoff policy is its first step")
        question = f"Really edit Consumer {target} > {name}"
        if agreed(differences(old, new), question, dry_run, force, as_json):
            show_consumer(js.create_consumer(target, new, "update"), as_json)


@click.command("copy", cls=StreamLeaf, help="Make a consumer with the configuration of another one.")
@click.argument("stream", type=StreamName())
@click.argument("source", metavar="SOURCE", type=ConsumerName())
@click.argument("destination")
@consumer_flags(editing=False)
@json_flag
@click.pass_obj
def copy(settings: Settings, /, stream: str, source: str, destination: str, as_json: bool, **values: Any) -> None:
    with jetstream(settings) as js:
        config = apply(without_reserved(js.consumer_info(stream, source)["config"]), values)
        config["name"] = destination
        config.pop("durable_name", None)
        if not values.get("ephemeral"):
            config["durable_name"] = destination
        if not values.get("deliver_group"):
            config.pop("deliver_group", None)
        show_consumer(js.create_consumer(stream, config, "create"), as_json)
