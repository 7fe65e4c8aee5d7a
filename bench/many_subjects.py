"""A thousand subscribers, each on a subject of its own: what do many receivers cost that each get little?"""

from __future__ import annotations

import argparse

from bench.load import Shape
from bench.question import Case, main, sizes_of, throughput

COUNT = 1000


def cases(options: argparse.Namespace) -> list[Case]:
    subjects = [b"bench.%d" % i for i in range(COUNT)]
    subscriptions = [(subject, None) for subject in subjects]
    return [
        throughput(
            f"{COUNT:,} subscribers on {COUNT:,} subjects, {size} B",
            Shape(size=size, subjects=subjects, subscriptions=subscriptions, fan_out=1),
        )
        for size in sizes_of(options, [16])
    ]


if __name__ == "__main__":
    main(__doc__, cases)
