"""Secrets of a command line."""

from __future__ import annotations

import pytest

from natsd.base.masks import mask_args


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ("-p 4222 --pass CANARY -D", "-p 4222 --pass [REDACTED] -D"),
        ("--pass=CANARY -user=CANARY -auth CANARY", "--pass=[REDACTED] -user=[REDACTED] -auth [REDACTED]"),
        ("--routes nats://CANARY:CANARY@h:1,nats://h:2", "--routes nats://[REDACTED]@h:1,nats://h:2"),
        ("-cluster=nats://u:CANARY@h:-1/x@y", "-cluster=nats://[REDACTED]@h:-1/x@y"),
        ("--cluster_listen CANARY@h:1", "--cluster_listen [REDACTED]@h:1"),
        ("-cluster nats://h:1 pass x", "-cluster nats://h:1 pass x"),
        ("-m 8222 --pass", "-m 8222 --pass"),
    ],
)
def test_they_are_not_shown(args: str, shown: str) -> None:
    assert mask_args(args.split(" ")) == shown.split(" ")
