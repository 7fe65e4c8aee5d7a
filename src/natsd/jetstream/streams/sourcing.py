"""Mirrors and sources: streams that are filled from other streams.

A stream of the same account is read directly, by a cursor of its store; one behind an `external` prefix is asked for a
consumer (remote_inflow.py). What both share:

1. A mirror keeps sequence and time of each message. Where it went on, its own last sequence says.
2. A source gives new sequences, and writes into each message where it comes from (`Nats-Stream-Source`). How far it has
   come is noted beside the messages, with the sequence that the stream had then; what was stored behind that note says
   the rest by its headers. So nothing is taken twice and nothing is left out, wherever the server stopped.
3. What cannot be stored now (the stream is full and discards the new) is tried again later; nothing is skipped.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from natsd.base.clock import SECOND_NS
from natsd.jetstream import headers
from natsd.jetstream.dates import parse_moment
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.slices import Slices
from natsd.jetstream.streams.source_subjects import SourceSubjects
from natsd.store.reading import batches

if TYPE_CHECKING:
    from natsd.base.clock import Timer
    from natsd.base.steps import Steps
    from natsd.jetstream.streams.stream import Stream
    from natsd.jetstream.streams.stream_config import Source, StreamConfig
    from natsd.store.contract import Cursor, Message

STARTED_AT_ONCE = 16
"""Of the mirrors and sources of one stream."""
AT_ONCE = 512
"""Messages taken before others get their turn."""
AGAIN_NS = SECOND_NS
NOTE = "\0source "
"""How the notes of rule 2 begin among the saved states of consumers."""
NOT_TAKEN_OVER = (b"Nats-Expected-", headers.BATCH)
"""Headers of a source's messages that are left out, by how they begin."""


