"""Messages that have grown too old: one timer per stream, set for the next one that goes.

Where a stream leaves markers behind, the last message of a subject to expire is followed by one that says so. A marker
that expires is followed by none; neither is the purge marker of a key-value bucket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.units import SECOND_NS, render_duration
from natsd.jetstream import headers

if TYPE_CHECKING:
    from natsd.base.clock import Timer
    from natsd.jetstream.stream import Stream

LEAST_NS = 1_000_000
"""The timer is never shorter: messages that expire together go together."""


class Expiry:
    """The timer of one stream."""

    __slots__ = ("_due_ns", "_markers", "_stream", "_timer")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._timer: Timer | None = None
        self._due_ns = 0
        self._markers: set[int] = set()

    def start(self) -> None:
        """Let go of what is too old now, and look again in time."""
        self.stop()
        if self._stream.config.subject_delete_marker_ttl > 0:
            self._find_markers()
        self._run()

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
            self._set(wall_ns + self._stream.config.max_age)

    def on_marked(self, seq: int, header: bytes | None) -> None:
        """A message was stored in a stream with markers; it may be one itself."""
        if header is not None and is_marker(header):
            self._markers.add(seq)

    def _find_markers(self) -> None:
        store = self._stream.store
        self._markers.clear()
        seq = store.first_seq
        while (message := store.next_match(seq, [])) is not None:
            self.on_marked(message[0], message[2])
            seq = message[0] + 1

    def _set(self, due_ns: int) -> None:
        home = self._stream.home
        self._due_ns = due_ns
        self._timer = home.timers.schedule(max(due_ns - home.clock.wall_ns(), LEAST_NS), self._on_due)

    def _on_due(self) -> None:
        self._timer = None
        self._run()

    def _run(self) -> None:
        stream = self._stream
        next_ns = stream.store.expire(stream.home.clock.wall_ns())
        stream.count_bytes()
        if stream.config.subject_delete_marker_ttl > 0 and stream.store.expired:
            self._leave_markers()
        if next_ns and not stream.closed:
            self.note(next_ns)  # a marker may have set the timer for a later time

    def _leave_markers(self) -> None:
        stream = self._stream
        markers = self._markers
        gone = {subject: seq for seq, subject, _ in stream.store.expired}
        for subject, seq in gone.items():
            if seq in markers:
                continue
            if not stream.store.last_seq_of(subject):
                stream.publishing.store_marker(subject, b"MaxAge")
        if markers:
            first = stream.store.first_seq
            self._markers = {seq for seq in markers if seq >= first} if len(markers) > 1024 else markers


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
