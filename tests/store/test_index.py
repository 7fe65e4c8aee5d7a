"""The two forms of the index against each other, under any sequence of calls, and where they are at their limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natsd.store.contract import Limits

from ..fuzz.index import run
from .forms import Pair


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_both_forms_do_the_same_under_any_sequence_of_calls(seed: int) -> None:
    run(seed, 40)


def played(pair: Pair, subjects: list[bytes], payload: bytes = b"x") -> None:
    pair.call("append", [(subject, None, None, payload) for subject in subjects], 1)


def test_a_bucket_whose_oldest_key_never_changes(pair: Pair) -> None:
    pair.call("set_limits", Limits(max_msgs_per_subject=1))
    pair.open([b"k.1", b"k.2"], 1)
    pair.open([], 1)
    played(pair, [b"oldest"])
    for _ in range(12):
        played(pair, [b"k.%d" % (n % 7) for n in range(1000)])
    pair.check()
    assert pair.call("load_many", range(12002))[0][0] == 1
    pair.move(0, "take", 10)
    pair.move(1, "take", 10)
    pair.check()


def test_neighbours_of_one_subject_may_be_far_apart(pair: Pair) -> None:
    pair.open([b"a"], 1)
    message = b"a", None, None, b""
    far = 1 << 40
    for seq in (1, far, far + 1, 2 * far, 3 * far):
        pair.call("append_at", seq, message, 5)
    pair.check()
    pair.call("remove", [far + 1])
    pair.call("remove", [2 * far])
    assert pair.call("last_of_each", [b"a"], 2 * far) == [far]
    pair.call("remove", [far])
    pair.call("append_at", 3 * far + 1, message, 5)
    pair.move(0, "take", 1)
    pair.move(0, "take", 5)
    pair.call("purge", filters=[b"a"], keep=1)
    pair.check()
    pair.call("purge")
    pair.call("append_at", 9 * far, message, 5)
    assert pair.call("purge", filters=[b"a"]) == 1
    for seq in (10 * far, 11 * far, (1 << 63) + 10 * far, (1 << 63) + 11 * far):
        pair.call("append_at", seq, message, 5)
    assert pair.call("last_of_each", [b"a"], 1 << 63) == [11 * far]
    pair.call("remove", [11 * far, (1 << 63) + 10 * far])
    pair.check()
    assert pair.call("last_of_each", [b"a"], 1 << 63) == [10 * far]


def test_cursors_that_nobody_closed_hinder_nobody(pair: Pair) -> None:
    for _ in range(30):
        pair.open([b"k.*"], 1)
        pair.open([b"k.1"], 1)
    played(pair, [b"k.1", b"k.2"])
    pair.move(3, "take", 1)
    for cursors in pair.cursors:
        cursors.clear()
    pair.open([b"*.1", b"k.*"], 1)
    pair.open([b"k.1"], 1)
    played(pair, [b"k.1", b"k.3"])
    pair.check()
    pair.call("purge")
    played(pair, [b"k.1"])
    pair.check()


def test_a_lagging_crowd_sees_every_message_go(pair: Pair) -> None:
    pair.call("set_limits", Limits(max_msgs=100))
    for n in range(50):
        pair.open([b"a.*"], n)
    for n in range(60):
        played(pair, [b"a.b", b"a.c", b"b"] * 30)
        if n % 7 == 3:
            pair.move(n % 50, "take", n)
        if n % 20 == 0:
            pair.check()
    pair.check()


def test_a_filter_of_many_subjects_is_one_filter(pair: Pair) -> None:
    many = [b"k.%d" % n for n in range(0, 600, 3)] + [b"w.%d.*" % n for n in range(50)] + [b"w.*.9"]
    pair.open(many, 1)
    played(pair, [b"k.%d" % n for n in range(900)] + [b"w.%d.%d" % (n, n % 20) for n in range(200)])
    pair.open(many[::-1], 1)
    pair.check()
    for _ in range(12):
        pair.move(0, "take", 100)
    pair.call("count", many)
    pair.call("purge", filters=many)
    pair.check()


def test_the_smallest_subject_and_the_largest(pair: Pair) -> None:
    played(pair, [b"", b"s" * 5000, b"t." * 3000 + b"t"], b"")
    pair.open([b"s" * 5000, b"t.>"], 1)
    pair.move(0, "take", 5)
    pair.check()


def test_what_is_no_message_is_refused(pair: Pair) -> None:
    wrong: list[Any] = [(b"a", None, None), (b"a", None, None, 5), (b"a", None, 5, b"x"), (None, None, None, b"")]
    for index in pair.both:
        for message in wrong:
            with pytest.raises((TypeError, ValueError)):
                index.append([(b"a", None, None, b""), message], 1)
        assert index.state.msgs == 4


def test_a_removal_that_is_told_may_remove_more(pair: Pair) -> None:
    for index in pair.both:
        told: list[list[int]] = []

        def more(seqs: list[int], index: Any = index, told: list[list[int]] = told) -> None:
            told.append(seqs)
            if len(told) < 4:
                index.remove([seqs[-1] + 1])

        index.on_removed = more
        index.append([(b"a", None, None, b"")] * 9, 1)
        index.remove([2, 1])
        assert told == [[1, 2], [3], [4], [5]]
