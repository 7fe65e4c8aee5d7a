"""What accounts and per-user permissions cost: 1:1 with allow and deny lists against the same without any of it.

The subscription is wider than a deny, so that every delivery is looked at as well as every publish. Both servers of a
round run one after the other; the ratios are theirs. That of processor time holds on a busy machine too.
"""

from __future__ import annotations

import argparse

from bench.load import Sample, Settings, Shape, run_shape
from bench.question import Case, Row, main, sizes_of
from bench.servers import Kind, Server

SIZES = (16, 128)
SUBJECT, SUBSCRIPTION = b"bench.orders.eu", b"bench.>"
RULES = """
accounts {
  A {
    users: [
      {user: one, password: one, permissions: {
        publish: {allow: ["bench.>", "other.*.x", "_INBOX.>"], deny: ["bench.secret.>", "*.hidden.*"]}
        subscribe: {allow: ["bench.>", "other.*.x", "_INBOX.>"], deny: ["bench.secret.>", "*.hidden.*"]}
      }}
      {user: two, password: two, permissions: {publish: {deny: ">"}}}
    ]
  }
  B { users: [{user: three, password: three}] }
}
"""


def cases(options: argparse.Namespace) -> list[Case]:
    return [_case(size) for size in sizes_of(options, SIZES)]


def _case(size: int) -> Case:
    shape = Shape(size=size, subjects=[SUBJECT], subscriptions=[(SUBSCRIPTION, None)], fan_out=1)

    def measure(kind: Kind, settings: Settings) -> list[Sample | None]:
        with Server(kind, settings.server_cpu) as server:
            free = run_shape(server, shape, settings)
        with Server(kind, settings.server_cpu, config=RULES, user="one") as server:
            ruled = run_shape(server, shape, settings)
        each = [sample.details["server_ns_per_message"] for sample in (ruled, free)]
        return [free, ruled, Sample(ruled.value / free.value), Sample(each[0] / each[1]) if each[1] else None]

    title = f"1:1, {size} B"
    return Case(
        [
            Row(f"{title}, one wildcard, no users", "/s", more_is_better=True),
            Row(f"{title}, one wildcard, accounts and permissions", "/s", more_is_better=True),
            Row(f"{title}, messages with permissions over without", "x", more_is_better=True),
            Row(f"{title}, the server's processor time per message with permissions over without", "x"),
        ],
        measure,
    )


if __name__ == "__main__":
    main(__doc__, cases)
