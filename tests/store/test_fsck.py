"""The check of a store directory says what is in it and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from natsd.store.contract import Limits
from natsd.store.file import FileStore
from natsd.store.fsck import main


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "store"
    store = FileStore(directory, segment_bytes=4096)
    stream = store.create("A/orders", b"{}", Limits())
    store.configure_consumer("A/orders", "audit", b"{}")
    for n in range(100):
        stream.append([(b"orders.eu", None, None, b"x" * 60)], n + 1)
        store.wait()
    stream.remove([5])
    store.close()
    return directory


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_whole_store_is_explained(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(directory)
    assert main([str(directory)]) == 0
    said = capsys.readouterr().out
    assert "stream A/orders: 99 messages" in said
    assert "sequences 1 to 100, 1 deleted between, 1 subjects" in said
    assert "  consumer audit: 0 records of state" in said
    assert "1 removed" in said
    assert said.endswith("everything is whole\n")
    assert content(directory) == before


def test_damage_is_named_by_stream_and_sequence(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = directory / "00000002.seg"
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    before = content(directory)
    assert main([str(directory)]) == 1
    said = capsys.readouterr().out
    assert "segment 2: bytes " in said
    assert "stream 'A/orders' lost messages " in said
    assert content(directory) == before


def test_the_store_is_found_in_the_folder_that_a_server_was_given(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory.rename(directory.parent / "jetstream")
    assert main([str(directory.parent)]) == 0
    assert "stream A/orders: 99 messages" in capsys.readouterr().out


def test_what_is_no_store_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path / "nothing")]) == 2
    assert main([]) == 2
    said = capsys.readouterr().err
    assert "holds no store" in said
    assert "is not a directory" in said
    assert "usage" in said


def test_a_store_in_use_can_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = FileStore(tmp_path / "store")
    store.create("A/s", b"{}", Limits()).append([(b"a", None, None, b"x")], 1)
    store.wait()
    assert main([str(tmp_path / "store")]) == 0
    assert "stream A/s: 1 messages" in capsys.readouterr().out
    store.close()