class Inflow:
    """One stream that another one is filled from. last_seq: of the origin, how far it has come. ended: whether the
    other one is not filled from it any more."""

    __slots__ = (
        "_cursor",
        "_subjects",
        "_timer",
        "ended",
        "error",
        "filters",
        "heard_ns",
        "last_seq",
        "mirrors",
        "name",
        "origin",
        "source",
        "stream",
    )

    def __init__(self, stream: Stream, source: Source, *, mirrors: bool) -> None:
        self.stream = stream
        self.source = source
        self.mirrors = mirrors
        self.name = inflow_name(source)
        self.origin: Stream | None = None
        self.error: ApiError | None = None
        self.heard_ns = 0
        self.last_seq = 0
        self._cursor: Cursor | None = None
        self._timer: Timer | None = None
        self.ended = False
        self._subjects = SourceSubjects(source)
        self.filters = self._subjects.filters

    def start(self) -> None:
        """Find the origin and take what it has; wait where there is none yet."""
        home = self.stream.home
        home.inflows.setdefault(self.source.name, []).append(self)
        origin = home.streams.get(self.source.name)
        if origin is not None:
            self.attach(origin)

    def stop(self) -> None:
        """Take nothing any more."""
        self.detach()
        waiting = self.stream.home.inflows.get(self.source.name, [])
        if self in waiting:
            waiting.remove(self)

    def attach(self, origin: Stream) -> None:
        """The origin is there."""
        if origin is self.stream or self.origin is not None:
            return
        self.origin = origin
        origin.inflow_readers.append(self)
        self._cursor = origin.store.cursor(self.filters, self._first_seq(origin))
        self.pump()

    def detach(self) -> None:
        """The origin goes, or this stream does."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None
        if self.origin is not None:
            if self in self.origin.inflow_readers:
                self.origin.inflow_readers.remove(self)
            self.origin = None

    def _first_seq(self, origin: Stream) -> int:
        """Where to go on in the origin, or to begin as the configuration says."""
        last = self.stream.store.last_seq if self.mirrors else self.last_seq
        if last:
            return last + 1
        if self.source.opt_start_seq:
            return self.source.opt_start_seq
        if self.source.opt_start_time is not None:
            return origin.store.seq_at(parse_moment(self.source.opt_start_time))
        return 1

    def wants(self, subject: bytes) -> bool:
        """Whether a subject of the origin is one of those it takes."""
        return self._subjects.wants(subject)

    @property
    def lag(self) -> int:
        """How many messages are still to come."""
        return self._cursor.pending if self._cursor is not None else 0

    def pump(self) -> None:
        """Take what has become visible in the origin, a bounded number at a time."""
        origin, cursor = self.origin, self._cursor
        if origin is None or cursor is None or self._timer is not None:
            return
        self.heard_ns = self.stream.home.clock.now_ns()
        batch = cursor.take(AT_ONCE, 0, origin.visible_seq) if origin.visible_seq else []
        if not batch:
            return
        taken = self._store(batch)
        stream = self.stream
        self._note()
        last = stream.store.last_seq
        gone = [message[0] for message in batch[:taken]] if origin.config.retention != "limits" else []

        def settle() -> None:
            stream.show(last)
            if gone and self.origin is origin:
                origin.drop_unneeded(gone)

        stream.when_durable(settle)
        stream.count_bytes()
        if taken < len(batch):
            cursor.seek(batch[taken][0])
            self._later(AGAIN_NS)
        elif cursor.peek(origin.visible_seq):
            self._later(0)

    def _note(self) -> None:
        """Note how far it has come (rule 2)."""
        if not self.mirrors:
            note = msgspec.json.encode((self.last_seq, self.stream.store.last_seq))
            self.stream.store.save_consumer(NOTE + self.name, note, checkpoint=True)

    def _later(self, delay_ns: int) -> None:
        self._timer = self.stream.home.timers.schedule(delay_ns, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()

    def _store(self, batch: list[Message]) -> int:
        """Store messages of the origin; returns how many could be."""
        store_one = self._store_mirrored if self.mirrors else self._store_sourced
        self.error = None
        for at, message in enumerate(batch):
            try:
                store_one(message)
            except ApiError as error:
                self.error = error
                return at
            self.last_seq = message[0]
        return len(batch)

    def _change(self, subject: bytes) -> bytes:
        return self._subjects.change(subject, self.stream.home.chance)

    def _store_mirrored(self, message: Message) -> None:
        seq, subject, header, payload, time_ns = message
        if seq > self.stream.store.last_seq:
            self.stream.publishing.store_mirrored(seq, (self._change(subject), None, header, payload), time_ns)

    def _store_sourced(self, message: Message) -> None:
        seq, subject, header, payload, _ = message
        if header is not None:
            header = headers.without(header, headers.STREAM_SOURCE)
        for start in NOT_TAKEN_OVER:
            while header is not None and (name := headers.name_from(header, start)):
                header = headers.without(header, name)
        header = headers.with_header(header, headers.STREAM_SOURCE, self._mark(seq, subject))
        self.stream.publishing.store_sourced((self._change(subject), None, header, payload))

    def _mark(self, seq: int, subject: bytes) -> bytes:
        name, wanted, dest = self.name.split(" ")
        return b"%b %d %b %b %b" % (name.encode(), seq, wanted.encode(), dest.encode(), subject)

    def recover(self) -> None:
        """Find out how far it had come."""
        if self.mirrors:
            self.last_seq = self.stream.store.last_seq
            return
        store = self.stream.store
        seq = store.first_seq
        records = store.consumer_records(NOTE + self.name)
        if records:
            self.last_seq, noted = msgspec.json.decode(records[-1], type=tuple[int, int])
            seq = noted + 1
        for messages in batches(store, seq):
            for message in messages:
                mark = headers.value_of(message[2], headers.STREAM_SOURCE) if message[2] else None
                if mark is not None:
                    words = mark.decode("utf-8", "replace").split(" ")
                    if len(words) >= 4 and " ".join((words[0], words[2], words[3])) == self.name and words[1].isdigit():
                        self.last_seq = max(self.last_seq, int(words[1]))

    def info(self) -> dict[str, Any]:
        """What answers show."""
        page: dict[str, Any] = {"name": self.source.name}
        if self.source.external is not None:
            page["external"] = msgspec.to_builtins(self.source.external)
        if self.last_seq and not self.mirrors:
            page["seq"] = self.last_seq
        page["lag"] = self.lag
        page["active"] = self.stream.home.clock.now_ns() - self.heard_ns if self.heard_ns else -1
        if self.error is not None:
            page["error"] = self.error.as_dict()
        if self.source.filter_subject:
            page["filter_subject"] = self.source.filter_subject
        if self.source.subject_transforms:
            page["subject_transforms"] = msgspec.to_builtins(self.source.subject_transforms)
        return page


def inflow_name(source: Source) -> str:
    """What tells one source of a stream from another: its name, filter and destination, as the mark has them."""
    name = source.name
    if source.external is not None:
        name += ":" + hashlib.sha256(source.external.api.encode()).hexdigest()[:8]
    changes = source.subject_transforms
    wanted = "\f".join(change.src or ">" for change in changes) or source.filter_subject or ">"
    return " ".join((name, wanted, "\f".join(change.dest or ">" for change in changes) or ">"))


def _wanted(stream: Stream) -> list[tuple[Source, bool]]:
    config = stream.config
    mirror = [(config.mirror, True)] if config.mirror is not None else []
    return mirror + [(source, False) for source in config.sources]


def _make(stream: Stream, source: Source, mirrors: bool) -> Inflow:
    if source.external is not None and source.external.api != f"$JS.{stream.home.domain}.API":
        from natsd.jetstream.streams.remote_inflow import RemoteInflow

        return RemoteInflow(stream, source, mirrors=mirrors)
    return Inflow(stream, source, mirrors=mirrors)


def start(stream: Stream, *, recovering: bool) -> None:
    """Begin to fill a stream from where its configuration says."""
    for source, mirrors in _wanted(stream):
        inflow = _make(stream, source, mirrors)
        stream.inflows.append(inflow)
        if recovering:
            inflow.recover()
    _begin(stream, list(stream.inflows))


def _begin(stream: Stream, inflows: list[Inflow]) -> None:
    """Start these, a few at once."""
    Slices(stream.home.timers, _start(inflows), lambda: None)


def _start(inflows: list[Inflow]) -> Steps[None]:
    for at, inflow in enumerate(inflows):
        if at and not at % STARTED_AT_ONCE:
            yield
        if not inflow.ended:
            inflow.start()


def stop(stream: Stream) -> None:
    """Fill a stream no more, and tell those that are filled from it that it goes."""
    for inflow in stream.inflows:
        inflow.ended = True
        inflow.stop()
    stream.inflows.clear()
    for reader in list(stream.inflow_readers):
        reader.detach()
    stream.inflow_readers.clear()


def update(stream: Stream, old: StreamConfig) -> None:
    """The configuration has changed: what stays goes on, what is new begins."""
    if old.mirror == stream.config.mirror and old.sources == stream.config.sources:
        return
    before = {inflow.name: inflow for inflow in stream.inflows}
    stream.inflows = []
    begun = []
    for source, mirrors in _wanted(stream):
        name = inflow_name(source)
        kept = before.pop(name, None)
        if kept is not None and kept.mirrors == mirrors and kept.source == source:
            stream.inflows.append(kept)
        else:
            if kept is not None:
                before[name] = kept
            inflow = _make(stream, source, mirrors)
            inflow.recover()
            stream.inflows.append(inflow)
            begun.append(inflow)
    for inflow in before.values():
        inflow.ended = True
        inflow.stop()
    _begin(stream, begun)


def on_created(stream: Stream) -> None:
    """A stream is there: those that wait for it to be filled from it can begin."""
    for inflow in list(stream.home.inflows.get(stream.name, ())):
        inflow.attach(stream)


def info(stream: Stream) -> dict[str, Any]:
    """`mirror` and `sources` of answers."""
    page: dict[str, Any] = {}
    for inflow in stream.inflows:
        if inflow.mirrors:
            page["mirror"] = inflow.info()
        else:
            page.setdefault("sources", []).append(inflow.info())
    return page
