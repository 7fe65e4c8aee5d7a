"""Holding a store directory while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from natsd.store.contract import Limits, StoreError
from natsd.store.file import FileStore
from natsd.store.looking import hold

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_that_a_server_has_is_refused(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(StoreError, match="in use by a server"), hold(str(tmp_path)):
        pass
    store.close()
    with hold(str(tmp_path)), hold(str(tmp_path)):
        with pytest.raises(StoreError, match="in use"):
            FileStore(tmp_path)
    FileStore(tmp_path).close()


def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no store"), hold(str(tmp_path)):
        pass
    with pytest.raises(StoreError, match="is not a directory"), hold(str(tmp_path / "none")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_read_without_a_change(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    stream = store.create("$G/S", b"{}", Limits())
    stream.append([(b"a", None, None, b"1"), (b"b", None, None, b"2")], 5)
    store.wait()
    store.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with hold(str(tmp_path)):
        looked = FileStore(tmp_path, read_only=True)
        found = looked.streams()["$G/S"][1]
        assert [message[1] for message in found.load_many([1, 2])] == [b"a", b"b"]
        looked.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
