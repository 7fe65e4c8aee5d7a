"""Messages that have grown too old: one timer per stream, set for the next one that goes.

Where a stream leaves markers behind, the last message of a subject to expire is followed by one that says so. A marker
that expires is followed by none; neither is the purge marker of a key-value bucket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.units import SECOND_NS, render_duration
from natsd.base.whole import whole_of
from natsd.jetstream import headers
from natsd.store.reading import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.base.clock import Timer
    from natsd.jetstream.streams.stream import Stream

AT_ONCE = 4096
MARKED_AT_ONCE = 256
"""Messages that go in one turn: without markers, and with one for each."""
MANY_MARKERS = 1024
LEAST_NS = 1_000_000
"""The timer is never shorter: messages that expire together go together."""


class Expiry:
    """The timer of one stream."""

    __slots__ = ("_due_ns", "_leaves_markers", "_many_markers", "_markers", "_stream", "_timer")

    def __init__(self, stream: Stream) -> None:
        self._stream = whole_of(stream)
        self._timer: Timer | None = None
        self._due_ns = 0
        self._leaves_markers = False
        self._markers: set[int] = set()
        self._many_markers = MANY_MARKERS

    def start(self) -> None:
        """Let go of what is too old now, and look again in time."""
        self._leaves_markers = self._stream().config.subject_delete_marker_ttl > 0
        if self._leaves_markers:
            for _ in self._find_markers():
                pass  # at opening nobody else has a turn to wait for
        self._run()

    def renew(self) -> Iterator[None]:
        """Look at a configuration that has changed, and let go of what is too old now; yields behind each slice but the
        last."""
        stream = self._stream()
        self.stop()
        left_markers, self._leaves_markers = self._leaves_markers, stream.config.subject_delete_marker_ttl > 0
        if self._leaves_markers and not left_markers:
            yield from self._find_markers()
        while self._run():
            yield

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def note(self, due_ns: int) -> None:
        """A message was stored that goes at a wall clock time."""
        if self._timer is None or due_ns < self._due_ns:
            self.stop()
            self._set(due_ns)

    def on_stored(self, wall_ns: int) -> None:
        """Messages were stored that go with max_age."""
        if self._timer is None:
            self._set(wall_ns + self._stream().config.max_age)

    def on_marked(self, seq: int, header: bytes | None) -> None:
        """A message was stored in a stream with markers; it may be one itself."""
        if header is not None and is_marker(header):
            self._markers.add(seq)

    def _find_markers(self) -> Iterator[None]:
        self._markers.clear()
        for messages in batches(self._stream().store, 1):
            for message in messages:
                self.on_marked(message[0], message[2])
            yield

    def _set(self, due_ns: int) -> None:
        home = self._stream().home
        self._due_ns = due_ns
        self._timer = home.timers.schedule(max(due_ns - home.clock.wall_ns(), LEAST_NS), self._on_due)

    def _on_due(self) -> None:
        self._timer = None
        self._run()

    def _run(self) -> bool:
        """Returns whether more is due already."""
        stream = self._stream()
        now = stream.home.clock.wall_ns()
        next_ns = stream.store.expire(now, MARKED_AT_ONCE if self._leaves_markers else AT_ONCE)
        stream.count_bytes()
        if self._leaves_markers and stream.store.expired:
            self._leave_markers()
        if next_ns and not stream.closed:
            self.note(next_ns)  # a marker may have set the timer for a later time
        return 0 < next_ns <= now

    def _leave_markers(self) -> None:
        stream = self._stream()
        markers = self._markers
        gone = {subject: seq for seq, subject, _ in stream.store.expired}
        for subject, seq in gone.items():
            if seq in markers:
                continue
            if not stream.store.last_seq_of(subject):
                stream.publishing.store_marker(subject, b"MaxAge")
        if len(markers) > self._many_markers:
            first = stream.store.first_seq
            self._markers = {seq for seq in markers if seq >= first}
            self._many_markers = max(2 * len(self._markers), MANY_MARKERS)


def marker_header(reason: bytes, ttl_ns: int) -> bytes:
    """The block of a marker."""
    block = headers.with_header(None, headers.MARKER_REASON, reason)
    block = headers.with_header(block, headers.TTL, render_duration(ttl_ns // SECOND_NS * SECOND_NS).encode())
    return headers.with_header(block, headers.ROLLUP, b"sub")


def is_marker(header: bytes) -> bool:
    """Whether a message stands for those that are gone."""
    if headers.value_of(header, headers.MARKER_REASON):
        return True
    return headers.value_of(header, b"KV-Operation") == b"PURGE"
