"""What a backup is made of, whichever way it is laid out: readers of layouts give these parts in this order.

Head, then any number of Consumer, list of messages and Gone in any order, then Tail; a Gone of nothing may stand
anywhere and only ends a step. A reader is fed bytes and gives one part at a time, a list of messages never longer than
BATCH_BYTES and one message, so that a turn of the loop is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from natsd.jetstream.consumers.consumer_state import ConsumerState

if TYPE_CHECKING:
    from natsd.store.contract import Message

BATCH_BYTES = 64 * 1024
MOST_MESSAGE = 32 << 20
"""The longest header and payload of a message there can be."""
MOST_DOCUMENT = 8 << 20
"""The longest configuration or state of a consumer: one is looked at in a turn."""
MOST_SEQ = 1 << 63


class BackupError(ValueError):
    """It is no backup, or a damaged one. The text says what is wrong."""


class Head(msgspec.Struct):
    """What is known of the stream before its messages. 0: not known, or not yet.

    name: empty where the backup does not say. first_seq: no message is below. bytes: about what it holds.
    """

    name: str = ""
    created_ns: int = 0
    first_seq: int = 0
    bytes: int = 0


class Progress(msgspec.Struct):
    """How far a consumer is: consumer and stream sequence of what was delivered and of the floor of acknowledgements,
    consumer sequences of what is pending and numbers of deliveries beyond the first, by stream sequence."""

    delivered: tuple[int, int]
    floor: tuple[int, int]
    pending: dict[int, int]
    redelivered: dict[int, int]


class Consumer(msgspec.Struct):
    """A consumer. config: JSON as the API has it. progress: None where it never was saved."""

    name: str
    config: bytes
    created_ns: int
    progress: Progress | None


class Gone(msgspec.Struct):
    """Messages that were given and are deleted all the same: from the first to the last sequence of each range."""

    ranges: list[tuple[int, int]]


class Tail(msgspec.Struct):
    """The end."""

    last_seq: int


if TYPE_CHECKING:
    Part = Head | Consumer | Gone | Tail | list[Message]


class Reader(Protocol):
    """Takes the unpacked bytes of a backup. Made with the bytes that a message may have at most."""

    def feed(self, data: bytes) -> None: ...

    def take(self) -> Part | None:
        """The next part; None when more bytes are needed for it. Raises BackupError."""
        ...


def uvarint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """An unsigned number of Go's varints, and where it ends. Raises IndexError where it goes on, BackupError where it
    is longer than 64 bits."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        if byte < 128:
            value |= byte << shift
            if value >> 64:
                raise BackupError("a number in it is too large")
            return value, at
        value |= (byte & 127) << shift
        shift += 7
        if shift > 63:
            raise BackupError("a number in it is too large")


def varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """The same with a sign."""
    value, at = uvarint(data, at)
    return value >> 1 ^ -(value & 1), at


def progress_of(state: ConsumerState) -> Progress:
    """What is to be saved of a consumer's state."""
    return Progress(
        (state.delivered_seq, state.delivered_stream),
        (state.floor_seq, state.floor_stream),
        dict(state.pending),
        dict(state.redelivered),
    )


def record_of(progress: Progress, tracks: bool) -> bytes:
    """The record of a consumer that is so far, as its store keeps it. Raises BackupError where nobody can be so.

    tracks: whether its deliveries wait for acknowledgements. What the stream does not have is left to the consumer.
    """
    consumer_seq, stream_seq = progress.delivered
    floor_seq, floor_stream = progress.floor
    if not (0 <= floor_seq <= consumer_seq < MOST_SEQ and 0 <= floor_stream < MOST_SEQ and 0 <= stream_seq < MOST_SEQ):
        raise BackupError("the sequences of a consumer cannot be")
    state = ConsumerState(tracks)
    state.delivered_seq, state.delivered_stream = consumer_seq, stream_seq
    state.floor_seq, state.floor_stream = consumer_seq, stream_seq
    if tracks:
        state.floor_seq, state.floor_stream = floor_seq, min(floor_stream, stream_seq)
        for seq, number in progress.pending.items():
            if not floor_stream < seq <= stream_seq or not 0 < number <= consumer_seq:
                raise BackupError("what waits for a consumer's acknowledgement cannot be")
        for seq, more in progress.redelivered.items():
            if not (0 < seq < MOST_SEQ and 0 < more < MOST_SEQ):
                raise BackupError("what a consumer was given again cannot be")
        state.pending = dict(sorted(progress.pending.items()))
        state.redelivered = dict(sorted(progress.redelivered.items()))
    state.note_all()
    return state.take_record()[0]
