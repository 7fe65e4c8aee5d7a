"""Sessions in memory: a server's house without a server, a clock moved by hand, and clients that speak bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from natsd.accounts.account import GLOBAL, SYSTEM, Account
from natsd.accounts.permissions import Rights
from natsd.accounts.users import as_user
from natsd.auth.credentials import Credentials
from natsd.base.chance import SeededChance
from natsd.base.clock import HandClock, Timers
from natsd.kernel import Road
from natsd.protocol.info import Info
from natsd.session.roster import Roster, Rules
from natsd.session.session import Session

if TYPE_CHECKING:
    from natsd.kernel import Outbound


class Lines:
    """A log that keeps its lines."""

    def __init__(self, debugging: bool = False) -> None:
        self.debugging = debugging
        self.lines: list[str] = []

    def debug(self, text: str) -> None:
        self.lines.append(f"DBG {text}")

    def notice(self, text: str) -> None:
        self.lines.append(f"INF {text}")

    def warn(self, text: str) -> None:
        self.lines.append(f"WRN {text}")

    def error(self, text: str) -> None:
        self.lines.append(f"ERR {text}")

    def trace(self, text: str) -> None:
        self.lines.append(f"TRC {text}")


class House:
    """What the sessions of one server share, made by hand."""

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        debugging: bool = False,
        users: list[dict[str, Any]] | None = None,
        no_auth_user: str = "",
    ) -> None:
        self.clock = HandClock()
        self.timers = self.clock.timers = Timers(self.clock)
        self.log = Lines(debugging)
        self.road = Road(1)
        self.road.clock = self.clock.now_ns
        self.account = Account(GLOBAL, self.road)
        self.system_account = Account(SYSTEM, self.road)
        self.rules = Rules()
        self.accounts = {GLOBAL: self.account, SYSTEM: self.system_account}
        if users:
            records = [as_user(user) for user in users]
            for user in records:
                if user.account:
                    self.accounts.setdefault(user.account, Account(user.account, self.road))
            credentials = Credentials(
                users=[(user, user.permissions and Rights(user.permissions, self.road)) for user in records],
                no_auth_user=no_auth_user,
            )
        credentials = credentials or Credentials()
        self.roster = Roster(
            road=self.road,
            account=self.account,
            system_account=self.system_account,
            info=Info("NTEST", auth_required=credentials.announced),
            rules=self.rules,
            credentials=credentials,
            clock=self.clock,
            timers=self.timers,
            chance=SeededChance(1),
            log=self.log,
            accounts=self.accounts,
        )

    def client(self, connect: str = "", *, ip: str = "1.2.3.4") -> Client:
        """A client that has read its INFO and, where given, sent a CONNECT with these JSON members."""
        client = Client(self, ip)
        client.greeting = client.heard()
        if connect:
            client.say(b"CONNECT {%b}\r\n" % connect.encode())
        return client


class Client:
    """One client; it is the session's wire as well, and keeps what it was told."""

    def __init__(self, house: House, ip: str = "1.2.3.4") -> None:
        self.house = house
        self.greeting = b""
        self.closed: tuple[bool, bool] | None = None
        self.blocked = 0
        self.paused: list[Outbound] = []
        self._bytes = b""
        self.session = Session(house.roster, self, ip, 5000)
        self.session.open()
        house.road.settle()

    # The wire.

    def on_blocked(self) -> None:
        self.blocked += 1

    def on_output(self) -> None:
        self._bytes += self.session.outbound.take()

    def pause(self, receivers: list[Outbound]) -> bool:
        self.paused = receivers
        return bool(receivers)

    def close(self, *, flush: bool, linger: bool) -> None:
        self.closed = (flush, linger)
        if flush:
            self._bytes += self.session.outbound.take()
        self.session.outbound.close()

    # The client.

    def say(self, data: bytes) -> bytes:
        """Send bytes; returns what came back."""
        self.session.inbound.take_in(data)
        return self.heard()

    def heard(self) -> bytes:
        """What came since the last time."""
        self.house.road.settle()
        heard, self._bytes = self._bytes, b""
        return heard


def info_of(line: bytes) -> dict[str, Any]:
    """The fields of the first INFO in what a client heard."""
    start = line.index(b"INFO ") + 5
    fields = json.loads(line[start : line.index(b"\r\n", start)])
    assert isinstance(fields, dict)
    return fields
