"""Both forms of the kernel, and one connection in memory, for the kernel's own tests."""

from __future__ import annotations

import os
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

HOMES = {
    "Road": "road",
    "Outbound": "road",
    "Subscription": "interest",
    "Sublist": "sublist",
    "Inbound": "inbound",
    "Verdicts": "verdicts",
    "Carrier": "shadow",
    "Renames": "shadow",
    "Shadow": "shadow",
}


def load(form: str) -> SimpleNamespace:
    """The classes of one form."""
    return SimpleNamespace(
        form=form,
        **{name: getattr(import_module(f"natsd.kernel._{form}_{home}"), name) for name, home in HOMES.items()},
    )


@pytest.fixture(params=["native", "plain"])
def kernel(request: pytest.FixtureRequest) -> SimpleNamespace:
    """One form of the kernel after the other."""
    if request.param == "native" and os.environ.get("NATSD_PLAIN") == "1":
        pytest.skip("NATSD_PLAIN=1 asks for the plain kernel alone")
    try:
        return load(request.param)
    except ImportError:
        pytest.skip("the native kernel is not built here")


class Peer:
    """The owner of one connection in memory: keeps what it is told and what would be sent."""

    def __init__(self, kernel: SimpleNamespace, road: Any, sublist: Any, fd: int = -1) -> None:
        self.ops: list[tuple[Any, ...]] = []
        self.output = b""
        self.told: list[Any] = []
        self.outbound = kernel.Outbound(road, self, fd)
        self.inbound = kernel.Inbound(road, self.outbound, sublist, self)
        self.inbound.verbose = False
        self.inbound.pedantic = False
        self.inbound.first_ping = False

    def says(self, data: bytes) -> None:
        self.inbound.take_in(data)

    def gets(self) -> bytes:
        output, self.output = self.output, b""
        return output

    def on_ops(self, ops: list[tuple[Any, ...]]) -> None:
        self.ops.extend(ops)

    def on_output(self) -> None:
        self.output += self.outbound.take()

    def on_unsubscribed(self, sub: Any) -> None:
        self.told.append(("unsubscribed", sub.sid))

    def on_slow(self) -> None:
        self.told.append("slow")

    def on_stalled(self, receivers: list[Any]) -> None:
        self.told.append(("stalled", receivers))

    def on_blocked(self) -> None:
        self.told.append("blocked")

    def on_eof(self) -> None:
        self.told.append("eof")

    def on_broken(self, errno: int) -> None:
        self.told.append(("broken", errno))


class Bench:
    """A road, one account's subscriptions, and peers on demand."""

    def __init__(self, kernel: SimpleNamespace) -> None:
        self.kernel = kernel
        self.road = kernel.Road(7)
        self.sublist = kernel.Sublist(self.road)

    def peer(self, fd: int = -1) -> Peer:
        return Peer(self.kernel, self.road, self.sublist, fd)

    def subscribe(self, peer: Peer, subject: bytes, sid: bytes = b"1", queue: bytes | None = None) -> Any:
        sub = self.kernel.Subscription(subject, sid, queue, peer.outbound)
        self.sublist.insert(sub)
        return sub


@pytest.fixture
def bench(kernel: SimpleNamespace) -> Bench:
    """A fresh road with an empty sublist."""
    return Bench(kernel)
