"""The store on disk after a crash: of what it did, a beginning is left, and in that all that was acknowledged."""

from __future__ import annotations

import os
import shutil
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from natsd.store.file import FileStore
from natsd.store.memory import MemoryStore

from .forgetful import Watch, crash
from .operations import operation, perform, seen

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = int(os.environ.get("NATSD_CRASH_ROUNDS", "3"))
SEGMENT_BYTES = 4096


def moments(model: MemoryStore, given: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """An operation as the pieces a crash may divide it into: a batch is not one."""
    if given[0] != "append" or given[1] not in model.streams():
        return [given]
    what, key, now, numbers, batch, name, record = given
    return [(what, key, now, numbers, [message], name, record) for message in batch]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_crash_anywhere_leaves_a_beginning_with_all_that_was_acknowledged(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Random(seed)
    with monkeypatch.context() as watched:
        watch = Watch(watched, chance, tmp_path / "trace")
        store = FileStore(tmp_path / "store", segment_bytes=SEGMENT_BYTES)
        at_opening = {"LOCK": (tmp_path / "store" / "LOCK").read_bytes()}
    model = MemoryStore()
    states = [seen(model)]
    handed_in: list[tuple[int, int]] = []  # position, how many states there are then
    acknowledged = [(0, 0)]  # how many steps, how many states
    for now in range(1, 150):
        given = operation(chance, now)
        given[3][1] = 1.0  # bytes are counted otherwise in memory
        for piece in moments(model, given):
            taken = perform(model, piece)
            states.append(seen(model))
            if not taken:
                break
        perform(store, given)
        handed_in.append((store.position, len(states) - 1))
        if chance.random() < 0.3:
            store.wait()
        if chance.random() < 0.7:
            store.settle()
        safe = max((count for position, count in handed_in if position <= store.durable), default=0)
        acknowledged.append((watch.count(), safe))
    assert not store.failure
    assert seen(store) == states[-1]
    steps = watch.steps()
    for point in sorted(chance.sample(range(len(steps) + 1), min(20, len(steps)))):
        noted = steps[point - 1][0] if point else 0
        least = max(count for at, count in acknowledged if at <= noted)
        directory = tmp_path / "crashed"
        crash([step for _, step in steps[:point]], directory, chance, at_opening)
        again = FileStore(directory, segment_bytes=SEGMENT_BYTES)
        found = seen(again)
        assert found in states[least:], f"seed {seed}, after {point} of {len(steps)} steps"
        assert not again.damage
        again.close()
        last = FileStore(directory, segment_bytes=SEGMENT_BYTES)
        assert seen(last) == found
        last.close()
        shutil.rmtree(directory)
    store.close()
