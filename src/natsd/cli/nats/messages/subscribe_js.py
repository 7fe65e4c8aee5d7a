"""`nats subscribe` to a stream: where to start, with which consumer, and messages with where they stand in it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.messages.show import Pretty
from natsd.cli.nats.streams.stream_read import last_sequence, read_last_of_each, read_one_by_one
from natsd.cli.times import local_time, render_time
from natsd.cli.values import comma, quote, short_duration
from natsd.client.jetstream import ACK, CONSUMER_NOT_FOUND, ApiError, StoredMessage, is_control, meta_of
from natsd.client.message import Subscription
from natsd.client.pulling import Ordered, Puller
from natsd.client.stored import time_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from natsd.cli.nats.messages.show import View
    from natsd.cli.nats.streams.stream_read import Stored
    from natsd.client.jetstream import JetStream
    from natsd.client.message import Message

    Answer = dict[str, Any]

# How often a stream is looked at again that must not be given a consumer.
LOOK_S = 0.25


class Start:
    """Which messages of a stream are wanted: what the flags say, as a consumer's configuration and in words."""

    def __init__(
        self,
        *,
        sequence: int = 0,
        everything: bool = False,
        new: bool = False,
        last: bool = False,
        since_ns: int = 0,
        last_per_subject: bool = False,
    ) -> None:
        given = [bool(sequence), everything, new, last, bool(since_ns), last_per_subject]
        if sum(given) > 1:
            names = "--start-sequence, --all, --new, --last, --since and --last-per-subject"
            raise click.UsageError(f"{names} exclude each other")
        self.is_given = any(given)
        self.config: Answer = {"deliver_policy": "all"}
        self.words = "from first received message"
        if sequence:
            self.config = {"deliver_policy": "by_start_sequence", "opt_start_seq": sequence}
            self.words = f"starting at sequence {sequence}"
        elif new:
            self.config, self.words = {"deliver_policy": "new"}, "for new messages"
        elif last:
            self.config, self.words = {"deliver_policy": "last"}, "from last received message"
        elif since_ns:
            start = render_time(time.time_ns() - since_ns)
            self.config = {"deliver_policy": "by_start_time", "opt_start_time": start}
            self.words = f"since {short_duration(since_ns)}"
        elif last_per_subject:
            self.config, self.words = {"deliver_policy": "last_per_subject"}, "for last message per subject"


class StreamPretty(Pretty):
    """``[#1] Received JetStream message: stream: S seq: 1 / pending: 0 / subject: x / time: ...``."""

    def show(self, number: int, message: Message, reply: Message | None) -> None:
        meta = meta_of(message)
        if meta is None:
            super().show(number, message, reply)
            return
        stamp = self._render_stamp() if self._stamp else ""
        if isinstance(message, StoredMessage):
            kind, where = " (direct)", f"stream: {meta.stream} seq {comma(meta.stream_seq)}"
        else:
            kind, where = "", f"stream: {meta.stream} seq: {comma(meta.stream_seq)} / pending: {comma(meta.pending)}"
        what = f"subject: {message.subject} / time: {local_time(meta.time_ns)}"
        console.out_text(f"[#{number}]{stamp} Received JetStream message{kind}: {where} / {what}\n")
        if not self._subjects_only:
            self._body(message)


