"""One publisher, many subscribers of the same subject: deliveries per second."""

from __future__ import annotations

import argparse

from bench.load import Shape
from bench.question import Case, main, sizes_of, throughput


def cases(options: argparse.Namespace) -> list[Case]:
    return [
        throughput(
            f"1:{receivers}, {size} B",
            Shape(size=size, subscriptions=[(b"bench", None)] * receivers, fan_out=receivers),
        )
        for receivers in (4, 100)
        for size in sizes_of(options, [16, 128])
    ]


if __name__ == "__main__":
    main(__doc__, cases)
