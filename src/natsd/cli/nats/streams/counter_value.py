"""`nats counter increment`, `decrement`, `get`, `view` and `list`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import Leaf, json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import jetstream
from natsd.cli.values import comma
from natsd.client.jetstream import ApiError

if TYPE_CHECKING:
    from natsd.client.jetstream import JetStream
    from natsd.client.message import Message

MESSAGE_NOT_FOUND = 10037
STREAM_NOT_FOUND = 10059
NUMBER = re.compile(r"[+-]?[0-9]{1,4096}")
NEGATIVE = {"ignore_unknown_options": True}
"""A value may begin with a minus."""

stream_flag = click.option("--stream", metavar="STREAM", help="The stream that has it.")


def _stream_of(js: JetStream, stream: str | None, subject: str) -> str:
    names = [stream] if stream else js.stream_names(subject)
    if not names:
        raise ApiError(404, STREAM_NOT_FOUND, "stream not found")
    config = js.stream_info(names[0])["config"]
    if not (config.get("allow_msg_counter") and config.get("allow_direct")):
        raise CommandFailed(f'"{names[0]}" is not a valid counter stream')
    return names[0]


def _last(js: JetStream, stream: str | None, subject: str) -> Message:
    try:
        return js.direct_get(_stream_of(js, stream, subject), last_by_subj=subject)
    except ApiError as error:
        if error.err_code != MESSAGE_NOT_FOUND:
            raise
        raise CommandFailed(f"counter not initialized for subject: {subject}") from None


def _value_of(message: Message) -> str:
    try:
        return str(json.loads(message.payload)["val"])
    except (ValueError, KeyError, TypeError):
        raise CommandFailed(f"the last message of {message.subject} is no counter") from None


def _add(settings: Settings, subject: str, value: str, sign: str, as_json: bool) -> None:
    if NUMBER.fullmatch(value) is None:
        raise CommandFailed("invalid value")
    by = int(value) if sign == "+" else -int(value)
    with jetstream(settings) as js:
        _stream_of(js, None, subject)
        answer = js.publish(subject, b"", [("Nats-Incr", str(by))])
    if as_json:
        console.out_json({"stream": answer["stream"], "subject": subject, "seq": answer["seq"], "val": answer["val"]})
    else:
        console.out_text(f"{answer['val']}\n")


def _changing(name: str, sign: str, help_text: str) -> click.Command:
    @click.command(name, cls=Leaf, context_settings=NEGATIVE, help=help_text)
    @click.argument("subject")
    @click.argument("value")
    @json_flag
    @click.pass_obj
    def change(settings: Settings, subject: str, value: str, as_json: bool) -> None:
        _add(settings, subject, value, sign, as_json)

    return change


increment = _changing("increment", "+", "Add VALUE to the counter of SUBJECT.")
decrement = _changing("decrement", "-", "Take VALUE from the counter of SUBJECT.")


@click.command("get", cls=Leaf, help="Show the value of the counter of SUBJECT.")
@click.argument("subject")
@stream_flag
@json_flag
@click.pass_obj
def get(settings: Settings, subject: str, stream: str | None, as_json: bool) -> None:
    with jetstream(settings) as js:
        value = _value_of(_last(js, stream, subject))
    if as_json:
        console.out_json({"subject": subject, "val": value})
    else:
        console.out_text(f"{value}\n")


@click.command("view", cls=Leaf, help="Show the counter of SUBJECT with what its sources have.")
@click.argument("subject")
@stream_flag
@json_flag
@click.pass_obj
def view(settings: Settings, subject: str, stream: str | None, as_json: bool) -> None:
    with jetstream(settings) as js:
        message = _last(js, stream, subject)
    pairs = dict(message.headers)
    value, increment, found = _value_of(message), pairs.get("Nats-Incr", "0"), pairs.get("Nats-Subject", subject)
    sources = json.loads(pairs.get("Nats-Counter-Sources", "{}"))
    if as_json:
        console.out_json({"subject": found, "val": value, "increment": increment, "sources": sources})
        return
    block = Block(f"Counter {subject}")
    block.row("Value", _shown(value))
    block.row("Increment", _shown(increment))
    block.row("Subject", found)
    if sources:
        block.section("Sources")
    for name, sums in sorted(sources.items()):
        for number, (theirs, value) in enumerate(sorted(sums.items())):
            block.row("" if number else name, f"{theirs}: {value}")
    console.out_text(block.render())
    if not sources:
        console.out_text("No source information found\n")


def _shown(value: str) -> str:
    return comma(int(value)) if NUMBER.fullmatch(value) else value


@click.command("list", cls=Leaf, help="List the counters of a stream, those that match SUBJECT.")
@click.argument("subject", required=False)
@stream_flag
@json_flag
@click.pass_obj
def ls(settings: Settings, subject: str | None, stream: str | None, as_json: bool) -> None:
    if not stream and not subject:
        raise CommandFailed("no stream or subject specified")
    with jetstream(settings) as js:
        found = sorted(js.subjects(_stream_of(js, stream, subject or ""), subject or ">"))
    if not found:
        raise CommandFailed("no counters found")
    if as_json:
        console.out_json(found)
    else:
        console.out_text("".join(f"{name}\n" for name in found))
