"""A server as the monitoring pages see it, made of plain values."""

from __future__ import annotations

from typing import Any

from natsd.accounts.account import GLOBAL, SYSTEM, Account
from natsd.base.clock import HandClock, Timers
from natsd.kernel import Outbound, Road, Subscription
from natsd.protocol.info import Info
from natsd.server.options import Options

START_NS = 1_700_000_000_000_000_000


class FakeConnection:
    """An open connection, or with `stop_wall_ns` a closed one."""

    kind = "Client"
    type = "nats"

    def __init__(self, cid: int, **known: Any) -> None:
        self.cid = cid
        self.ip = "127.0.0.1"
        self.port = 50000 + cid
        self.start_wall_ns = START_NS + cid
        self.last_wall_ns = START_NS + cid
        self.rtt_ns = self.pending = 0
        self.in_msgs = self.in_bytes = self.out_msgs = self.out_bytes = 0
        self.name = self.lang = self.version = self.user = ""
        self.account_name = GLOBAL
        self.tls: Any = None
        self.subs: dict[bytes, Subscription] = {}
        self._subscriptions: int | None = None
        for name, value in known.items():
            setattr(self, name, value)

    @property
    def subscriptions(self) -> int:
        return len(self.subs) if self._subscriptions is None else self._subscriptions

    @subscriptions.setter
    def subscriptions(self, number: int) -> None:
        self._subscriptions = number


class FakeRoster:
    def __init__(self, road: Road, system: Account) -> None:
        self.connections: dict[int, FakeConnection] = {}
        self.closed: list[FakeConnection] = []
        self.total_connections = self.slow_consumers = self.stale_connections = self.stalls = 0
        self.info = Info("NSERVER", "one", host="127.0.0.1", port=4222)
        self.system_account = system


class FakeServer:
    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.clock = HandClock(START_NS)
        self.timers = Timers(self.clock)
        self.half_closed = 0
        self.answers_waiting = 0
        self.http_requests: dict[str, int] = {}
        self.road = Road(1)
        self.accounts = {name: Account(name, self.road) for name in (GLOBAL, SYSTEM)}
        self.roster = FakeRoster(self.road, self.accounts[SYSTEM])
        self.started = self.loaded = START_NS
        self.security: Any = None
        self.running = True
        self.lame = False
        self.storage = None

    def connect(self, cid: int, **known: Any) -> FakeConnection:
        connection = FakeConnection(cid, **known)
        self.roster.connections[cid] = connection
        return connection

    def close(self, cid: int, reason: str = "Client Closed", **known: Any) -> FakeConnection:
        known.setdefault("stop_wall_ns", START_NS + 1000 + cid)
        connection = FakeConnection(cid, reason=reason, **known)
        del connection.subs
        connection.subscriptions = known.get("subscriptions", 0)
        self.roster.closed.append(connection)
        return connection

    def subscribe(self, connection: FakeConnection, subject: bytes, queue: bytes | None = None) -> Subscription:
        sid = b"%d" % (len(connection.subs) + 1)
        sub = Subscription(subject, sid, queue, Outbound(self.road, connection))
        connection.subs[sid] = sub
        self.accounts[connection.account_name].sublist.insert(sub)
        return sub
