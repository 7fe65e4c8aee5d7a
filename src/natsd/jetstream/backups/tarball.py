"""A backup laid out as Go servers did up to 2.14: a tar of the files that the server's store has.

1. `meta.inf` comes first: the configuration, with the name, and when the stream was made; `meta.sum` is its hash.
2. Block files in their order (go_blocks.py), each after the index of it or all before the one for all (go_index.py).
3. `obs/NAME/`: `meta.inf`, `meta.sum` and `o.dat` (go_consumer.py) of each consumer.
Names are looked at and never opened; anything that is no plain file, or would lie elsewhere, is refused. Files that
only save a Go server work are passed over.
"""

from __future__ import annotations

import re
import tarfile
from collections import deque
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from natsd.jetstream.backups.backup import MOST_DOCUMENT, MOST_MESSAGE, BackupError, Consumer, Gone, Head, Tail
from natsd.jetstream.backups.go_blocks import Block
from natsd.jetstream.backups.go_consumer import parse_progress
from natsd.jetstream.backups.go_index import Index, parse_idx, sets_as_gone
from natsd.jetstream.dates import NO_DATE, parse_date
from natsd.store import highway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.jetstream.backups.backup import Part
    from natsd.jetstream.backups.go_index import Known

UNIT = 512
META, SUM, STATE, ERRORS = "meta.inf", "meta.sum", "o.dat", "errors.txt"
PAX = tarfile.XHDTYPE
MOST_PAX, MOST_STATE = 1 << 16, 2 << 20
_FILE = re.compile(r"msgs/(\d{1,9})\.(blk|idx)", re.ASCII)
_CONSUMER = re.compile(r"obs/([^/]+)/([^/]+)")


class Meta(msgspec.Struct):
    """What is read of a configuration here."""

    name: str = ""
    created: str = msgspec.field(default=NO_DATE, name="Created")


