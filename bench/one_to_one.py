"""One publisher, one subscriber: messages per second at every size."""

from __future__ import annotations

import argparse

from bench.load import Shape
from bench.question import Case, main, sizes_of, throughput

SIZES = (16, 128, 1024, 16384, 262144)


def cases(options: argparse.Namespace) -> list[Case]:
    return [
        throughput(f"1:1, {size} B", Shape(size=size, subscriptions=[(b"bench", None)], fan_out=1))
        for size in sizes_of(options, SIZES)
    ]


if __name__ == "__main__":
    main(__doc__, cases)
