"""Many distinct subjects through one wildcard subscription: what does a subject cost that was not seen just now?"""

from __future__ import annotations

import argparse

from bench.load import Shape
from bench.question import Case, main, sizes_of, throughput


def cases(options: argparse.Namespace) -> list[Case]:
    return [
        throughput(
            f"{count:,} subject{'s' if count > 1 else ''} through one wildcard, {size} B",
            Shape(
                size=size,
                subjects=[b"bench.%d" % i for i in range(count)],
                subscriptions=[(b"bench.*", None)],
                fan_out=1,
            ),
        )
        for count in (1, 100_000)
        for size in sizes_of(options, [16])
    ]


if __name__ == "__main__":
    main(__doc__, cases)
