"""Message ids within a window."""

from __future__ import annotations

import pytest

from natsd.jetstream.streams import dedupe
from natsd.jetstream.streams.dedupe import Dedupe


def test_an_id_is_known_within_the_window() -> None:
    ids = Dedupe(100)
    ids.note(b"a", 1, 0)
    assert [ids.find(b"a", now) for now in (0, 100, 101)] == [1, 1, 0]
    assert len(ids) == 0


def test_an_id_that_comes_again_lives_anew() -> None:
    ids = Dedupe(100)
    ids.note(b"a", 1, 0)
    ids.note(b"a", 2, 90)
    assert ids.find(b"a", 150) == 2


def test_without_a_window_nothing_is_remembered() -> None:
    ids = Dedupe(0)
    ids.note(b"a", 1, 0)
    assert ids.find(b"a", 0) == 0


def test_the_oldest_go_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "MOST", 3)
    ids = Dedupe(10**18)
    for seq in range(5):
        ids.note(b"%d" % seq, seq + 1, seq)
    assert [ids.find(b"%d" % seq, 10) for seq in range(5)] == [0, 0, 3, 4, 5]
    ids.clear()
    assert ids.find(b"4", 10) == 0


def test_the_oldest_go_where_they_are_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "MOST_BYTES", 100)
    ids = Dedupe(10**18)
    for seq in range(5):
        ids.note(b"%d" % seq * 40, seq + 1, seq)
    assert [ids.find(b"%d" % seq * 40, 10) for seq in range(5)] == [0, 0, 0, 4, 5]
    ids.forget(2 * 10**18)
    ids.note(b"x" * 90, 6, 2 * 10**18)
    assert len(ids) == 1


def test_many_are_noted_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "MOST", 3)
    ids = Dedupe(100)
    ids.note_many([(0, b"a", 1), (0, b"b", 2), (10, b"a", 3), (20, b"c", 4)])
    assert [ids.find(name, 100) for name in (b"a", b"b", b"c", b"d")] == [3, 2, 4, 0]
    assert [ids.find(name, 110) for name in (b"a", b"b", b"c")] == [3, 0, 4]


def test_what_is_too_old_is_forgotten_little_by_little_and_known_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "DROPPED_AT_ONCE", 2)
    ids = Dedupe(100)
    for seq in range(1, 6):
        ids.note(b"%d" % seq, seq, 0)
    assert ids.find(b"5", 101) == 0
    assert len(ids) == 3
    ids.note(b"5", 9, 101)
    assert ids.find(b"5", 101) == 9
    assert (ids.shrink(1), ids.find(b"5", 101)) == (True, 9)
    assert (ids.shrink(9), len(ids)) == (False, 0)
