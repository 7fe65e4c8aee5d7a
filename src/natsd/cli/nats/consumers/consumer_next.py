"""`nats consumer next` and `sub`: messages of a consumer, acknowledged or not."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import DURATION, StreamName, json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import (
    ConsumerName,
    StreamLeaf,
    choose_consumer,
    choose_stream,
    consumer_arguments,
    jetstream,
)
from natsd.cli.stop import take_interrupts
from natsd.cli.times import render_time
from natsd.cli.values import comma, short_duration
from natsd.client.errors import NoResponders, Timeout
from natsd.client.jetstream import ACK, NAK, TERM, is_control, meta_of
from natsd.client.pulling import Puller

if TYPE_CHECKING:
    from typing import Any

    from natsd.client.jetstream import JetStream
    from natsd.client.message import Message

_DONE = {ACK: "Acknowledged message", NAK: "Negative Acknowledged message", TERM: "Terminated message"}


@click.command("next", cls=StreamLeaf, help="Fetch messages of a pull consumer and acknowledge them.")
@click.argument("stream", type=StreamName())
@click.argument("consumer", type=ConsumerName())
@click.option("--ack/--no-ack", default=None, help="Acknowledge them (default).")
@click.option("--nak", is_flag=True, help="Refuse them: they come again.")
@click.option("--term", is_flag=True, help="Refuse them: they never come again.")
@click.option("-r", "--raw", is_flag=True, help="Print payloads only.")
@click.option("--wait", "wait_ns", type=DURATION, default=0, metavar="DURATION", help="Random pause before the ack.")
@click.option("--count", type=click.IntRange(min=1), default=1, help="So many messages.")
@json_flag
@click.pass_obj
def fetch(
    settings: Settings,
    stream: str,
    consumer: str,
    ack: bool | None,
    nak: bool,
    term: bool,
    raw: bool,
    wait_ns: int,
    count: int,
    as_json: bool,
) -> None:
    if (nak and term) or (ack and (nak or term)):
        raise click.UsageError("--ack, --nak and --term exclude each other")
    answer = TERM if term else NAK if nak else None if ack is False else ACK
    with jetstream(settings) as js:
        _must_pull(js, stream, consumer)
        puller = Puller(js, stream, consumer, 1, settings.timeout_s)
        for _ in range(count):
            message = _next(puller, settings.timeout_s)
            show_delivery(message, raw, as_json)
            console.flush()
            if answer is not None and message.reply_bytes:
                pause_s = _random_pause(wait_ns)
                js.connection.pause(pause_s)
                js.connection.respond(message, answer)
                js.connection.flush()
                if not raw and not as_json:
                    delay = f" after {short_duration(int(pause_s * 1e9))} delay" if pause_s else ""
                    console.out_text(f"\n{_DONE[answer]}{delay}\n\n")


def _must_pull(js: JetStream, stream: str, consumer: str) -> None:
    info = js.consumer_info(stream, consumer)
    if (info.get("config") or {}).get("deliver_subject"):
        raise CommandFailed(f'consumer "{consumer}" is not a Pull consumer')


def _next(puller: Puller, timeout_s: float) -> Message:
    try:
        message = puller.next(timeout_s)
    except NoResponders:
        raise CommandFailed("no message received: nobody answers for this consumer") from None
    if message is None:
        raise Timeout("no message received: nats: timeout")
    return message


def _random_pause(longest_ns: int) -> float:
    if not longest_ns:
        return 0.0
    import os

    return int.from_bytes(os.urandom(8), "little") / (1 << 64) * longest_ns / 1e9


def show_delivery(message: Message, raw: bool, as_json: bool) -> None:
    """A message of a consumer: where it stands, headers, payload."""
    if as_json:
        console.out_text(json.dumps(_document_of(message), ensure_ascii=False) + "\n")
        return
    if raw:
        console.out(message.payload + b"\n")
        return
    meta = meta_of(message)
    if meta is None:
        reply = f" reply: {message.reply}" if message.reply_bytes else ""
        console.out_text(f"--- subject: {message.subject}{reply}\n")
    else:
        console.out_text(
            f"[{time.strftime('%H:%M:%S')}] subj: {message.subject} / tries: {meta.delivered} / "
            f"cons seq: {meta.consumer_seq} / str seq: {meta.stream_seq} / pending: {comma(meta.pending)}\n"
        )
    headers = message.headers
    if headers:
        lines = "".join(f"  {key}: {value}\n" for key, value in headers)
        console.out_text(f"\nHeaders:\n\n{lines}\nData:\n\n")
    console.out(b"\n" + message.payload + b"\n")


def _document_of(message: Message) -> dict[str, Any]:
    """A message as JSON in a line, with its payload as base64 like in the API."""
    document: dict[str, Any] = {"subject": message.subject}
    meta = meta_of(message)
    if meta is not None:
        document |= {
            "stream": meta.stream,
            "consumer": meta.consumer,
            "seq": meta.stream_seq,
            "consumer_seq": meta.consumer_seq,
            "delivered": meta.delivered,
            "pending": meta.pending,
            "time": render_time(meta.time_ns),
        }
    if message.header:
        document["hdrs"] = b64encode(message.header).decode()
    document["data"] = b64encode(message.payload).decode()
    return document


@click.command("sub", cls=StreamLeaf, help="Show messages of a push consumer as they come, or the next of a pull one.")
@consumer_arguments
@click.option("--ack/--no-ack", default=True, help="Acknowledge them (default).")
@click.option("-r", "--raw", is_flag=True, help="Print payloads only.")
@click.option("--deliver-group", default="", metavar="GROUP", help="Queue group, where it is not that of the consumer.")
@click.option("--count", type=click.IntRange(min=0), default=0, help="Stop after so many messages.")
@json_flag
@click.pass_obj
def listen(
    settings: Settings,
    stream: str | None,
    consumer: str | None,
    ack: bool,
    raw: bool,
    deliver_group: str,
    count: int,
    as_json: bool,
) -> None:
    take_interrupts()
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        name = choose_consumer(js, target, consumer)
        config: dict[str, Any] = js.consumer_info(target, name).get("config") or {}
        if config.get("ack_policy", "none") == "none":
            ack = False
        if not config.get("deliver_subject"):
            _pull(js, target, name, ack, raw, as_json, count or 1)
            return
        connection = js.connection
        subscription = connection.subscribe(
            config["deliver_subject"], deliver_group or config.get("deliver_group") or ""
        )
        connection.flush()
        if not raw and not as_json:
            console.log(f"Subscribing to topic {subscription.subject} auto acknowledgment: {str(ack).lower()}")
        seen = 0
        while not count or seen < count:
            console.flush()
            message = subscription.next()
            if message is None or is_control(connection, message):
                continue
            show_delivery(message, raw, as_json)
            if ack and message.reply_bytes:
                connection.respond(message, ACK)
            seen += 1
        connection.flush()


def _pull(js: JetStream, stream: str, consumer: str, ack: bool, raw: bool, as_json: bool, count: int) -> None:
    puller = Puller(js, stream, consumer, 1, js.timeout_s)
    for _ in range(count):
        message = _next(puller, js.timeout_s)
        show_delivery(message, raw, as_json)
        if ack and message.reply_bytes:
            js.connection.respond(message, ACK)
            js.connection.flush()
