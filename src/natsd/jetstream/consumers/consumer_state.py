"""What has become of a consumer's messages: how far it delivered, what waits to be acknowledged, what was tried again.

Rules:
1. `pending` maps stream sequences to consumer sequences, both ascending: its first entry is the lowest of both. A
   message that is delivered again keeps its first consumer sequence.
2. The acknowledgement floor lies just below the first pending message; where nothing is pending, at what was delivered
   last. It moves only when the first pending one goes.
3. `_order` holds the pending sequences in their order, and some that are pending no more: a dictionary that lost its
   first entries one by one is slow to say what its first one is.
4. Every change is noted as one small record. The last checkpoint and the records behind it, applied in order, give the
   same state: that is what a store keeps.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

DELIVERED = 1  # first consumer sequence is implied: seqs, or first and count
DELIVERED_RUN = 2
REDELIVERED = 3  # seq, deliveries before this one
ACKED = 4  # seqs
ACKED_RUN = 5  # first, count
ACKED_UPTO = 6  # consumer sequence, stream sequence
GIVEN_UP = 7  # seq, deliveries
CHECKPOINT = 8

CHECKPOINT_BYTES = 65536
"""Records since the last checkpoint, in bytes, that are worth a new one at least."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class ConsumerState:
    """The figures and sets. tracks: whether deliveries wait for acknowledgements."""

    __slots__ = (
        "_bytes",
        "_checkpoint_bytes",
        "_order",
        "changes",
        "delivered_seq",
        "delivered_stream",
        "floor_seq",
        "floor_stream",
        "pending",
        "redelivered",
        "tracks",
    )

    def __init__(self, tracks: bool) -> None:
        self.tracks = tracks
        self.delivered_seq = 0
        self.delivered_stream = 0
        self.floor_seq = 0
        self.floor_stream = 0
        self.pending: dict[int, int] = {}
        self.redelivered: dict[int, int] = {}
        self.changes: list[list[Any]] = []
        self._order: deque[int] = deque()
        self._bytes = 0
        self._checkpoint_bytes = 0

    def start(self, seq: int) -> None:
        """Nothing is delivered yet; the first message will be `seq` or a later one."""
        self.delivered_seq = self.floor_seq = 0
        self.delivered_stream = self.floor_stream = max(seq - 1, 0)
        self.pending.clear()
        self._order.clear()
        self.redelivered.clear()
        self.note_all()

    # Changes.

    def deliver(self, seqs: list[int]) -> None:
        """These were delivered for the first time, in ascending order."""
        self._deliver(seqs)
        if seqs[-1] - seqs[0] + 1 == len(seqs):
            self.changes.append([DELIVERED_RUN, seqs[0], len(seqs)])
        else:
            self.changes.append([DELIVERED, seqs])

    def _deliver(self, seqs: list[int]) -> None:
        first = self.delivered_seq + 1
        self.delivered_seq += len(seqs)
        self.delivered_stream = max(self.delivered_stream, seqs[-1])
        if self.tracks:
            self.pending.update(zip(seqs, range(first, first + len(seqs)), strict=True))
            self._order.extend(seqs)
            if len(self._order) > 2 * len(self.pending) + 1024:
                self._order = deque(self.pending)
        else:
            self.floor_seq, self.floor_stream = self.delivered_seq, self.delivered_stream

    def redeliver(self, seq: int, before: int) -> None:
        """It was delivered again, after `before` times."""
        self._redeliver(seq, before)
        self.changes.append([REDELIVERED, seq, before])

    def _redeliver(self, seq: int, before: int) -> None:
        self.delivered_seq += 1
        self.redelivered[seq] = before

    def ack(self, seqs: list[int]) -> list[int]:
        """These are done with; returns those of them that were pending."""
        gone = seqs if self.redelivered else []
        done = self._ack(seqs)
        noted = gone or done
        if noted:
            if noted[-1] - noted[0] + 1 == len(noted) and all(map(int.__lt__, noted, noted[1:])):
                self.changes.append([ACKED_RUN, noted[0], len(noted)])
            else:
                self.changes.append([ACKED, noted])
        return done

    def _ack(self, seqs: list[int]) -> list[int]:
        pending, redelivered = self.pending, self.redelivered
        pop = pending.pop
        done = [seq for seq in seqs if pop(seq, 0)]
        if redelivered:
            for seq in seqs:
                redelivered.pop(seq, None)
        if done:
            self.raise_floor()
        return done

    def ack_upto(self, consumer_seq: int, seq: int) -> list[int]:
        """Everything up to a message is done with; returns what was pending of it."""
        done = self._ack_upto(consumer_seq, seq)
        self.changes.append([ACKED_UPTO, consumer_seq, seq])
        return done

    def _ack_upto(self, consumer_seq: int, seq: int) -> list[int]:
        done = []
        order = self._order
        while order and order[0] <= seq:
            pending = order.popleft()
            if self.pending.pop(pending, 0):
                done.append(pending)
        if self.redelivered:
            for again in [again for again in self.redelivered if again <= seq]:
                del self.redelivered[again]
        self.floor_seq, self.floor_stream = consumer_seq, seq
        return done

    def give_up(self, seq: int, deliveries: int) -> None:
        """It was delivered as often as may be, and is pending no more."""
        self._give_up(seq, deliveries)
        self.changes.append([GIVEN_UP, seq, deliveries])

    def _give_up(self, seq: int, deliveries: int) -> None:
        self.redelivered[seq] = deliveries
        if self.pending.pop(seq, 0):
            self.raise_floor()

    def raise_floor(self) -> None:
        """Have the floor follow what is pending."""
        order, pending = self._order, self.pending
        while order:
            consumer_seq = pending.get(order[0], 0)
            if consumer_seq:
                if consumer_seq - 1 != self.floor_seq:
                    self.floor_seq, self.floor_stream = consumer_seq - 1, order[0] - 1
                return
            order.popleft()
        self.floor_seq, self.floor_stream = self.delivered_seq, self.delivered_stream

    def deliveries(self, seq: int) -> int:
        """How often a pending message was delivered so far."""
        return self.redelivered.get(seq, 0) + 1

    # Records.

    def note_all(self) -> None:
        """Note everything, instead of the single changes so far."""
        self.changes = [
            [
                CHECKPOINT,
                self.delivered_seq,
                self.delivered_stream,
                self.floor_seq,
                self.floor_stream,
                list(self.pending),
                list(self.pending.values()),
                list(self.redelivered),
                list(self.redelivered.values()),
            ]
        ]

    def take_record(self) -> tuple[bytes, bool]:
        """What changed since the last call, and whether it is a checkpoint; there must be changes."""
        if self._bytes > CHECKPOINT_BYTES and self._bytes > 2 * self._checkpoint_bytes:
            self.note_all()
        record = _encode(self.changes)
        checkpoint = self.changes[0][0] == CHECKPOINT
        self.changes = []
        if checkpoint:
            self._bytes, self._checkpoint_bytes = 0, len(record)
        else:
            self._bytes += len(record)
        return record, checkpoint

    def apply(self, record: bytes) -> None:
        """Do again what a record says. Raises ValueError where it is none."""
        try:
            for change in _decode(record):
                self._apply(change)
        except (msgspec.DecodeError, TypeError, IndexError, KeyError) as error:
            raise ValueError(f"not a record of a consumer: {error}") from None

    def _apply(self, change: list[Any]) -> None:
        kind = change[0]
        if kind == DELIVERED:
            self._deliver(change[1])
        elif kind == DELIVERED_RUN:
            self._deliver(list(range(change[1], change[1] + change[2])))
        elif kind == REDELIVERED:
            self._redeliver(change[1], change[2])
        elif kind == ACKED:
            self._ack(change[1])
        elif kind == ACKED_RUN:
            self._ack(list(range(change[1], change[1] + change[2])))
        elif kind == ACKED_UPTO:
            self._ack_upto(change[1], change[2])
        elif kind == GIVEN_UP:
            self._give_up(change[1], change[2])
        elif kind == CHECKPOINT:
            self.delivered_seq, self.delivered_stream, self.floor_seq, self.floor_stream = change[1:5]
            self.pending = dict(zip(change[5], change[6], strict=True))
            self._order = deque(self.pending)
            self.redelivered = dict(zip(change[7], change[8], strict=True))
        else:
            raise ValueError(f"unknown change {kind!r}")
