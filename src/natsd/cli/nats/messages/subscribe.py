"""`nats subscribe`: the flags, and the loop that takes messages until the count, the wait or the user ends it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import DURATION, Leaf, StreamName
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import ConsumerName
from natsd.cli.stop import take_interrupts

if TYPE_CHECKING:
    from natsd.cli.nats.messages.show import View
    from natsd.client.connection import Connection
    from natsd.client.message import Message

HELP = """Show messages as they come.

\b
Examples:
  nats sub orders.eu orders.us
  nats sub 'orders.>' --queue workers --count 10
  nats sub '>' --report-subjects
  nats sub --stream ORDERS --since 1h
"""


@click.command("subscribe", cls=Leaf, help=HELP, short_help="Show messages as they come.")
@click.argument("subjects", nargs=-1)
@click.option("--queue", "group", metavar="NAME", default="", help="Subscribe in a queue group.")
@click.option("-r", "--raw", is_flag=True, help="Print payloads only, a line break behind each.")
@click.option("--headers-only", is_flag=True, help="Do not print payloads.")
@click.option("--subjects-only", is_flag=True, help="Print the line with the subject only.")
@click.option("--dump", metavar="DIRECTORY", default="", help="Write a JSON file per message; - for stdout with NULs.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON, as --dump does, one line a message.")
@click.option("-t", "--timestamp", is_flag=True, help="Show when each message came.")
@click.option("-d", "--delta-time", is_flag=True, help="Show the time since the start.")
@click.option("--count", type=click.IntRange(min=0), default=0, help="Stop after so many messages.")
@click.option(
    "--wait", "wait_ns", type=DURATION, default=0, metavar="DURATION", help="Stop after this time of silence."
)
@click.option("-i", "--inbox", is_flag=True, help="Subscribe to a new inbox subject.")
@click.option("--match-replies", is_flag=True, help="Show requests together with their replies.")
@click.option("-I", "--ignore-subject", "ignored", multiple=True, metavar="SUBJECT", help="Leave out these subjects.")
@click.option("--report-subjects", is_flag=True, help="Show a table of the busiest subjects instead of messages.")
@click.option("--report-subscriptions", is_flag=True, help="The same by subscription.")
@click.option("--report-top", type=click.IntRange(min=1), default=10, help="Rows of that table.")
@click.option("--translate", metavar="COMMAND", default="", help="Show what a command makes of payloads.")
@click.option("--ack/--no-ack", default=False, help="Acknowledge messages that a consumer delivered.")
@click.option("--stream", type=StreamName(), default="", metavar="STREAM", help="Read this stream.")
@click.option(
    "--durable", type=ConsumerName(), metavar="NAME", default="", help="Read with this consumer of the stream."
)
@click.option("--all", "everything", is_flag=True, help="All messages of the stream, then new ones.")
@click.option("--new", is_flag=True, help="Only new messages of the stream.")
@click.option("--last", is_flag=True, help="The last message of the stream, then new ones.")
@click.option(
    "--since", "since_ns", type=DURATION, default=0, metavar="DURATION", help="Messages of the last 1h, 5m ..."
)
@click.option("--start-sequence", type=click.IntRange(min=0), default=0, metavar="N", help="From this message on.")
@click.option("--last-per-subject", is_flag=True, help="The last message of each subject, then new ones.")
@click.option("-T", "--terminate-at-end", is_flag=True, help="Stop when all messages of the stream are shown.")
@click.option("--direct", is_flag=True, help="Read the stream without a consumer.")
@click.pass_obj
def command(
    settings: Settings,
    subjects: tuple[str, ...],
    group: str,
    raw: bool,
    headers_only: bool,
    subjects_only: bool,
    dump: str,
    as_json: bool,
    timestamp: bool,
    delta_time: bool,
    count: int,
    wait_ns: int,
    inbox: bool,
    match_replies: bool,
    ignored: tuple[str, ...],
    report_subjects: bool,
    report_subscriptions: bool,
    report_top: int,
    translate: str,
    ack: bool,
    stream: str,
    durable: str,
    everything: bool,
    new: bool,
    last: bool,
    since_ns: int,
    start_sequence: int,
    last_per_subject: bool,
    terminate_at_end: bool,
    direct: bool,
) -> None:
    reads_stream = bool(
        stream or durable or everything or new or last or since_ns or start_sequence or last_per_subject or direct
    )
    if reads_stream:
        _check_stream_flags(subjects, group, inbox, match_replies, stream, durable, direct)
    elif terminate_at_end:
        raise click.UsageError("--terminate-at-end is about streams, name one with --stream")
    if not subjects and not inbox and not stream:
        raise click.UsageError("a subject is required, or --inbox or --stream")
    if timestamp and delta_time:
        raise click.UsageError("--timestamp and --delta-time exclude each other")
    if as_json and (raw or dump or translate or report_subjects or report_subscriptions):
        raise click.UsageError("--json is a form of its own: without --raw, --dump, --translate and reports")
    if as_json:
        dump = "-"
    if dump == "-" and inbox:
        raise click.UsageError("--inbox does not go together with --dump - and --json")
    take_interrupts()
    skip = [subject for text in ignored for subject in text.split(",") if subject]
    with settings.connect() as connection:
        stamp = "time" if timestamp else "delta" if delta_time else ""
        view: View
        if report_subjects or report_subscriptions:
            from natsd.cli.nats.messages.report import SubjectReport

            view = SubjectReport(report_top, report_subscriptions)
        else:
            view = _view(reads_stream, dump, as_json, raw, stamp, headers_only, subjects_only, translate)
        if reads_stream:
            from natsd.cli.nats.messages import subscribe_js

            start = subscribe_js.Start(
                sequence=start_sequence,
                everything=everything,
                new=new,
                last=last,
                since_ns=since_ns,
                last_per_subject=last_per_subject,
            )
            js = settings.jetstream(connection)
            reader = subscribe_js.StreamReader(
                js,
                view,
                skip=lambda subject: _is_skipped(skip, subject),
                count=count,
                wait_s=wait_ns / 1e9,
                stop_at_end=terminate_at_end,
                by_sequence=bool(dump),
            )
            try:
                subscribe_js.listen(
                    js,
                    subscribe_js.find_stream(js, stream, subjects),
                    reader,
                    subject=subjects[0] if subjects else "",
                    durable=durable,
                    direct=direct,
                    start=start,
                    headers_only=headers_only or subjects_only,
                )
            finally:
                view.close()
            return
        names = list(subjects) or [connection.new_inbox()]
        loop = _Loop(connection, view, skip, count, wait_ns / 1e9, ack)
        if match_replies:
            loop.match_on(f"{settings.inbox_prefix}.>")
        loop.subscribe(names, group)
        # Said when it is true: who waits for this line misses nothing.
        if match_replies and not raw and not dump:
            console.log(f"Matching replies with inbox prefix {settings.inbox_prefix}.>")
        if (not raw and not dump) or inbox:
            console.log(f"Subscribing on {', '.join(names)}")
            if skip:
                console.note(f"Ignored subjects: {', '.join(skip)}\n")
        try:
            loop.run()
        finally:
            view.close()


def _check_stream_flags(
    subjects: tuple[str, ...], group: str, inbox: bool, match_replies: bool, stream: str, durable: str, direct: bool
) -> None:
    """What does not go together with reading a stream."""
    if len(subjects) > 1:
        raise click.UsageError("a stream is read by one subject, or all of it")
    if group or inbox or match_replies:
        raise click.UsageError("--queue, --inbox and --match-replies do not go together with streams")
    if not subjects and not stream:
        raise click.UsageError("a subject or --stream is required")
    if durable and (subjects or direct):
        raise click.UsageError("--durable goes with --stream, without subjects and --direct: the consumer has its own")


def _view(
    of_stream: bool,
    dump: str,
    as_json: bool,
    raw: bool,
    stamp: str,
    headers_only: bool,
    subjects_only: bool,
    command_line: str,
) -> View:
    from natsd.cli.nats.messages.show import Dump, Pretty, Raw

    if dump:
        return Dump(dump, b"\n" if as_json else b"\0")
    if raw:
        return Raw(command_line)
    if of_stream:
        from natsd.cli.nats.messages.subscribe_js import StreamPretty

        return StreamPretty(stamp, headers_only, subjects_only, command_line)
    return Pretty(stamp, headers_only, subjects_only, command_line)


def _is_skipped(skip: list[str], subject: bytes) -> bool:
    """Whether a subject is one of those that were to be left out."""
    if not skip:
        return False
    from natsd.subjects.match import matches

    return any(matches(pattern.encode("utf-8", "surrogateescape"), subject) for pattern in skip)


class _Loop:
    """Takes messages from one queue that all subscriptions share, so that they keep the order of the wire."""

    def __init__(
        self, connection: Connection, view: View, skip: list[str], count: int, wait_s: float, ack: bool
    ) -> None:
        self._connection = connection
        self._view = view
        self._skip = skip
        self._ack = ack
        self._count = count
        self._wait_s = wait_s
        self._queue: deque[Message] = deque()
        self._seen = 0
        self._prefix = ""
        self._reply_sid = 0
        self._open: dict[bytes, tuple[int, Message]] = {}

    def match_on(self, prefix: str) -> None:
        """Show a message that has a reply subject only when its reply comes on these inboxes."""
        self._reply_sid = self._connection.subscribe(prefix, queue=self._queue).sid
        self._prefix = prefix

    def subscribe(self, subjects: list[str], group: str) -> None:
        for subject in subjects:
            subscription = self._connection.subscribe(subject, group, self._queue)
            if self._count and len(subjects) == 1 and not self._skip:
                # The server stops by itself: the others of a queue group get what we would throw away.
                subscription.unsubscribe(self._count)
        self._connection.flush()
        self._complain(fatal=True)

    def run(self) -> None:
        quiet_since = time.monotonic()
        while not self._is_done():
            if self._queue:
                self._take(self._queue.popleft())
                if not self._queue:
                    quiet_since = time.monotonic()
                continue
            console.flush()
            timeout = self._view.refresh_s
            if self._wait_s:
                left = quiet_since + self._wait_s - time.monotonic()
                if left <= 0:
                    return
                timeout = left if timeout is None else min(timeout, left)
            self._connection.wait(timeout)
            self._complain(fatal=False)
            self._view.refresh()

    def _is_done(self) -> bool:
        return bool(self._count) and self._seen >= self._count and not self._open

    def _take(self, message: Message) -> None:
        if message.subscription.sid == self._reply_sid:
            request = self._open.pop(message.subject_bytes, None)
            if request is not None:
                self._view.show(request[0], request[1], message)
            return
        if self._skip and _is_skipped(self._skip, message.subject_bytes):
            return
        if self._count and self._seen >= self._count:
            return
        self._seen += 1
        if self._prefix and message.reply_bytes:
            self._open[message.reply_bytes] = (self._seen, message)
        else:
            self._view.show(self._seen, message, None)
        if self._ack and (message.reply_bytes or b"").startswith(b"$JS.ACK."):
            self._connection.respond(message, b"+ACK")

    def _complain(self, fatal: bool) -> None:
        error = self._connection.take_error()
        if error is None:
            return
        if fatal:
            raise error
        console.note(f"nats: error: {error}\n")
