"""`nats request`: sends requests and shows the replies with their round-trip times."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import DURATION, Leaf, split_header
from natsd.cli.nats.messages.body import Body, publish_count, template_of
from natsd.cli.nats.settings import Settings
from natsd.cli.values import go_duration, quote
from natsd.client.errors import NoResponders, Timeout

if TYPE_CHECKING:
    from natsd.cli.progress import Progress
    from natsd.client.connection import Connection
    from natsd.client.message import Message

HELP = """Send a request and show the reply.

Without BODY the request is read from stdin when something is piped into it or when you sit at a terminal. The body
may contain the templates of nats publish.

\b
Examples:
  nats req help.message 'who can help?'
  nats req sensors.ping --replies 0 --timeout 2s
  nats req add '{"a": 1}' --raw | jq .
"""


@click.command("request", cls=Leaf, help=HELP, short_help="Send requests and show the replies.")
@click.argument("subject")
@click.argument("body", required=False)
@click.option("-w", "--wait/--no-wait", default=True, hidden=True, help="Accepted for compatibility.")
@click.option("-r", "--raw", is_flag=True, help="Print payloads only, a line break behind each.")
@click.option("-H", "--header", "headers", metavar="K:V", multiple=True, help="Add a header; may be repeated.")
@click.option("--count", default=1, callback=publish_count, help="Send so many requests.")
@click.option(
    "--replies", type=click.IntRange(min=0), default=1, help="Replies to wait for; 0 takes all until the time-out."
)
@click.option(
    "--reply-timeout",
    "reply_timeout_ns",
    type=DURATION,
    default=300_000_000,
    metavar="DURATION",
    help="Longest time between replies (300ms), on top of their mean round-trip time.",
)
@click.option("--translate", metavar="COMMAND", default="", help="Show what a command makes of replies.")
@click.option("--wait-for-empty", is_flag=True, help="Take replies until an empty one.")
@click.option("--force-stdin", is_flag=True, help="Read the body from stdin in any case.")
@click.option(
    "--send-on", type=click.Choice(["newline", "eof"]), default="eof", help="One request a line, or one in all."
)
@click.option("--templates/--no-templates", default=True, help="Fill in templates (default).")
@click.pass_obj
def command(
    settings: Settings,
    subject: str,
    body: str | None,
    wait: bool,
    raw: bool,
    headers: tuple[str, ...],
    count: int,
    replies: int,
    reply_timeout_ns: int,
    translate: str,
    wait_for_empty: bool,
    force_stdin: bool,
    send_on: str,
    templates: bool,
) -> None:
    pairs = [(key, template_of(os.fsencode(value), "header", templates)) for key, value in map(split_header, headers)]
    source = Body(body, force_stdin, send_on == "newline")
    with settings.connect() as connection:
        if source.from_stdin and not raw:
            console.log("Reading payload from STDIN")
        progress = None
        if count > 20 and not raw:
            from natsd.cli.progress import Progress

            progress = Progress([count])
        patience_s = reply_timeout_ns / 1e9
        asker = _Asker(connection, settings.timeout_s, replies, patience_s, wait_for_empty, raw, translate, progress)
        target = template_of(os.fsencode(subject), "subject", templates)
        sent = 0
        for payload in source.read(connection):
            text = template_of(payload, "body", templates)
            for number in range(1, count + 1):
                sent += 1
                asker.ask(
                    target.render(sent),
                    text.render(sent),
                    [(key, os.fsdecode(value.render(sent))) for key, value in pairs],
                )
                if progress is not None:
                    progress.update(0, number)
        if progress is not None:
            progress.finish()
        if asker.unanswered:
            among = f" {asker.unanswered} of {sent} requests had no reply" if sent > 1 else " no reply"
            raise Timeout(f"nats: timeout:{among} on {quote(subject)} within {go_duration(settings.timeout_ns)}")


class _Asker:
    """Sends one request after the other and shows what comes back."""

    def __init__(
        self,
        connection: Connection,
        timeout_s: float,
        replies: int,
        reply_timeout_s: float,
        until_empty: bool,
        raw: bool,
        command_line: str,
        progress: Progress | None,
    ) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._replies = 0 if until_empty else replies
        self._reply_timeout_s = reply_timeout_s
        self._until_empty = until_empty
        self._raw = raw
        self._command_line = command_line
        self._progress = progress
        self.unanswered = 0

    def ask(self, subject: bytes, payload: bytes, headers: list[tuple[str, str]]) -> None:
        name = os.fsdecode(subject)
        if not self._raw and self._progress is None:
            console.log(f"Sending request on {quote(name)}")
        start = time.perf_counter_ns()
        inbox = self._connection.start_request(os.fsdecode(subject), payload, headers)
        timeout_s = self._timeout_s
        count = 0
        total_rtt = 0
        while True:
            try:
                message = self._connection.next_reply(inbox, timeout_s)
            except NoResponders:
                raise NoResponders(
                    f"No responders are available on {quote(name)} (is a service or nats reply running?)"
                ) from None
            except Timeout:
                if not count:
                    self.unanswered += 1
                return
            rtt = time.perf_counter_ns() - start
            count += 1
            self._show(message, rtt)
            if self._until_empty or self._replies:
                if not message.payload or count == self._replies:
                    return
            if self._replies:
                total_rtt += rtt
                timeout_s = total_rtt / count / 1e9 + self._reply_timeout_s
            else:
                timeout_s = self._timeout_s - rtt / 1e9

    def _show(self, message: Message, rtt: int) -> None:
        from natsd.cli.nats.messages.show import show_body

        payload = message.payload
        if self._command_line:
            from natsd.cli.nats.messages.translate import translate

            payload = translate(payload, self._command_line, message.subject)
        if self._raw:
            console.out(payload + b"\n")
        elif self._progress is None:
            console.log(f"Received with rtt {go_duration(rtt)}")
            if message.header is not None:
                for key, value in message.headers:
                    console.log(f"{key}: {value}")
                console.out(b"\n")
            show_body(payload)
        console.flush()
