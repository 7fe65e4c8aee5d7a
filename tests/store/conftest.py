"""Every kind of store, for the suite that all of them pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from natsd.store.contract import Limits
from natsd.store.file import FileStore
from natsd.store.memory import MemoryStore

from .forms import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from natsd.store.contract import Store, StreamStore

KINDS: dict[str, Callable[[Path], Store]] = {
    "file": lambda directory: FileStore(directory / "store"),
    "memory": lambda directory: MemoryStore(),
}


@pytest.fixture(params=sorted(KINDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of one kind after the other."""
    opened = KINDS[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def stream(store: Store) -> StreamStore:
    """A stream without limits."""
    return store.create("A/S", b"{}", Limits())


@pytest.fixture
def pair() -> Pair:
    """Both forms of the index, empty."""
    return Pair()
