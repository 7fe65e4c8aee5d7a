"""A backup laid out as Go servers do from 2.15 on, which is also how natsd writes its own: entries in a row.

Layout: MAGIC, then entries: length of the name, time (with a sign), sequence, size of the header and of the payload,
all of them varints; the name; header and payload. Order of the entries:
1. `state.json`: the state of the stream; `consumer_count` says how many consumers follow.
2. A consumer each: `consumers/NAME`, configuration and state as JSON.
3. A message each: named by its subject, with its sequence and time.
4. One where everything is empty: the end.
Only messages have a sequence. What natsd adds to the documents (`created`), a Go server leaves alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from natsd.jetstream.backups import backup
from natsd.jetstream.backups.backup import BATCH_BYTES, MOST_DOCUMENT, MOST_MESSAGE, MOST_SEQ, BackupError
from natsd.jetstream.dates import NO_DATE, parse_date, render_date

if TYPE_CHECKING:
    from natsd.jetstream.backups.backup import Part, Progress
    from natsd.store.contract import Message

MAGIC = b"NATSARC1"
STATE, CONSUMERS = b"state.json", b"consumers/"
MOST_NAME = 1 << 16
OVERHEAD = 32
NUMBERS = 5
NINE_ENDS, NINE_BYTES = 0x808080808080808080, 0x008080808080808080
"""The bits that say where a varint ends, and what they are in one of nine bytes."""


class Pair(msgspec.Struct):
    consumer_seq: int = 0
    stream_seq: int = 0


class Pending(msgspec.Struct, rename="pascal"):
    """A consumer's number of a message and when it was delivered."""

    sequence: int = 0
    timestamp: int = 0


class State(msgspec.Struct):
    delivered: Pair = msgspec.field(default_factory=Pair)
    ack_floor: Pair = msgspec.field(default_factory=Pair)
    pending: dict[int, Pending] | None = None
    redelivered: dict[int, int] | None = None


class SavedConsumer(msgspec.Struct):
    config: msgspec.Raw
    state: State
    created: str = NO_DATE


class SavedState(msgspec.Struct):
    first_seq: int = 0
    last_seq: int = 0
    bytes: int = 0
    consumer_count: int = 0
    created: str = NO_DATE


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def render_entry(name: bytes, time_ns: int = 0, seq: int = 0, header: bytes = b"", payload: bytes = b"") -> bytes:
    """One entry."""
    zigzag = time_ns << 1 if time_ns >= 0 else (-time_ns << 1) - 1
    sizes = (len(name), zigzag, seq, len(header), len(payload))
    return b"".join([*map(_varint, sizes), name, header, payload])


def render_state(state: dict[str, Any], consumers: int, created_ns: int, now_ns: int) -> bytes:
    """How a backup begins. state: as the API shows it."""
    document = state | {"consumer_count": consumers, "created": render_date(created_ns)}
    return MAGIC + render_entry(STATE, now_ns, payload=msgspec.json.encode(document))


def render_consumer(name: str, config: dict[str, Any], created_ns: int, progress: Progress, now_ns: int) -> bytes:
    """A consumer. When what is pending was delivered is not known: now."""
    document = {
        "config": config,
        "created": render_date(created_ns),
        "state": {
            "delivered": Pair(*progress.delivered),
            "ack_floor": Pair(*progress.floor),
            "pending": {str(seq): Pending(number, now_ns) for seq, number in progress.pending.items()},
            "redelivered": {str(seq): more for seq, more in progress.redelivered.items()},
        },
    }
    return render_entry(CONSUMERS + name.encode(), now_ns, payload=msgspec.json.encode(document))


def render_message(message: Message) -> bytes:
    """A message."""
    seq, subject, header, payload, time_ns = message
    return render_entry(subject, time_ns, seq, header or b"", payload)


END = render_entry(b"")


