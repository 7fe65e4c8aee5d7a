"""The last messages of subjects that a consumer begins with."""

from __future__ import annotations

import pytest

from natsd.jetstream.consumers.skips import Skips
from natsd.store.contract import Limits, StreamStore
from natsd.store.memory import MemoryStore

COUNT = 10


@pytest.fixture
def store() -> StreamStore:
    stream = MemoryStore().create("S", b"", Limits(), 1)
    for number in range(COUNT):
        stream.append([(b"s.%d" % number, None, None, b"")], number + 1)
    return stream


def taken(skips: Skips, store: StreamStore, most: int) -> list[int]:
    return [message[0] for message in skips.take(store, most)]


def test_they_come_in_order_until_none_is_left(store: StreamStore) -> None:
    skips = Skips()
    skips.set([2, 4, 5, 9])
    assert taken(skips, store, 3) == [2, 4, 5]
    assert skips.pending == 1
    assert taken(skips, store, 3) == [9]
    assert skips
    assert taken(skips, store, 3) == []
    assert not skips


def test_what_goes_counts_no_more_and_does_not_come(store: StreamStore) -> None:
    skips = Skips()
    skips.set([2, 4, 5, 9])
    for seqs in ([1, 3, 4], [9, 10]):
        store.remove(seqs)
        skips.on_removed(seqs)
    assert skips.pending == 2
    assert taken(skips, store, 1) == [2]
    assert taken(skips, store, 5) == [5]
    assert skips.pending == 0
    skips.on_removed([2])  # it was taken already
    assert skips.pending == 0


def test_what_was_taken_can_be_given_back(store: StreamStore) -> None:
    skips = Skips()
    skips.set([2, 4, 5, 9])
    store.remove([5])
    skips.on_removed([5])
    assert taken(skips, store, 4) == [2, 4, 9]
    skips.untake(store, 4)
    assert skips.pending == 2
    assert taken(skips, store, 4) == [4, 9]


def test_a_purge_cuts_the_front_off(store: StreamStore) -> None:
    skips = Skips()
    skips.set([2, 4, 5, 9])
    store.remove([4, 9])
    skips.on_removed([4, 9])
    store.purge(upto=5)
    skips.on_purged(5)
    assert skips.pending == 1
    assert taken(skips, store, 4) == [5]
