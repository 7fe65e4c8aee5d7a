"""`nats consumer rm`, `pause`, `resume`, `reset` and `unpin`, each after a question."""

from __future__ import annotations

import time

import click

from natsd.cli import console
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import force_flag, json_flag
from natsd.cli.nats.consumers.consumer_flags import until as parse_until
from natsd.cli.nats.consumers.consumer_show import show_consumer
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import StreamLeaf, choose_consumer, choose_stream, consumer_arguments, jetstream
from natsd.cli.prompt import ask, confirm, pick
from natsd.cli.times import local_time, render_time
from natsd.cli.values import HOUR, SECOND, go_duration
from natsd.client.jetstream import check_name


@click.command("rm", cls=StreamLeaf, help="Remove a consumer.")
@consumer_arguments
@force_flag
@json_flag
@click.pass_obj
def remove(settings: Settings, stream: str | None, consumer: str | None, force: bool, as_json: bool) -> None:
    if force and not (stream and consumer):
        raise click.UsageError("--force needs the names of a stream and a consumer")
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        name = choose_consumer(js, target, consumer)
        agreed = force or confirm(f"Really delete Consumer {target} > {name}")
        if agreed:
            js.delete_consumer(target, name)
    if as_json:
        console.out_json({"stream": target, "consumer": name, "deleted": agreed})


@click.command(
    "pause", cls=StreamLeaf, help="Deliver nothing until a time (2026-01-02 15:04:05, UTC) or for a duration."
)
@consumer_arguments
@click.argument("until", metavar="[UNTIL]", required=False)
@force_flag
@json_flag
@click.pass_obj
def pause(
    settings: Settings, /, stream: str | None, consumer: str | None, until: str | None, force: bool, as_json: bool
) -> None:
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        name = choose_consumer(js, target, consumer)
        default = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + HOUR / SECOND))
        at = parse_until(until or ask("Pause until (time or duration)", "a time or a duration", default, parse_until))
        if not force and not confirm(f"Really pause Consumer {target} > {name} until {local_time(at)}"):
            return
        answer = js.call(
            f"CONSUMER.PAUSE.{check_name(target)}.{check_name(name, 'consumer')}", {"pause_until": render_time(at)}
        )
    if not answer.get("paused"):
        raise CommandFailed("the consumer is not paused, the time is past")
    if as_json:
        console.out_json({key: value for key, value in answer.items() if key != "type"})
        return
    left = go_duration(round(int(answer.get("pause_remaining") or 0) / SECOND) * SECOND)
    console.out_text(f"Paused {target} > {name} until {local_time(str(answer.get('pause_until', '')))} ({left})\n")


@click.command("resume", cls=StreamLeaf, help="Go on with the deliveries of a paused consumer.")
@consumer_arguments
@force_flag
@json_flag
@click.pass_obj
def resume(settings: Settings, stream: str | None, consumer: str | None, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        name = choose_consumer(js, target, consumer)
        info = js.consumer_info(target, name)
        if not info.get("paused"):
            raise CommandFailed("the consumer is not paused")
        if not force and not confirm(f"Really resume Consumer {target} > {name}"):
            return
        answer = js.call(f"CONSUMER.PAUSE.{target}.{name}", {})
    if as_json:
        console.out_json({key: value for key, value in answer.items() if key != "type"})
        return
    was = local_time(str((info.get("config") or {}).get("pause_until", "")))
    console.out_text(f"Consumer {target} > {name} was resumed while previously paused until {was}\n")


@click.command("reset", cls=StreamLeaf, help="Let a consumer start again, from its ack floor or from a message.")
@consumer_arguments
@click.option("--sequence", type=click.IntRange(min=1), help="Number of the message to start from.")
@force_flag
@json_flag
@click.pass_obj
def reset(
    settings: Settings, stream: str | None, consumer: str | None, sequence: int | None, force: bool, as_json: bool
) -> None:
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        name = choose_consumer(js, target, consumer)
        if not force and not confirm("Really reset the consumer"):
            return
        js.call(
            f"CONSUMER.RESET.{check_name(target)}.{check_name(name, 'consumer')}",
            {"seq": sequence} if sequence else None,
        )
        show_consumer(js.consumer_info(target, name), as_json, only_state=True)


@click.command("unpin", cls=StreamLeaf, help="Free a priority group from the client it is pinned to.")
@consumer_arguments
@click.argument("group", required=False)
@force_flag
@json_flag
@click.pass_obj
def unpin(
    settings: Settings, stream: str | None, consumer: str | None, group: str | None, force: bool, as_json: bool
) -> None:
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        name = choose_consumer(js, target, consumer)
        info = js.consumer_info(target, name)
        if (info.get("config") or {}).get("priority_policy") != "pinned_client":
            raise CommandFailed("the consumer has no pinned clients")
        pinned = {
            str(one["group"]): str(one["pinned_client_id"])
            for one in info.get("priority_groups") or ()
            if one.get("pinned_client_id")
        }
        if not pinned:
            raise CommandFailed("no priority group is pinned to a client")
        group = group or pick("Group", list(pinned), "the name of a group")
        if not force and not confirm(f"Really unpin client from group {target} > {name} > {group}"):
            return
        js.call(f"CONSUMER.UNPIN.{target}.{name}", {"group": group})
    client = pinned.get(group, "")
    if as_json:
        console.out_json({"stream": target, "consumer": name, "group": group, "client": client})
        return
    console.out_text(f"Unpinned client {client} from Priority Group {target} > {name} > {group}\n")
