"""The two forms of the index against each other, under any sequence of calls, and where they are at their limits."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natsd.store.contract import Limits

from .forms import Pair

SUBJECTS = [b"a", b"b", b"a.b", b"a.c", b"a.b.c", b"x.y.z", b"a..b", b"*", b"k.1", b"k.2", b"k.3"]
FILTERS = [*SUBJECTS[:6], b">", b"*", b"a.*", b"a.>", b"*.b", b"*.*.*", b"x.*.z", b"k.*", b"none"]


class Player:
    """Says one random thing after the other to both forms."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.pair = Pair(rng.choice([1, 1, 7, 4090, 1 << 63]))
        self.now = 100

    def step(self) -> None:
        rng = self.rng
        getattr(self, rng.choice(STEPS))()
        self.pair.check()
        if rng.random() < 0.3:
            self.ask()

    def message(self) -> tuple[bytes, bytes | None, bytes | None, bytes]:
        rng = self.rng
        header = rng.choice([None, None, b"", b"NATS/1.0\r\n\r\n"])
        return rng.choice(SUBJECTS), rng.choice([None, b"r"]), header, b"x" * rng.randrange(30)

    def seq(self) -> int:
        index = self.pair.both[0]
        return max(self.rng.randrange(index.first_seq - 2, index.last_seq + 4), 0)

    def filters(self) -> list[bytes]:
        return self.rng.choices(FILTERS, k=self.rng.choice([0, 1, 1, 1, 2, 3, 12]))

    def append(self) -> None:
        self.now += self.rng.choice([0, 0, 1, 5])
        batch = [self.message() for _ in range(self.rng.choice([1, 3, 10, 80]))]
        self.pair.call("append", batch, self.now, self.rng.randrange(3))

    def append_ttl(self) -> None:
        expires = self.rng.choice([0, self.now + self.rng.randrange(20)])
        self.pair.call("append_ttl", self.message(), self.now, expires)

    def append_at(self) -> None:
        seq = self.pair.both[0].last_seq + self.rng.choice([1, 2, 40, 5000])
        self.pair.call("append_at", seq, self.message(), self.now)

    def skip(self) -> None:
        self.pair.call("skip", self.seq() + self.rng.choice([0, 0, 9000]))

    def limit(self) -> None:
        rng = self.rng
        self.pair.call(
            "set_limits",
            Limits(
                rng.choice([-1, 0, 5, 50]),
                rng.choice([-1, 100, 900, 5000]),
                rng.choice([-1, 1, 3]),
                rng.choice([0, 0, 10]),
                rng.random() < 0.2,
                rng.random() < 0.5,
            ),
        )

    def remove(self) -> None:
        self.pair.call("remove", [self.seq() for _ in range(self.rng.choice([1, 4, 60]))])

    def purge(self) -> None:
        rng = self.rng
        filters = rng.choice([None, self.filters()])
        self.pair.call("purge", filters=filters, upto=rng.choice([0, 0, 1, self.seq()]), keep=rng.choice([0, 0, 1, 5]))

    def expire(self) -> None:
        self.now += self.rng.randrange(8)
        self.pair.call("expire", self.now)
        assert self.pair.both[1].expired == self.pair.both[0].expired

    def open(self) -> None:
        if len(self.pair.cursors[0]) < 40:
            for _ in range(self.rng.choice([1, 1, 20])):
                self.pair.open(self.filters(), self.seq())

    def move(self) -> None:
        rng = self.rng
        for number in rng.sample(range(len(self.pair.cursors[0])), k=len(self.pair.cursors[0]) // 2):
            way = rng.random()
            if way < 0.7:
                most, size = rng.choice([1, 2, 5, 1000]), rng.choice([0, 0, 40])
                self.pair.move(number, "take", most, size, rng.choice([0, 0, self.seq()]))
            elif way < 0.8:
                self.pair.move(number, "peek", rng.choice([0, self.seq()]))
            elif way < 0.9:
                self.pair.move(number, "seek", self.seq())
            else:
                self.pair.move(number, "refilter", self.filters())

    def close(self) -> None:
        if self.pair.cursors[0]:
            self.pair.move(self.rng.randrange(len(self.pair.cursors[0])), "close")

    def ask(self) -> None:
        rng, pair = self.rng, self.pair
        first, last = pair.both[0].first_seq, pair.both[0].last_seq
        filters, upto = self.filters(), rng.choice([0, self.seq()])
        pair.call("load_many", range(max(first - 1, 0), min(last + 2, first + 3000)))
        pair.call("load", self.seq())
        pair.call("next_match", self.seq(), filters, upto)
        pair.call("last_match", filters, upto)
        pair.call("last_of_each", filters, upto)
        pair.call("last_seq_of", rng.choice(SUBJECTS))
        pair.call("seq_at", self.now - rng.randrange(15))
        pair.call("count", filters, rng.choice([0, self.seq()]))
        pair.call("deleted", 100)
        one, two = (sorted(index.subjects(filters)) for index in pair.both)
        assert two == one


STEPS = ["append"] * 4 + ["append_ttl", "append_at", "skip", "limit", "purge", "expire", "open", "close"]
STEPS += ["remove", "remove", "move", "move", "move"]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_both_forms_do_the_same_under_any_sequence_of_calls(seed: int) -> None:
    player = Player(random.Random(seed))
    for _ in range(40):
        player.step()


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
