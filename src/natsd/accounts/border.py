"""What all borders between the accounts of one server share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from natsd.accounts.account import Account
    from natsd.accounts.services import ServiceImport
    from natsd.base.chance import Chance
    from natsd.base.clock import Clock, Timers
    from natsd.kernel import Inbound, Outbound, Road

    class Speaker(Protocol):
        """The connection that a message comes from."""

        inbound: Inbound
        outbound: Outbound
        account: Account
        rtt_ns: int

        def client_info(self) -> dict[str, object]:
            """Everything that another account may be told of it, under the names of the protocol."""
            ...


POOL_BYTES = 4096


class Border:
    """path: the service imports that the message now on its way came through. system: the system account, if any."""

    __slots__ = ("_pool", "_taken", "chance", "clock", "path", "road", "server_name", "system", "timers")

    def __init__(self, road: Road, clock: Clock, timers: Timers, chance: Chance, server_name: str) -> None:
        self.road = road
        self.clock = clock
        self.timers = timers
        self.chance = chance
        self.server_name = server_name
        self.system: Account | None = None
        self.path: list[ServiceImport] = []
        self._pool = ""
        self._taken = 0

    @property
    def speaker(self) -> Speaker | None:
        """The connection whose bytes are being taken in; None for messages of the server's own."""
        speaker: Speaker | None = self.road.speaker
        return speaker

    def secret(self, count: int) -> bytes:
        """A token of so many random bytes in hex, which nobody can guess."""
        start, end = self._taken, self._taken + 2 * count
        if end > len(self._pool):
            self._pool = self.chance.take(POOL_BYTES).hex()
            start, end = 0, 2 * count
        self._taken = end
        return self._pool[start:end].encode()