class StreamReader:
    """Reads a stream and shows its messages until a count, a silence or the end stops it."""

    def __init__(
        self,
        js: JetStream,
        view: View,
        *,
        skip: Callable[[bytes], bool],
        count: int,
        wait_s: float,
        stop_at_end: bool,
        by_sequence: bool,
    ) -> None:
        """With `by_sequence` messages are shown under their number in the stream."""
        self._js = js
        self._view = view
        self._skip = skip
        self._count = count
        self._wait_s = wait_s
        self._stop_at_end = stop_at_end
        self._by_sequence = by_sequence
        self._seen = 0

    # -- the three ways

    def run_ordered(self, stream: str, config: Answer) -> None:
        """With a consumer of our own."""
        reader = Ordered(self._js, stream, config)
        try:
            if self._stop_at_end and not reader.pending:
                return
            self._loop(lambda timeout_s: _first(reader.next(timeout_s)), None)
        finally:
            reader.close()

    def run_consumer(self, stream: str, info: Answer) -> None:
        """With a consumer that others may use too; messages are acknowledged where it asks for that."""
        config = info.get("config") or {}
        ack = ACK if config.get("ack_policy", "none") != "none" else None
        name = str(info["name"])
        if config.get("deliver_subject"):
            inbox = self._js.connection.subscribe(config["deliver_subject"], config.get("deliver_group") or "")
            self._loop(lambda timeout_s: self._pushed(inbox, timeout_s), ack)
            return
        if self._stop_at_end and not info.get("num_pending"):
            return
        self._loop(Puller(self._js, stream, name, 1 if ack else 500).next, ack)

    def run_direct(self, info: Answer, pattern: str, config: Answer) -> None:
        """Without any consumer: message by message, and again and again what is new."""
        name = info["config"]["name"]
        after_last = int((info.get("state") or {}).get("last_seq") or 0) + 1
        policy = config["deliver_policy"]
        following = int(config.get("opt_start_seq") or 0)
        start_ns = time_of(str(config.get("opt_start_time", "")))
        owner = Subscription(self._js.connection, 0, pattern, None, deque())
        if policy == "new":
            following = after_last
        elif policy == "last":
            following = last_sequence(self._js, name, pattern) or after_last
        elif policy == "last_per_subject":
            following = after_last
            for item in read_last_of_each(self._js, name, pattern):
                if self._take(_message_of(item, owner), None):
                    return
                following = max(following, item.sequence + 1)
        quiet_since = time.monotonic()
        while True:
            for item in read_one_by_one(self._js, name, pattern, following, start_ns):
                following, quiet_since = item.sequence + 1, time.monotonic()
                if self._take(_message_of(item, owner), None):
                    return
            if self._stop_at_end or (self._wait_s and time.monotonic() - quiet_since >= self._wait_s):
                return
            console.flush()
            self._view.refresh()
            self._js.connection.pause(LOOK_S)

    # -- what they share

    def _pushed(self, inbox: Subscription, timeout_s: float | None) -> Message | None:
        """The next message of a push consumer."""
        while True:
            message = inbox.next(timeout_s)
            if message is None or not is_control(self._js.connection, message):
                return message

    def _loop(self, following: Callable[[float | None], Message | None], ack: bytes | None) -> None:
        quiet_since = time.monotonic()
        while True:
            timeout = self._view.refresh_s
            if self._wait_s:
                left = quiet_since + self._wait_s - time.monotonic()
                if left <= 0:
                    return
                timeout = left if timeout is None else min(timeout, left)
            console.flush()
            message = following(timeout)
            if message is not None:
                quiet_since = time.monotonic()
                if self._take(message, ack):
                    return
            self._view.refresh()

    def _take(self, message: Message, ack: bytes | None) -> bool:
        """Show a message. True when it was the last one."""
        meta = meta_of(message)
        if not self._skip(message.subject_bytes):
            self._seen += 1
            number = meta.stream_seq if self._by_sequence and meta is not None else self._seen
            self._view.show(number, message, None)
        if ack is not None and message.reply_bytes:
            self._js.connection.respond(message, ack)
        is_over = bool(self._count) and self._seen >= self._count
        is_over = is_over or (self._stop_at_end and meta is not None and meta.pending == 0)
        if is_over and ack is not None:
            self._js.connection.flush()
        return is_over


def _first(found: tuple[Message, object] | None) -> Message | None:
    return found[0] if found is not None else None


def _message_of(item: Stored, owner: Subscription) -> StoredMessage:
    subject = item.subject.encode("utf-8", "surrogateescape")
    return StoredMessage(subject, item.header, item.payload, owner, item.stream, item.sequence, item.time_ns)


def find_stream(js: JetStream, stream: str, subjects: tuple[str, ...]) -> Answer:
    """The stream that is named, or the one that takes the subject. Raises CommandFailed."""
    if not stream:
        names = js.stream_names(subjects[0])
        if not names:
            raise CommandFailed(f"no stream found with subject: {subjects[0]}")
        stream = names[0]
    return js.stream_info(stream)


def listen(
    js: JetStream,
    info: Answer,
    reader: StreamReader,
    *,
    subject: str,
    durable: str,
    direct: bool,
    start: Start,
    headers_only: bool,
) -> None:
    """Say what is going to be shown, then show it."""
    name = info["config"]["name"]
    retention = info["config"].get("retention", "limits")
    if durable:
        consumer = _durable(js, name, durable, subject, start)
        kind = "push" if (consumer.get("config") or {}).get("deliver_subject") else "pull"
        console.log(f"Subscribing to JetStream Stream {quote(name)} using existing {kind} consumer {quote(durable)}")
        reader.run_consumer(name, consumer)
        return
    if direct or retention != "limits":
        words = subject or ", ".join(info["config"].get("subjects") or ())
        console.log(f"Subscribing to JetStream Stream (direct) holding messages with subject {words} {start.words}")
        reader.run_direct(info, subject or ">", start.config)
        return
    console.log(f"Subscribing to subject {subject or '>'} {start.words}")
    config = {**start.config}
    if subject or start.config["deliver_policy"] == "last_per_subject":
        config["filter_subject"] = subject or ">"
    if headers_only:
        config["headers_only"] = True
    reader.run_ordered(name, config)


def _durable(js: JetStream, stream: str, name: str, subject: str, start: Start) -> Answer:
    """The consumer of this name; made when there is none."""
    try:
        return js.consumer_info(stream, name)
    except ApiError as problem:
        if problem.err_code != CONSUMER_NOT_FOUND:
            raise
    config: Answer = {"name": name, "durable_name": name, "ack_policy": "explicit", **start.config}
    if subject:
        config["filter_subject"] = subject
    return js.create_consumer(stream, config, "create")
