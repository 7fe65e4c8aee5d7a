"""What waits for the disk leaves in its order, and not before."""

from __future__ import annotations

from typing import Any

from natsd.jetstream.commits import Commits
from tests.session.memory import Lines


class FakeStore:
    """A disk whose progress is made by hand."""

    def __init__(self) -> None:
        self.position = 0
        self.durable = 0
        self.on_durable: Any = None


class FakeStream:
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def tell_consumers(self) -> None:
        self._told.append("consumers")


def make() -> tuple[FakeStore, Any, list[str]]:
    store = FakeStore()
    commits: Any = Commits(store, Lines())
    return store, commits, []


def test_what_is_safe_already_is_called_at_once() -> None:
    _, commits, told = make()
    commits.after(lambda: told.append("a"))
    assert told == ["a"]


def test_calls_wait_for_their_place_and_keep_their_order() -> None:
    store, commits, told = make()
    for position, name in ((1, "a"), (1, "b"), (3, "c")):
        store.position = position
        commits.after(lambda name=name: told.append(name))
    assert told == []
    assert len(commits) == 3
    store.durable = 2
    store.on_durable()
    assert told == ["a", "b"]
    store.durable = 3
    store.on_durable()
    assert told == ["a", "b", "c"]


def test_consumers_are_told_once_behind_the_acknowledgements() -> None:
    store, commits, told = make()
    stream = FakeStream(told)
    store.position = 1
    for name in ("a", "b"):
        commits.after(lambda name=name: (told.append(name), commits.show(stream)))
    store.durable = 1
    store.on_durable()
    assert told == ["a", "b", "consumers"]


def test_a_call_may_make_another() -> None:
    _, commits, told = make()
    commits.after(lambda: (told.append("a"), commits.after(lambda: told.append("b"))))
    assert told == ["a", "b"]


def test_what_fails_does_not_hold_up_what_waits_behind_it() -> None:
    store, log, told = FakeStore(), Lines(), []
    commits: Any = Commits(store, log)  # type: ignore[arg-type]
    store.position = 1
    commits.after(lambda: told[5])
    commits.after(lambda: told.append("second"))
    store.durable = 1
    commits.run()
    assert told == ["second"]
    assert log.lines[0].startswith("ERR Unexpected error in JetStream after a write: IndexError: list index")


def test_whoever_waits_for_a_disk_that_fails_hears_of_it() -> None:
    store, commits, told = make()
    store.position = 1
    commits.after(lambda: told.append("a"), lambda why: told.append(f"a: {why}"))
    commits.after(lambda: told.append("b"))
    store.position = 2
    commits.after(lambda: told.append("c"), lambda why: told.append(f"c: {why}"))
    store.durable = 1
    store.on_durable()
    commits.fail("full")
    assert told == ["a", "b", "c: full"]
    assert len(commits) == 0


def test_nothing_is_waited_for_once_the_disk_has_failed() -> None:
    store, commits, told = make()
    commits.fail("full")
    store.position = 1
    commits.after(lambda: told.append("a"), lambda why: told.append(f"a: {why}"))
    commits.after(lambda: told.append("b"))
    store.position = 0
    commits.after(lambda: told.append("safe before"))
    assert told == ["a: full", "safe before"]


def test_one_that_cannot_be_told_does_not_keep_it_from_the_others() -> None:
    store, commits, told = make()
    store.position = 1
    commits.after(lambda: None, lambda why: told.append(1 // 0))
    commits.after(lambda: None, told.append)
    commits.fail("full")
    assert told == ["full"]
