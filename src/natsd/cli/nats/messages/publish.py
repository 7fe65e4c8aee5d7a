"""`nats publish`: messages from the command line or from stdin, with templates."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import DURATION, Leaf, split_header
from natsd.cli.nats.messages.body import Body, publish_count, template_of
from natsd.cli.nats.settings import Settings
from natsd.cli.values import quote

if TYPE_CHECKING:
    from natsd.cli.nats.messages.body import Text
    from natsd.client.connection import Connection

HELP = """Publish a message.

Without BODY the message is read from stdin when something is piped into it or when you sit at a terminal.

Body, header values and subject may contain {{Count}}, {{TimeStamp}}, {{Time}}, {{Unix}}, {{UnixNano}}, {{ID}} and
{{Random MIN MAX}}.

\b
Examples:
  nats pub orders.eu 'order {{Count}}' --count 10 --sleep 1s
  nats pub orders.eu -H Trace:{{ID}} < order.json
  tail -f log | nats pub logs --send-on newline
"""


@click.command("publish", cls=Leaf, help=HELP, short_help="Publish messages.")
@click.argument("subject")
@click.argument("body", required=False)
@click.option("--reply", metavar="SUBJECT", default="", help="Reply subject of the message.")
@click.option("-H", "--header", "headers", metavar="K:V", multiple=True, help="Add a header; may be repeated.")
@click.option("--count", default=1, callback=publish_count, help="Publish so many messages.")
@click.option("--sleep", "sleep_ns", type=DURATION, default=0, metavar="DURATION", help="Pause between messages.")
@click.option("--force-stdin", is_flag=True, help="Read the body from stdin in any case.")
@click.option(
    "--send-on", type=click.Choice(["newline", "eof"]), default="eof", help="One message a line, or one in all."
)
@click.option("-q", "--quiet", is_flag=True, help="No log lines.")
@click.option("--templates/--no-templates", default=True, help="Fill in templates (default).")
@click.option("-J", "--jetstream", "to_stream", is_flag=True, help="Wait for the ack of the stream.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print the acks of streams as JSON, one line each.")
@click.option("--atomic", is_flag=True, help="Store all lines of stdin as one batch, or none (implies --jetstream).")
@click.option("--schedule-at", metavar="TIME", default="", help="Publish it then (RFC 3339).")
@click.option("--schedule-after", type=DURATION, default=0, metavar="DURATION", help="Publish it after this time.")
@click.option("--schedule-every", type=DURATION, default=0, metavar="DURATION", help="Publish it again and again.")
@click.option("--schedule-cron", metavar="CRON", default="", help="Publish it by this pattern.")
@click.option("--schedule-dest", metavar="SUBJECT", default="", help="Subject it is published to then.")
@click.option("--schedule-source", metavar="SUBJECT", default="", help="Take the payload from here.")
@click.option("--schedule-ttl", type=DURATION, default=0, metavar="DURATION", help="How long what is published lives.")
@click.pass_obj
def command(
    settings: Settings,
    subject: str,
    body: str | None,
    reply: str,
    headers: tuple[str, ...],
    count: int,
    sleep_ns: int,
    force_stdin: bool,
    send_on: str,
    quiet: bool,
    templates: bool,
    to_stream: bool,
    as_json: bool,
    atomic: bool,
    schedule_at: str,
    schedule_after: int,
    schedule_every: int,
    schedule_cron: str,
    schedule_dest: str,
    schedule_source: str,
    schedule_ttl: int,
) -> None:
    pairs = [split_header(header) for header in headers]
    if any((schedule_at, schedule_after, schedule_every, schedule_cron, schedule_dest, schedule_source, schedule_ttl)):
        from natsd.cli.nats.messages.publish_js import schedule

        pairs += schedule(
            schedule_at, schedule_after, schedule_every, schedule_cron, schedule_dest, schedule_source, schedule_ttl
        )
        to_stream = True
    source = Body(body, force_stdin, send_on == "newline")
    if atomic and not (source.from_stdin and send_on == "newline"):
        raise click.UsageError("--atomic reads its messages from stdin, with --send-on newline")
    if as_json and not to_stream and not atomic:
        raise click.UsageError("--json prints acks of streams, it needs --jetstream")
    with settings.connect() as connection:
        publisher = Publisher(connection, subject, reply, pairs, templates)
        if to_stream or atomic:
            from natsd.cli.nats.messages.publish_js import StreamPublisher

            js = settings.jetstream(connection)
            publisher = StreamPublisher(connection, subject, reply, pairs, templates, js=js, as_json=as_json)
            if atomic:
                publisher.run_batch(source.read(connection), quiet)
                return
        if source.from_stdin and not quiet:
            console.log("Reading payload from STDIN")
        for payload in source.read(connection):
            publisher.run(payload, count, sleep_ns / 1e9, quiet)
        publisher.check()


class Publisher:
    """Publishes one body after the other; messages are counted through."""

    def __init__(
        self, connection: Connection, subject: str, reply: str, pairs: list[tuple[str, str]], templates: bool
    ) -> None:
        self._connection = connection
        self._templates = templates
        self._subject = template_of(os.fsencode(subject), "subject", templates)
        self._reply = os.fsencode(reply)
        self._pairs = [(key, template_of(os.fsencode(value), "header", templates)) for key, value in pairs]
        self._done = 0
        self._tells_all = False

    def _render(self, body: Text) -> tuple[bytes, bytes, list[tuple[str, str]]]:
        """Subject, payload and headers of the next message."""
        self._done += 1
        headers = [(key, os.fsdecode(value.render(self._done))) for key, value in self._pairs]
        return self._subject.render(self._done), body.render(self._done), headers

    def _publish(self, subject: bytes, payload: bytes, headers: list[tuple[str, str]], watched: bool) -> None:
        """Publish one message; with `watched` wait until the server has it."""
        self._connection.publish(subject, payload, self._reply, headers)
        if watched:
            self.check()

    def run(self, raw: bytes, count: int, pause_s: float, quiet: bool) -> None:
        body = template_of(raw, "body", self._templates)
        progress = None
        if count > 20 and not quiet and not self._tells_all:
            from natsd.cli.progress import Progress

            progress = Progress([count])
        for number in range(1, count + 1):
            subject, payload, headers = self._render(body)
            # One round trip a message where somebody watches the lines, batches under a progress bar.
            self._publish(subject, payload, headers, progress is None or pause_s > 0)
            if progress is not None:
                progress.update(0, number)
            else:
                if not quiet:
                    console.log(f"Published {len(payload)} bytes to {quote(os.fsdecode(subject))}")
                self._tell(quiet)
            if pause_s and count > 1:
                self._connection.pause(pause_s)
        if progress is not None:
            self.check()
            progress.finish()

    def _tell(self, quiet: bool) -> None:
        """What else there is to say of a message."""

    def check(self) -> None:
        """Wait until the server has everything; raise what it objects to."""
        self._connection.flush()
        error = self._connection.take_error()
        if error is not None:
            raise error