class Reader:
    """Takes the bytes of such a backup; see backup.Reader."""

    __slots__ = (
        "_block",
        "_consumer",
        "_data",
        "_document",
        "_ended",
        "_file",
        "_index",
        "_known",
        "_last_block",
        "_last_hash",
        "_last_seq",
        "_left",
        "_meta",
        "_most",
        "_padding",
        "_parts",
        "_pax",
        "_stream",
        "_tombstone",
    )

    def __init__(self, most_bytes: int = MOST_MESSAGE) -> None:
        self._most = most_bytes
        self._data = bytearray()
        self._file = ""  # the name of the one that comes now
        self._left = self._padding = 0
        self._pax: dict[str, str] = {}
        self._document = bytearray()
        self._block: Block | None = None
        self._index: Index | None = None
        self._known: Known | None = None
        self._parts: deque[Iterator[Part]] = deque()
        self._stream: Head | None = None
        self._meta = b""  # the configuration that the next hash is of
        self._consumer = ""
        self._last_block = -1
        self._last_hash = b""
        self._last_seq = self._tombstone = 0
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        self._data += data

    def take(self) -> Part | None:
        """The next part. Raises BackupError."""
        while True:
            while self._parts:
                part = next(self._parts[0], None)
                if part is not None:
                    return part
                self._parts.popleft()
            if self._ended:
                if self._data.strip(b"\0"):
                    raise BackupError("there is something behind its end")
                del self._data[:]
                return None
            part = self._read_on() if self._file else None
            if part is not None:
                return part
            if not self._parts:
                # Files may be empty and very many: each is a step of its own.
                return Gone([]) if not self._file and self._begin_file() else None

    def _begin_file(self) -> bool:
        """Look at the next header; whether there was one."""
        data = self._data
        gone = min(self._padding, len(data))
        del data[:gone]
        self._padding -= gone
        if len(data) < UNIT:
            return False
        try:
            info = tarfile.TarInfo.frombuf(bytes(data[:UNIT]), "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            if data[:UNIT].strip(b"\0"):
                raise BackupError(f"it is no archive of files, or a damaged one: {error}") from None
            self._end()
            return True
        del data[:UNIT]
        name, size = info.name, info.size
        if info.type == PAX:
            name = "pax"
        elif info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise BackupError(f"{name!r} in it is no plain file")
        else:
            name = self._pax.get("path", name)
            size = int(self._pax.get("size", "")[:15] or size)
            self._pax = {}
            if name.startswith("/") or "\0" in name or "\\" in name or ".." in name.split("/"):
                raise BackupError(f"{name!r} in it would lie elsewhere")
        if not 0 <= size < 1 << 40:
            raise BackupError(f"{name!r} in it has an impossible length")
        self._file, self._left, self._padding = name, size, -size % UNIT
        self._open(name, size, info.type == PAX)
        return True

    def _open(self, name: str, size: int, pax: bool) -> None:
        found = _FILE.fullmatch(name)
        consumer = _CONSUMER.fullmatch(name)
        if found is not None and found[2] == "blk":
            number = int(found[1])
            if self._stream is None or number <= self._last_block:
                raise BackupError(f"{name!r} in it is out of order")
            self._block = Block(self._stream.name, number, self._most)
            self._last_block = number
        elif name == "msgs/index.db":
            self._index = Index()
        elif pax or found is not None or name in (META, SUM, ERRORS) or consumer is not None:
            most = MOST_PAX if pax else MOST_STATE if consumer is not None and consumer[2] == STATE else MOST_DOCUMENT
            if size > most:
                raise BackupError(f"{name!r} in it is longer than it may be")
        if consumer is not None and consumer[1] != self._consumer:
            self._end_consumer()
            self._consumer = consumer[1]

    # What the file that comes now is made of.

    def _read_on(self) -> Part | None:
        """Take what is there of it; the part that it gave, if it gave one. Its end clears `_file`."""
        data = self._data
        piece = bytes(data[: self._left])
        del data[: len(piece)]
        self._left -= len(piece)
        block, index = self._block, self._index
        if block is not None:
            block.feed(piece)
            part = block.take()
            if part is not None:
                return part
        elif index is not None:
            index.feed(piece)
            if index.look():
                return Gone([])
        elif self._is_document():
            self._document += piece
        if not self._left:
            self._close()
        return None

    def _is_document(self) -> bool:
        name = self._file
        if name in ("pax", META, SUM, ERRORS):
            return True
        return name.endswith(".idx") and name.startswith("msgs/") or _CONSUMER.fullmatch(name) is not None

    def _close(self) -> None:
        name, self._file = self._file, ""
        document = bytes(self._document)
        self._document.clear()
        if self._block is not None:
            self._end_block(self._block)
        elif self._index is not None:
            self._end_index(self._index)
        elif name == "pax":
            self._pax = _pax(document)
        elif name == META:
            self._end_meta(document)
        elif name == ERRORS:
            raise BackupError(f"whoever made it failed: {document[:200].decode('utf-8', 'replace')}")
        elif name == SUM:
            self._check_sum(document, self._stream.name if self._stream is not None else "")
        elif name.endswith(".idx") and name.startswith("msgs/"):
            number = int(name[5:-4]) if name[5:-4].isdecimal() else -1
            self._known = parse_idx(number, document)
        elif (found := _CONSUMER.fullmatch(name)) is not None:
            self._end_consumer_file(found[1], found[2], document)

    def _end_meta(self, document: bytes) -> None:
        if self._stream is not None:
            raise BackupError("it has two configurations")
        meta = _decode_meta(document)
        self._meta = document
        self._stream = Head(meta.name, _date(meta.created))
        self._parts.append(iter([self._stream]))

    def _check_sum(self, document: bytes, context: str) -> None:
        wanted = highway(sha256(context.encode()).digest(), self._meta).hex().encode()
        if document != wanted:
            raise BackupError("the hash of a configuration does not match")

    def _end_block(self, block: Block) -> None:
        block.end()
        self._block = None
        if block.last_seq and block.last_seq <= self._last_seq:
            raise BackupError(f"block {self._last_block} is out of order")
        before = self._last_seq
        self._last_seq = max(before, block.last_seq)
        self._tombstone = max(self._tombstone, block.tombstone)
        self._last_hash = block.last_hash or self._last_hash
        known, self._known = self._known, None
        if known is None or known.number != self._last_block:
            return
        self._last_seq = max(self._last_seq, known.last_seq)
        self._parts.append(iter([Gone([(before + 1, known.first_seq - 1)])]))
        self._parts.append(sets_as_gone(known.removed))

    def _end_index(self, index: Index) -> None:
        self._index = None
        # One that is older than the blocks says what was, and the tombstones in the blocks what has become of it.
        if index.last_hash and index.last_block == self._last_block and index.last_hash in (self._last_hash, bytes(8)):
            self._parts.append(index.gone())
            self._last_seq = max(self._last_seq, index.last_seq)

    # Consumers, and the end.

    def _end_consumer_file(self, name: str, file: str, document: bytes) -> None:
        if file == META:
            self._meta = document
        elif file == SUM:
            self._check_sum(document, f"{self._stream.name if self._stream is not None else ''}/{name}")
        elif file == STATE:
            self._give_consumer(document)

    def _give_consumer(self, state: bytes) -> None:
        name, self._consumer = self._consumer, ""
        meta, self._meta = self._meta, b""
        if not meta:
            raise BackupError(f"consumer {name!r} has no configuration")
        progress = parse_progress(state) if state else None
        created = _date(_decode_meta(meta).created)
        self._parts.append(iter([Consumer(name, meta, created, progress)]))

    def _end_consumer(self) -> None:
        """Another one follows, or none: without a state the one before is as it was when it was made."""
        if self._consumer:
            self._give_consumer(b"")

    def _end(self) -> None:
        if self._stream is None:
            raise BackupError("it has no configuration")
        self._end_consumer()
        self._ended = True
        self._parts.append(iter([Tail(max(self._last_seq, self._tombstone))]))


def _decode_meta(document: bytes) -> Meta:
    try:
        return msgspec.json.decode(document, type=Meta)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BackupError(f"a configuration in it has no sense: {error}") from None


def _date(text: str) -> int:
    try:
        return max(parse_date(text), 0)
    except ValueError as error:
        raise BackupError(f"a configuration in it has no sense: {error}") from None


def _pax(document: bytes) -> dict[str, str]:
    """What an extended header says: lines of length, blank, name=value."""
    found = {}
    at = 0
    while at < len(document):
        blank = document.find(b" ", at)
        digits = document[at:blank]
        if blank < 0 or not digits.isdigit() or len(digits) > 9 or int(digits) <= len(digits):
            raise BackupError("an extended header in it makes no sense")
        line = document[blank + 1 : at + int(digits) - 1].decode("utf-8", "surrogateescape")
        name, _, value = line.partition("=")
        found[name] = value
        at += int(digits)
    return found
