"""The store on disk against the one in memory, under any sequence of calls, with crashes and openings in between."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, rule

from natsd.store.contract import Limits
from natsd.store.file import FileStore
from natsd.store.memory import MemoryStore

from .forgetful import Watch, crash
from .operations import HEADERS, KEYS, SUBJECTS, limits_of, perform, seen
from .test_crash import ROUNDS, SEGMENT_BYTES, moments

MEMORY = Path("/dev/shm")
"""Syncs take no time there, and what is synced is noted all the same."""
WHATS = ["append", "append ttl", "append at", "remove", "purge", "purge subject", "skip", "limits", "expire", "delta"]
WHATS += ["state", "forget", "configure", "consumer", "delete consumer", "delete"]
NUMBERS = some.lists(some.integers(0, 99).map(lambda n: n / 100), min_size=6, max_size=6)
PAYLOADS = some.sampled_from([b"", b"x" * 9, b"y" * 200])
MESSAGES = some.tuples(some.sampled_from(SUBJECTS), some.none(), some.sampled_from(HEADERS), PAYLOADS)
BATCHES = some.lists(MESSAGES, min_size=1, max_size=7)
NAMES = some.sampled_from(("c", "d"))
ACTS = some.tuples(
    some.sampled_from(WHATS),
    some.sampled_from(KEYS),
    some.integers(0, 20),
    NUMBERS,
    BATCHES,
    NAMES,
    some.binary(max_size=12),
)
"""As `operation` makes them, with the time that has passed in place of the time."""


class Lives(RuleBasedStateMachine):
    """A store that is used, closed, opened and crashed; beside it a model, and every state it has been in."""

    def __init__(self) -> None:
        super().__init__()
        self._root = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self._patch = pytest.MonkeyPatch()
        self._lives = 0
        self._now = 0
        self._done: list[tuple[Any, ...]] = []  # the pieces the model was made of
        self._model = MemoryStore()
        self._limits: dict[str, Limits] = {}
        self._states = [self._state()]
        self._directory = self._root / "0"
        self._open()

    def teardown(self) -> None:
        self._store.close()
        self._patch.undo()
        shutil.rmtree(self._root)

    def _open(self) -> None:
        self._lives += 1
        self._patch.undo()
        self._chance = Random(self._lives)
        self._watch = Watch(self._patch, self._chance, self._root / f"trace-{self._lives}")
        self._store = FileStore(self._directory, segment_bytes=SEGMENT_BYTES)
        assert not self._store.damage
        self._before = {path.name: path.read_bytes() for path in self._directory.iterdir()}
        self._handed_in = [(0, len(self._states) - 1)]  # a position, the number of the state it stands for
        self._acknowledged = [(0, len(self._states) - 1)]  # how much is noted, the number of the state that is safe

    def _state(self) -> tuple[Any, ...]:
        return seen(self._model), {key: self._limits[key] for key in self._model.streams()}

    def _found(self) -> tuple[Any, ...]:
        streams: dict[str, tuple[bytes, Any]] = self._store.streams()
        return seen(self._store), {key: stream.limits for key, (_, stream) in streams.items()}

    def _model_does(self, piece: tuple[Any, ...]) -> bool:
        what, key, _, numbers, *_ = piece
        if key not in self._model.streams() or what == "limits":
            self._limits[key] = limits_of(numbers)
        return perform(self._model, piece)

    @rule(acts=some.lists(ACTS, min_size=1, max_size=20))
    def act(self, acts: list[tuple[Any, ...]]) -> None:
        for what, key, later, numbers, *rest in acts:
            self._now += later
            # Bytes are counted otherwise in memory.
            given = (what, key, self._now, [numbers[0], 1.0, *numbers[2:]], *rest)
            for piece in moments(self._model, given):
                taken = self._model_does(piece)
                self._done.append(piece)
                self._states.append(self._state())
                if not taken:
                    break
            perform(self._store, given)
            self._handed_in.append((self._store.position, len(self._states) - 1))
            self._settle()
        assert self._found() == self._states[-1]

    @rule()
    def wait(self) -> None:
        self._store.wait()
        self._settle()

    def _settle(self) -> None:
        self._store.settle()
        safe = max(number for position, number in self._handed_in if position <= self._store.durable)
        self._acknowledged.append((self._watch.count(), safe))

    @rule()
    def open_again(self) -> None:
        self._store.close()
        self._open()
        assert self._found() == self._states[-1]

    @rule(seed=some.integers(0, 1 << 32), back=some.integers(0, 30))
    def crash(self, seed: int, back: int) -> None:
        """Stop `back` steps ago; what is left then is gone on with."""
        self._store.wait()
        self._settle()
        steps = self._watch.steps()
        steps = steps[: max(len(steps) - back, 0)]
        noted = steps[-1][0] if steps else 0
        least = max(number for at, number in self._acknowledged if at <= noted)
        self._store.close()
        self._directory = self._root / f"{self._lives}"
        crash([step for _, step in steps], self._directory, Random(seed), self._before)
        self._open()
        found = self._found()
        assert not self._store.failure
        assert found in self._states[least:]
        # From here on it is as if no more had been done.
        number = least + self._states[least:].index(found)
        del self._done[number:]
        self._model, self._limits, self._states = MemoryStore(), {}, []
        self._states.append(self._state())
        for piece in self._done:
            self._model_does(piece)
            self._states.append(self._state())
        self._handed_in, self._acknowledged = [(0, number)], [(0, number)]


TestLives = pytest.mark.timeout(600)(Lives.TestCase)  # where it fails, the shortest life that does is looked for
TestLives.settings = settings(max_examples=4 * ROUNDS, stateful_step_count=20)
