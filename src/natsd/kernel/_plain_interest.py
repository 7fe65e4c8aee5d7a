"""Plain form of where subscriptions stand: one interest, the leaf of one subject, one token's place in the trie."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.kernel._plain_road import Outbound
    from natsd.kernel._plain_shadow import Carrier, Shadow
    from natsd.kernel._plain_verdicts import Verdicts

    Message = tuple[bytes, bytes | None, bytes | None, bytes]
    Handler = Callable[[list[Message]], None] | Carrier | Shadow


class Subscription:
    """One interest in a subject: of a connection (`outbound`), or of the server itself (`handler`).

    A handler is called with the messages of a read; or it is a Carrier or a Shadow, see there.
    """

    __slots__ = (
        "batch",
        "closed",
        "delivered",
        "filter",
        "handler",
        "lead",
        "max",
        "outbound",
        "queue",
        "sid",
        "slot",
        "subject",
    )

    def __init__(
        self,
        subject: bytes,
        sid: bytes,
        queue: bytes | None = None,
        outbound: Outbound | None = None,
        handler: Handler | None = None,
    ) -> None:
        if outbound is None and handler is None:
            raise ValueError(f"subscription on {subject!r} has neither an outbound nor a handler")
        self.subject = subject
        self.sid = sid
        self.queue = queue
        self.outbound = outbound
        self.handler = handler
        # A local one in whose batch its messages go, to keep their order; None for its own.
        self.lead: Subscription | None = None
        self.filter: Verdicts | None = None  # what may be delivered to it; None for everything
        self.delivered = 0
        self.max = 0
        self.closed = False
        self.slot = -1  # place in the list that holds it
        self.batch: list[Message] = []

    def run_batch(self) -> None:
        """Hand the gathered messages to the handler."""
        batch, self.batch = self.batch, []
        if self.handler is not None and batch:
            self.handler(batch)  # type: ignore[operator]


class Leaf:
    """The subscriptions of one subject."""

    __slots__ = ("groups", "plain")

    def __init__(self) -> None:
        self.plain: list[Subscription] = []
        self.groups: dict[bytes, list[Subscription]] = {}


class Twig:
    """One token's place in the trie."""

    __slots__ = ("kids", "leaf")

    def __init__(self) -> None:
        self.kids: dict[bytes, Twig] = {}
        self.leaf: Leaf | None = None


def has_wildcard(subject: bytes) -> bool:
    return any(token in (b"*", b">") for token in subject.split(b"."))
