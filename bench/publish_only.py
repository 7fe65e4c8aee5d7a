"""Publish only: how fast does a server take messages that nobody wants, on one subject and on very many?"""

from __future__ import annotations

import argparse

from bench.load import Shape
from bench.question import Case, main, sizes_of, throughput


def cases(options: argparse.Namespace) -> list[Case]:
    return [
        throughput(
            f"publish only, {count:,} subject{'s' if count > 1 else ''}, {size} B",
            Shape(size=size, subjects=[b"bench"] if count == 1 else [b"bench.%d" % i for i in range(count)]),
        )
        for count in (1, 500, 100_000)
        for size in sizes_of(options, [16])
    ]


if __name__ == "__main__":
    main(__doc__, cases)
