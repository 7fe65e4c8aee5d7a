"""A batch that is there as a whole or not at all, wherever the log ends."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from natsd.store.contract import Limits
from natsd.store.file import FileStore
from natsd.store.fsck import explain
from natsd.store.records import HEAD_BYTES

from .operations import seen

if TYPE_CHECKING:
    from pathlib import Path

    from natsd.store.contract import StreamStore

KEY = "A/S"


def put(stream: StreamStore, *payloads: bytes) -> None:
    for payload in payloads:
        assert stream.append([(b"a", None, None, payload)], 1) == 1


def put_whole(stream: StreamStore, *payloads: bytes) -> None:
    stream.begin()
    put(stream, *payloads)
    stream.end()


def payloads(directory: Path) -> list[bytes]:
    store = FileStore(directory, segment_bytes=SEGMENT_BYTES)
    assert not store.damage
    found = [message[3] for message in store.streams()[KEY][1].load_many(range(1, 100))]
    put(store.streams()[KEY][1], b"later")
    store.wait()
    store.close()
    return found


SEGMENT_BYTES = 4096


def copy_up_to(directory: Path, to: Path, size: int) -> Path:
    """A crash: the first `size` bytes of the records of all segments were written."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    for path in sorted(directory.glob("*.seg")):
        data = path.read_bytes()[:size]
        if data:
            (to / path.name).write_bytes(data)
        size -= len(data)
    return to


@pytest.mark.parametrize("size", [10, 900], ids=["in one segment", "over several"])
def test_a_log_that_ends_in_a_batch_has_nothing_of_it(size: int, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store", segment_bytes=SEGMENT_BYTES)
    stream = store.create(KEY, b"{}", Limits(max_msgs=6))
    before = [b"one", b"two"]
    put(stream, *before)
    store.wait()
    batch = [bytes([65 + number]) * size for number in range(6)]
    put_whole(stream, *batch)
    store.wait()
    segments = sorted((tmp_path / "store").glob("*.seg"))
    assert len(segments) == (1 if size == 10 else 2)
    sizes = [path.stat().st_size for path in segments]
    ends = sum(sizes[:-1]) + len(segments[-1].read_bytes().rstrip(b"\0"))
    begins = HEAD_BYTES + segments[0].read_bytes()[HEAD_BYTES:].index(b"two") + 3
    step = 7 if size == 10 else 211
    for cut in [*range(begins, ends, step), ends - 1, ends]:
        crashed = copy_up_to(tmp_path / "store", tmp_path / "crashed", cut)
        found = payloads(crashed)
        assert found in (before, batch), cut
        assert payloads(crashed) == [*found, b"later"][-6:], cut
    store.close()
    assert payloads(tmp_path / "store") == batch


def test_what_was_cut_does_not_come_back(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store", segment_bytes=SEGMENT_BYTES)
    stream = store.create(KEY, b"{}", Limits())
    put(stream, b"one")
    stream.begin()
    put(stream, b"two")
    store.wait()
    store.log.close()  # and no end of the batch, though all of it so far is on disk
    again = copy_up_to(tmp_path / "store", tmp_path / "again", 1 << 20)
    assert payloads(again) == [b"one"]
    assert payloads(again) == [b"one", b"later"]


def test_a_damaged_message_costs_its_batch_nothing_else(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store", segment_bytes=1 << 20)
    stream = store.create(KEY, b"{}", Limits())
    put_whole(stream, b"first", b"second", b"third")
    store.wait()
    put(stream, b"fourth")
    store.wait()
    put(stream, b"fifth")
    store.wait()
    copy = copy_up_to(tmp_path / "store", tmp_path / "copy", 1 << 20)
    segment = copy / "00000001.seg"
    data = segment.read_bytes()
    for word in (b"second", b"third"):
        segment.write_bytes(data.replace(word, word.upper()))
        again = FileStore(copy, read_only=True)
        found = [message[3] for message in again.streams()[KEY][1].load_many(range(1, 9))]
        assert found == [one for one in (b"first", b"second", b"third", b"fourth", b"fifth") if one != word]
        assert again.damage
        again.close()
    store.close()


def test_the_checker_counts_where_batches_begin_and_end(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    stream = store.create(KEY, b"{}", Limits())
    put_whole(stream, b"one", b"two")
    kept = seen(store)
    store.close()
    lines, whole = explain(str(tmp_path / "store"))
    assert whole
    assert "1 begun, " in lines[2] and "1 ended, " in lines[2]
    again = FileStore(tmp_path / "store")
    assert seen(again) == kept
    again.close()
