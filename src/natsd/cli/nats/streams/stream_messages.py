"""`nats stream get` and `view`: messages of a stream, one or page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import DURATION, json_flag
from natsd.cli.nats.messages.show import show_body
from natsd.cli.nats.messages.translate import translate
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.stream_read import read_stream, stored_of
from natsd.cli.nats.targets import StreamLeaf, choose_stream, jetstream, stream_argument
from natsd.cli.prompt import ask
from natsd.cli.times import local_time, render_time, since_ns
from natsd.cli.values import quote, short_duration

if TYPE_CHECKING:
    from typing import Any

    from natsd.cli.nats.streams.stream_read import Stored

LARGEST_PAGE = 25


@click.command("get", cls=StreamLeaf, help="Show one message, by its number or the last one of a subject.")
@stream_argument
@click.argument("sequence", metavar="[ID]", type=click.IntRange(min=0), required=False)
@click.option("-S", "--last-for", metavar="SUBJECT", help="The last message of this subject.")
@click.option("--translate", "command_line", metavar="COMMAND", default="", help="Show what a command makes of it.")
@json_flag
@click.pass_obj
def get(
    settings: Settings,
    stream: str | None,
    sequence: int | None,
    last_for: str | None,
    command_line: str,
    as_json: bool,
) -> None:
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        if sequence is None and not last_for:
            answer = ask("Message Sequence to retrieve (or a subject)", "a number or --last-for", required=True)
            if answer.isdigit():
                sequence = int(answer)
            else:
                last_for = answer
        body: dict[str, Any] = {"seq": sequence} if sequence is not None else {"last_by_subj": last_for}
        raw = js.get_message(name, **body)
    if as_json:
        console.out_json(raw)
        return
    item = stored_of(name, raw)
    passed = short_duration(max(0, since_ns(str(raw.get("time", "")))))
    head = f"Item: {name}#{item.sequence} received {local_time(item.time_ns)} ({passed}) on Subject {item.subject}"
    console.out_text(f"{head}\n\n")
    if item.headers:
        console.out_text("Headers:\n" + "".join(f"  {key}: {value}\n" for key, value in item.headers) + "\n")
    _show_payload(item, command_line)


def _show_payload(item: Stored, command_line: str) -> None:
    show_body(translate(item.payload, command_line, item.subject, item.stream), empty=b"nil body")


@click.command("view", cls=StreamLeaf, help="Page through the messages; everything at once where there is no terminal.")
@stream_argument
@click.argument("size", type=click.IntRange(min=1), default=10)
@click.option("--id", "start", type=click.IntRange(min=0), default=0, help="Start at this number.")
@click.option("--since", type=DURATION, help="Start at messages of the last 1h, 5m, ...")
@click.option("--raw", is_flag=True, help="Print payloads only.")
@click.option("--translate", "command_line", metavar="COMMAND", default="", help="Show what a command makes of them.")
@click.option("--subject", metavar="SUBJECT", default="", help="Only messages of this subject.")
@json_flag
@click.pass_obj
def view(
    settings: Settings,
    stream: str | None,
    size: int,
    start: int,
    since: int | None,
    raw: bool,
    command_line: str,
    subject: str,
    as_json: bool,
) -> None:
    pages = console.is_terminal(0) and console.is_terminal(1)
    if pages and size > LARGEST_PAGE:
        console.log(f"Page size is limited to {LARGEST_PAGE}, setting to {LARGEST_PAGE}...")
        size = LARGEST_PAGE
    start_time = ""
    if since is not None:
        import time

        start_time = render_time(time.time_ns() - since)
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        info = js.stream_info(name)
        shown = 0
        for item in read_stream(js, info, subject, start, start_time, size if pages else 500):
            _show(item, raw, command_line, as_json)
            shown += 1
            if pages and shown % size == 0 and item.pending:
                console.flush()
                if not click.confirm("Next Page?", default=True, err=True):
                    return
    if not raw and not as_json:
        console.log("Reached apparent end of data")


def _show(item: Stored, raw: bool, command_line: str, as_json: bool) -> None:
    if as_json:
        import json

        console.out_text(json.dumps(document_of(item), ensure_ascii=False) + "\n")
        return
    if raw:
        console.out(translate(item.payload, command_line, item.subject, item.stream) + b"\n")
        return
    console.out_text(f"[{item.sequence}] Subject: {item.subject} Received: {local_time(item.time_ns)}\n")
    if item.headers:
        console.out_text("\n" + "".join(f"  {key}: {_printable(value)}\n" for key, value in item.headers))
    console.out(b"\n")
    _show_payload(item, command_line)


def _printable(value: str) -> str:
    return value if value.isprintable() else quote(value)[1:-1]


def document_of(item: Stored) -> dict[str, Any]:
    """A message as JSON, with its payload as base64 like in the API."""
    from base64 import b64encode

    document: dict[str, Any] = {"subject": item.subject, "seq": item.sequence}
    if item.header:
        document["hdrs"] = b64encode(item.header).decode()
    if item.payload:
        document["data"] = b64encode(item.payload).decode()
    document["time"] = render_time(item.time_ns)
    return document
