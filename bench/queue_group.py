"""A queue group of four: messages per second, and whether each member gets its share."""

from __future__ import annotations

import argparse

from bench.load import Shape
from bench.question import Case, main, sizes_of, throughput


def cases(options: argparse.Namespace) -> list[Case]:
    members = [(b"bench", b"workers")] * 4
    return [
        throughput(
            f"{publishers} to a queue group of 4, {size} B",
            Shape(size=size, publishers=publishers, subscriptions=members, fan_out=1),
        )
        for publishers in (1, 4)
        for size in sizes_of(options, [16, 128])
    ]


if __name__ == "__main__":
    main(__doc__, cases)
