"""An account: a tenant with its own subjects, the connections bound to it, and their limits and totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.kernel import Sublist

if TYPE_CHECKING:
    from natsd.accounts.mappings import Mappings
    from natsd.kernel import Road

GLOBAL = "$G"
"""Where connections live that belong to no other account."""
SYSTEM = "$SYS"
"""Where the server speaks about itself."""


class Account:
    """One tenant. A limit of -1 means that the account sets none."""

    __slots__ = (
        "connections",
        "mappings",
        "max_connections",
        "max_payload",
        "max_subscriptions",
        "name",
        "slow_consumers",
        "sublist",
    )

    def __init__(self, name: str, road: Road) -> None:
        self.name = name
        self.sublist = Sublist(road)
        self.mappings: Mappings | None = None
        self.connections = 0
        self.max_connections = -1
        self.max_subscriptions = -1
        self.max_payload = -1
        self.slow_consumers = 0

    def map_subjects(self, mappings: Mappings | None) -> None:
        """Have the subjects of its connections' messages mapped from now on; None ends that."""
        self.mappings = mappings
        self.sublist.mapper = None if mappings is None else mappings.map
        self.sublist.clear_cache()

    def __repr__(self) -> str:
        return f"<Account {self.name} connections={self.connections} subscriptions={len(self.sublist)}>"
