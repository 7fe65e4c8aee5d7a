"""How much processor time (user and system, all threads) does a server spend on one message, 16 B, 1:1?"""

from __future__ import annotations

import argparse

from bench.load import Sample, Settings, Shape, run_shape
from bench.question import Case, Row, main, sizes_of
from bench.servers import Kind, Server


def cases(options: argparse.Namespace) -> list[Case]:
    def case(size: int) -> Case:
        shape = Shape(size=size, subscriptions=[(b"bench", None)], fan_out=1)

        def measure(kind: Kind, settings: Settings) -> list[Sample]:
            with Server(kind, settings.server_cpu) as server:
                sample = run_shape(server, shape, settings)
            return [Sample(sample.details["server_ns_per_message"], messages_per_s=sample.value)]

        return Case([Row(f"server CPU per message, 1:1, {size} B", "ns")], measure)

    return [case(size) for size in sizes_of(options, [16])]


if __name__ == "__main__":
    main(__doc__, cases)
