"""Says the same to the native and the plain index and demands the same of both: answers, states, what cursors see.

`python -m tests.fuzz.index --seconds 60 [--seed N]` runs it for longer; a failure prints the seed that shows it again.
"""

from __future__ import annotations

import argparse
import random
import time

from natsd.store.contract import Limits, Search

from ..store.forms import Pair

SUBJECTS = [b"a", b"b", b"a.b", b"a.c", b"a.b.c", b"x.y.z", b"a..b", b"*", b"k.1", b"k.2", b"k.3"]
FILTERS = [*SUBJECTS[:6], b">", b"*", b"a.*", b"a.>", b"*.b", b"*.*.*", b"x.*.z", b"k.*", b"none"]


class Player:
    """Says one random thing after the other to both forms."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.pair = Pair(rng.choice([1, 1, 7, 4090, 1 << 63]))
        self.searches: list[tuple[Search, Search]] = []
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
        return self.rng.choices(FILTERS, k=self.rng.choice([0, 1, 1, 1, 2, 3, 12, 40]))

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
        self.pair.call("expire", self.now, self.rng.choice([1, 5, 4096]))
        assert self.pair.both[1].expired == self.pair.both[0].expired

    def open(self) -> None:
        if len(self.pair.cursors[0]) < 40:
            for _ in range(self.rng.choice([1, 1, 20])):
                self.pair.open(self.filters(), self.seq())

    def prepare(self) -> None:
        """Begin a search, bring one on, let one go, or have a cursor begin with what one has made ready or not."""
        rng, way = self.rng, self.rng.random()
        if not self.searches or way < 0.3:
            filters = self.filters()
            one, two = (index.search(filters) for index in self.pair.both)
            self.searches.append((one, two))
            return
        at = rng.randrange(len(self.searches))
        if way < 0.7:
            for search in self.searches[at]:
                search.prepare(rng.choice([1, 2, 5]))
        elif way < 0.8 or len(self.pair.cursors[0]) >= 40:
            del self.searches[at]
        else:
            seq = self.seq()
            for index, cursors, search in zip(self.pair.both, self.pair.cursors, self.searches[at], strict=True):
                cursors.append(index.cursor(search.patterns, seq))

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
        pair.scan(self.seq(), self.seq(), filters, rng.choice([1, 2, 5000]), rng.choice([1, 3, 5000]))
        pair.call("last_of_each", filters, upto)
        pair.call("last_seq_of", rng.choice(SUBJECTS))
        pair.call("seq_at", self.now - rng.randrange(15))
        pair.call("count", filters, rng.choice([0, self.seq()]))
        pair.call("deleted", 100)
        pair.call("crowded", rng.choice([1, 2, 9]), rng.choice([0, 1]), 1 << 20)
        one, two = (sorted(index.subjects(filters)) for index in pair.both)
        assert two == one
        for index in pair.both:
            search, lasts, subjects = index.search(filters), index.search(filters), []
            while not search.done:
                subjects += search.subjects(rng.choice([1, 2, 5]))
            assert sorted(subjects) == one
            found = []
            while not lasts.done:
                found += lasts.lasts(rng.choice([1, 2, 5]), upto)
            assert sorted(found) == index.last_of_each(filters, upto)


STEPS = ["append"] * 4 + ["append_ttl", "append_at", "skip", "limit", "purge", "expire", "open", "close"]
STEPS += ["remove", "remove", "move", "move", "move", "prepare", "prepare", "prepare"]


def run(seed: int, steps: int) -> None:
    """One random life of a stream in both forms; raises AssertionError where they differ."""
    player = Player(random.Random(seed))
    for _ in range(steps):
        player.step()


def main() -> None:
    """Run life after life until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="play this one life only")
    options = parser.parse_args()
    seed = first = time.time_ns() % 1_000_000_000 if options.seed is None else options.seed
    until = time.monotonic() + options.seconds
    while True:
        try:
            run(seed, 60)
        except BaseException:
            print(f"seed {seed}")
            raise
        seed += 1
        if options.seed is not None or time.monotonic() > until:
            break
    print(f"{seed - first} lives, from seed {first}: native and plain agree")


if __name__ == "__main__":
    main()
