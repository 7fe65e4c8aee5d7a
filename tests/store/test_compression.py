"""Streams whose payloads are packed take less of the disk, and nothing else of them shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from natsd.store.compression import LEAST_BYTES, pack, unpack, unpacked_bytes
from natsd.store.contract import Limits, StoreError, StreamStore
from natsd.store.file import FileStore
from natsd.store.fsck import explain
from natsd.store.records import (
    HEAD_BYTES,
    MESSAGE,
    Record,
    offset_of,
    parse_head,
    parse_record,
    place_of,
    render_record,
    salt_of,
    seed_of,
)

TEXT = b'{"user": "alice", "event": "page_view", "url": "/products/42"}, ' * 8
NOISE = os.urandom(200)
BATCH = [(b"a.1", None, None, TEXT), (b"a.2", None, b"NATS/1.0\r\nA: b\r\n\r\n", TEXT * 3), (b"a.1", None, None, NOISE)]


def stream_of(store: FileStore, key: str = "A/s") -> StreamStore:
    return store.streams()[key][1]


def written(directory: Path) -> int:
    """Bytes of all records that are no checkpoint."""
    found = 0
    for path in sorted(directory.glob("*.seg")):
        found += sum(record.size for record in records(path) if record.kind == MESSAGE)
    return found


@pytest.fixture
def packed(tmp_path: Path) -> FileStore:
    """A store with BATCH in one stream."""
    store = FileStore(tmp_path, cache_bytes=0)
    stream = store.create("A/s", b"{}", Limits())
    stream.packs = True
    stream.append(BATCH, 1)
    return store


def records(path: Path) -> Iterator[Record]:
    """Of a segment."""
    data, at = path.read_bytes(), HEAD_BYTES
    head = parse_head(data)
    assert head is not None
    while record := parse_record(data, at, place_of(head[0], at), salt_of(head[1])):
        yield record
        at += record.size


@pytest.mark.parametrize("payload", [TEXT, b"\0" * 100_000, bytes(range(256)) * 3, b"x" * LEAST_BYTES])
def test_a_block_says_how_long_it_is_and_gives_back_what_went_in(payload: bytes) -> None:
    block = pack(payload)
    assert block is not None and len(block) < len(payload)
    assert unpacked_bytes(block) == len(payload)
    assert unpack(block) == payload


@pytest.mark.parametrize("payload", [b"", b"x" * (LEAST_BYTES - 1), NOISE, os.urandom(100_000)])
def test_what_would_not_get_shorter_stays_as_it_is(payload: bytes) -> None:
    assert pack(payload) is None


@pytest.mark.parametrize(
    "block",
    [b"", b"\x80", b"\xff\xff\xff\xff\xff", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\x7f" + b"x" * 50, b"\x40\0\0"],
)
def test_bytes_that_are_no_block_are_none(block: bytes) -> None:
    assert unpack(block) is None


def test_packed_messages_count_and_read_as_if_they_were_not(tmp_path: Path) -> None:
    stores = []
    for name, packs in (("plain", False), ("packed", True)):
        store = FileStore(tmp_path / name)
        stream = store.create("A/s", b"{}", Limits(max_bytes=20_000))
        stream.packs = packs
        for at in range(40):
            stream.append(BATCH, at + 1)
        stream.append_ttl((b"b", None, None, TEXT), 50, 1000)
        stream.append_at(stream.last_seq + 5, (b"c", None, None, TEXT), 51)
        store.close()
        stores.append(FileStore(tmp_path / name, cache_bytes=0))
    one, other = (stream_of(store) for store in stores)
    assert other.state == one.state
    assert other.state.bytes > 15_000
    seqs = range(one.first_seq, one.last_seq + 1)
    assert other.load_many(seqs) == one.load_many(seqs)
    cursor, same = other.cursor([], 1), one.cursor([], 1)
    assert cursor.take(1000) == same.take(1000)
    assert 3 * written(tmp_path / "packed") < written(tmp_path / "plain")
    for store in stores:
        assert store.damage == []
        store.close()


def test_packing_begins_and_ends_with_the_next_message(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    stream = store.create("A/s", b"{}", Limits())
    for packs in (False, True, False):
        stream.packs = packs
        stream.append([(b"a", None, None, TEXT)], 1)
    assert [message[3] for message in stream.load_many([1, 2, 3])] == [TEXT] * 3
    store.close()
    sizes = [len(record.payload) for record in records(tmp_path / "00000001.seg") if record.kind == MESSAGE]
    assert sizes[0] == sizes[2] == len(TEXT) > 3 * sizes[1]


def test_segments_of_packed_messages_are_emptied_and_used_again(tmp_path: Path) -> None:
    """A quarter of them lives, which unpacked would be more than a segment has bytes."""
    store = FileStore(tmp_path, segment_bytes=16384, cache_bytes=0)
    kept = store.create("A/kept", b"{}", Limits())
    passing = store.create("A/passing", b"{}", Limits(max_msgs=10))
    kept.packs = passing.packs = True
    for at in range(600):
        passing.append([(b"a", None, None, TEXT)] * 4, at + 1)
        kept.append([(b"k", None, None, TEXT + b"%d" % at)], at + 1)
        store.wait()
        store.settle()
    for _ in range(500):
        store.settle()
        store.wait()
    store.log.wait()
    written = store.position >> 32
    assert written > 20
    assert len(list(tmp_path.glob("*.seg"))) < written // 2
    expected = [(n + 1, b"k", None, TEXT + b"%d" % n, n + 1) for n in range(600)]
    assert kept.load_many(range(1, 601)) == expected
    state = kept.state
    store.close()
    again = FileStore(tmp_path, segment_bytes=16384)
    assert again.damage == []
    assert stream_of(again, "A/kept").state == state
    assert stream_of(again, "A/kept").load_many(range(1, 601)) == expected
    again.close()


def test_a_packed_message_that_is_erased_leaves_nothing(packed: FileStore, tmp_path: Path) -> None:
    block = pack(TEXT)
    assert block is not None
    assert stream_of(packed).remove([1], erase=True) == 1
    packed.wait()
    packed.close()
    assert all(block not in path.read_bytes() for path in tmp_path.iterdir())
    again = FileStore(tmp_path)
    assert again.damage == []
    assert [message[0] for message in stream_of(again).load_many([1, 2, 3])] == [2, 3]
    again.close()


def test_a_block_that_makes_no_sense_costs_its_message(packed: FileStore, tmp_path: Path) -> None:
    """Its checksum is right: somebody wrote it so."""
    packed.close()
    path = tmp_path / "00000001.seg"
    record = next(record for record in records(path) if record.kind == MESSAGE)
    assert record.packed
    data, at = bytearray(path.read_bytes()), offset_of(record.place)
    forged = record.payload[:2] + b"\xff" * (len(record.payload) - 2)
    content = (record.seq, record.time_ns, record.subject, record.header, forged, record.expires_ns, record.watermark)
    seed = seed_of(record.place, packed.log.salt)
    data[at : at + record.size] = render_record(seed, MESSAGE, record.stream, *content, packed=True)
    path.write_bytes(data)
    store = FileStore(tmp_path, cache_bytes=0)
    stream = stream_of(store)
    with pytest.raises(StoreError, match="message 1 of stream 1 cannot be read back"):
        stream.load(1)
    store.give_up()
    assert stream.load(1) is None
    assert [message[0] for message in stream.load_many([1, 2, 3])] == [2, 3]
    store.close()


def test_a_check_says_that_messages_are_packed(packed: FileStore, tmp_path: Path) -> None:
    size = stream_of(packed).state.bytes
    packed.close()
    lines, whole = explain(str(tmp_path))
    assert whole
    assert any(line.endswith(f"live messages of {size} bytes, some of them packed") for line in lines), lines