class Reader:
    """Takes the bytes of such a backup; see backup.Reader."""

    __slots__ = ("_at", "_consumers", "_data", "_head", "_last_seq", "_more", "_most", "_need", "_seq", "finished")

    def __init__(self, most_bytes: int = MOST_MESSAGE) -> None:
        self._most = most_bytes
        self._data = b""
        self._at = 0  # what lies before is used up
        self._more = bytearray()  # what came since, and how many bytes are wanted before it is worth a look
        self._need = len(MAGIC)
        self._head: backup.Head | None = None
        self._consumers = 0  # how many are still to come
        self._last_seq = 0
        self._seq = 0
        self.finished = False

    def feed(self, data: bytes) -> None:
        """Take a piece; the first one begins with MAGIC."""
        self._more += data

    def take(self) -> Part | None:
        """The next part. Raises BackupError."""
        if self._more:
            if len(self._data) - self._at + len(self._more) < self._need:
                return None
            self._data = self._data[self._at :] + self._more
            self._at = 0
            self._more.clear()
        if self._head is None:
            return self._take_head()
        if self.finished:
            if self._at < len(self._data):
                raise BackupError("there is something behind its end")
            return None
        return self._take_consumer() if self._consumers else self._take_messages()

    def _take_head(self) -> Part | None:
        entry = self._document(len(MAGIC))
        if entry is None:
            return None
        name, document = entry
        if name != STATE:
            raise BackupError("the state of the stream does not come first")
        saved = _decode(document, SavedState)
        first, last = saved.first_seq, saved.last_seq
        if not 0 <= last < MOST_SEQ or not 0 <= first <= last + 1 or saved.consumer_count < 0 or saved.bytes < 0:
            raise BackupError("the state of the stream cannot be")
        self._consumers = saved.consumer_count
        self._last_seq = last
        self._head = backup.Head("", _created(saved.created), first, saved.bytes)
        return self._head

    def _take_consumer(self) -> Part | None:
        entry = self._document(self._at)
        if entry is None:
            return None
        name, document = entry
        if not name.startswith(CONSUMERS):
            raise BackupError("a consumer is missing")
        saved = _decode(document, SavedConsumer)
        state = saved.state
        progress = backup.Progress(
            (state.delivered.consumer_seq, state.delivered.stream_seq),
            (state.ack_floor.consumer_seq, state.ack_floor.stream_seq),
            {seq: pending.sequence for seq, pending in (state.pending or {}).items()},
            state.redelivered or {},
        )
        self._consumers -= 1
        text = name[len(CONSUMERS) :].decode("utf-8", "replace")
        return backup.Consumer(text, bytes(saved.config), _created(saved.created), progress)

    def _document(self, start: int) -> tuple[bytes, bytes] | None:
        """The next entry that is no message: name and document."""
        data = self._data
        try:
            entry = _entry(data, start)
        except IndexError:
            return None
        at, length, _, seq, header_bytes, payload_bytes = entry
        if seq or header_bytes or length > MOST_NAME or payload_bytes > MOST_DOCUMENT:
            raise BackupError("an entry is not what should come now")
        end = at + length + payload_bytes
        if len(data) < end:
            self._need = end - self._at
            return None
        self._at, self._need = end, 0
        return data[at : at + length], data[at + length : end]

    def _take_messages(self) -> Part | None:
        self._need = 0
        data = self._data
        messages: list[Message] = []
        at, size, end, last = self._at, 0, len(data), self._seq
        while size < BATCH_BYTES:
            try:
                start, length, time_ns, seq, header_bytes, payload_bytes = _entry(data, at)
            except IndexError:
                break
            if seq == 0:
                if messages:
                    break
                return self._take_end(start, length, time_ns, header_bytes, payload_bytes)
            if seq <= last or seq >= MOST_SEQ:
                raise BackupError(f"message {seq} is out of order")
            if length > MOST_NAME or header_bytes + payload_bytes > self._most:
                raise BackupError(f"message {seq} is longer than this server takes")
            name_end = start + length
            payload_at = name_end + header_bytes
            rest = payload_at + payload_bytes
            if rest > end:
                self._need = rest - at
                break
            header = data[name_end:payload_at] if header_bytes else None
            messages.append((seq, data[start:name_end], header, data[payload_at:rest], time_ns))
            last = seq
            size += rest - at + OVERHEAD
            at = rest
        self._seq, self._at = last, at
        return messages or None

    def _take_end(self, at: int, length: int, time_ns: int, header_bytes: int, payload_bytes: int) -> Part:
        if length or time_ns or header_bytes or payload_bytes:
            raise BackupError("an entry is not what should come now")
        if self._seq > self._last_seq:
            # Messages came while it was made: they are in it too.
            self._last_seq = self._seq
        self.finished = True
        self._at = at
        return backup.Tail(self._last_seq)


def _entry(data: bytes, at: int) -> tuple[int, int, int, int, int, int]:
    """Where the name begins, its length, time, sequence, sizes of header and payload.

    Raises IndexError where it goes on, BackupError.
    """
    # No call for each number, and the nine bytes of a time at once: most of what reading a backup takes is here.
    found: list[int] = []
    bits = int.from_bytes(data[at + 1 : at + 10], "little")
    if data[at] < 128 and bits & NINE_ENDS == NINE_BYTES:
        found = [data[at], bits >> 64 << 56 | _squeeze(bits)]
        at += 10
    value = shift = 0
    while len(found) < NUMBERS:
        byte = data[at]
        at += 1
        if byte < 128:
            found.append(value | byte << shift if shift else byte)
            value = shift = 0
        else:
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise BackupError("a number in it is too large")
    length, time, seq, header_bytes, payload_bytes = found
    if time >> 64:
        raise BackupError("a number in it is too large")
    return at, length, time >> 1 ^ -(time & 1), seq, header_bytes, payload_bytes


def _squeeze(bits: int) -> int:
    """Eight bytes without the highest bit of each."""
    bits = bits & 0x007F007F007F007F | (bits & 0x7F007F007F007F00) >> 1
    bits = bits & 0x00003FFF00003FFF | (bits & 0x3FFF00003FFF0000) >> 2
    return bits & 0x0FFFFFFF | (bits & 0x0FFFFFFF00000000) >> 4


def _decode(document: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(document, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BackupError(f"a document in it has no sense: {error}") from None


def _created(text: str) -> int:
    try:
        return max(parse_date(text), 0)
    except ValueError as error:
        raise BackupError(f"a document in it has no sense: {error}") from None
