"""Four publishers, four subscribers, one subject: deliveries per second when several connections are busy at once."""

from __future__ import annotations

import argparse

from bench.load import Shape
from bench.question import Case, main, sizes_of, throughput


def cases(options: argparse.Namespace) -> list[Case]:
    return [
        throughput(f"4:4, {size} B", Shape(size=size, publishers=4, subscriptions=[(b"bench", None)] * 4, fan_out=4))
        for size in sizes_of(options, [16, 128])
    ]


if __name__ == "__main__":
    main(__doc__, cases)
