"""An account: a tenant with its own subjects, the connections bound to it, their limits and totals, and its borders.

What crosses a border is in imports.py (streams) and services.py (services); build.py puts accounts together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.kernel import Sublist

if TYPE_CHECKING:
    from natsd.accounts.imports import StreamImport
    from natsd.accounts.mappings import Mappings
    from natsd.accounts.services import Answers, ServiceExport, ServiceImport
    from natsd.config.records import Export, Import
    from natsd.kernel import Road

GLOBAL = "$G"
"""Where connections live that belong to no other account."""
SYSTEM = "$SYS"
"""Where the server speaks about itself."""


class Account:
    """One tenant. A limit of -1 means that the account sets none.

    exports, imports: as they were configured, for whoever shows them. stream_imports, service_imports and
    service_exports (by subject): at work, those that the server itself adds included.
    """

    __slots__ = (
        "answers",
        "connections",
        "exports",
        "imports",
        "mappings",
        "max_connections",
        "max_leafnodes",
        "max_payload",
        "max_subscriptions",
        "name",
        "service_exports",
        "service_imports",
        "slow_consumers",
        "stream_imports",
        "sublist",
        "total_connections",
    )

    def __init__(self, name: str, road: Road) -> None:
        self.name = name
        self.sublist = Sublist(road)
        self.mappings: Mappings | None = None
        self.connections = 0
        self.total_connections = 0
        self.max_connections = -1
        self.max_subscriptions = -1
        self.max_payload = -1
        self.max_leafnodes = -1
        self.slow_consumers = 0
        self.exports: tuple[Export, ...] = ()
        self.imports: tuple[Import, ...] = ()
        self.stream_imports: tuple[StreamImport, ...] = ()
        self.service_imports: dict[tuple[str, bytes], ServiceImport] = {}
        self.service_exports: dict[bytes, ServiceExport] = {}
        self.answers: Answers | None = None

    @property
    def full(self) -> bool:
        """Whether it takes no more connections."""
        return 0 <= self.max_connections <= self.connections

    def join(self) -> None:
        """One connection more is bound to it."""
        self.connections += 1
        self.total_connections += 1

    def leave(self) -> None:
        """One connection less is bound to it."""
        self.connections -= 1

    def map_subjects(self, mappings: Mappings | None) -> None:
        """Have the subjects of its connections' messages mapped from now on; None ends that."""
        self.mappings = mappings
        self.sublist.mapper = None if mappings is None else mappings.map
        self.sublist.clear_cache()

    def __repr__(self) -> str:
        return f"<Account {self.name} connections={self.connections} subscriptions={len(self.sublist)}>"
