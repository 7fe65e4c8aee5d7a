"""What all sessions of one server share: rules, road, clock, and the register of the living and the closed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS
from natsd.protocol.connect import Connect
from natsd.session.complaints import Complaints

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from natsd.accounts.account import Account
    from natsd.auth.credentials import Credentials
    from natsd.base.chance import Chance
    from natsd.base.clock import Clock, Timers
    from natsd.kernel import Road
    from natsd.protocol.info import Info
    from natsd.session.session import Session

    class Log(Protocol):
        """What sessions write to the log with."""

        debugging: bool

        def debug(self, text: str) -> None: ...
        def notice(self, text: str) -> None: ...
        def warn(self, text: str) -> None: ...
        def error(self, text: str) -> None: ...
        def trace(self, text: str) -> None: ...

    class Events(Protocol):
        """Is told what happens to sessions."""

        def on_admitted(self, session: Session) -> None: ...
        def on_closed(self, session: Session, reason: str) -> None: ...
        def on_refused(self, session: Session, reason: str) -> None: ...
        def on_account(self, account: Account) -> None: ...


class Rules:
    """The limits and intervals of a server's sessions. A limit of 0 means none; max_connections -1 lets nobody in."""

    __slots__ = (
        "auth_timeout_ns",
        "headers",
        "map_certificates",
        "max_closed",
        "max_connections",
        "max_sub_tokens",
        "max_subscriptions",
        "ping_interval_ns",
        "ping_max",
    )

    def __init__(self) -> None:
        self.headers = True
        self.map_certificates = False  # a certificate says who somebody is
        self.max_connections = 65536
        self.max_subscriptions = 0
        self.max_sub_tokens = 0
        self.max_closed = 10000
        self.ping_interval_ns = 120 * SECOND_NS
        self.ping_max = 2
        self.auth_timeout_ns = 2 * SECOND_NS


class ClosedConnection:
    """What is remembered of a connection that ended. Times are wall clock nanoseconds; names are those of Session."""

    __slots__ = (
        "account_name",
        "cid",
        "in_bytes",
        "in_msgs",
        "ip",
        "kind",
        "lang",
        "last_wall_ns",
        "name",
        "out_bytes",
        "out_msgs",
        "pending",
        "port",
        "reason",
        "rtt_ns",
        "start_wall_ns",
        "stop_wall_ns",
        "subscriptions",
        "tls",
        "type",
        "user",
        "version",
    )

    def __init__(self, session: Session, reason: str, stop_wall_ns: int) -> None:
        self.cid = session.cid
        self.kind = session.kind
        self.type = session.type
        self.ip = session.ip
        self.port = session.port
        self.start_wall_ns = session.start_wall_ns
        self.last_wall_ns = session.last_wall_ns
        self.rtt_ns = session.rtt_ns
        self.pending = session.pending
        self.in_msgs = session.in_msgs
        self.in_bytes = session.in_bytes
        self.out_msgs = session.out_msgs
        self.out_bytes = session.out_bytes
        self.subscriptions = len(session.subs)
        self.name = session.name
        self.lang = session.lang
        self.version = session.version
        self.account_name = session.account_name
        self.user = session.user
        self.tls = session.tls
        self.reason = reason
        self.stop_wall_ns = stop_wall_ns


class Roster:
    """The sessions of one server and what they have in common. `connections` is by cid, in the order of arrival."""

    __slots__ = (
        "account",
        "accounts",
        "bare",
        "chance",
        "clock",
        "closed",
        "complaints",
        "connections",
        "credentials",
        "events",
        "info",
        "last_cid",
        "log",
        "road",
        "rules",
        "shutting_down",
        "slow_consumers_deadline",
        "slow_consumers_pending",
        "stale_connections",
        "stalls",
        "system_account",
        "timers",
        "total_closed",
        "total_connections",
    )

    def __init__(
        self,
        *,
        road: Road,
        account: Account,
        system_account: Account | None,
        info: Info,
        rules: Rules,
        credentials: Credentials,
        clock: Clock,
        timers: Timers,
        chance: Chance,
        log: Log,
        accounts: Mapping[str, Account] | None = None,
    ) -> None:
        self.road = road
        self.account = account
        self.accounts: Mapping[str, Account] = {} if accounts is None else accounts
        self.system_account = system_account
        self.info = info
        self.rules = rules
        self.credentials = credentials
        self.clock = clock
        self.timers = timers
        self.chance = chance
        self.log = log
        self.connections: dict[int, Session] = {}
        self.closed: deque[ClosedConnection] = deque(maxlen=max(rules.max_closed, 0))
        self.last_cid = 0
        self.total_connections = 0
        self.total_closed = 0
        self.slow_consumers_pending = 0
        self.slow_consumers_deadline = 0
        self.stale_connections = 0
        self.stalls = 0
        self.shutting_down = False
        self.events: Events | None = None
        """Who is told what happens to sessions."""
        self.bare = Connect()
        """What every connection is taken to have said before its CONNECT; nobody changes it."""
        self.complaints = Complaints(log, clock, timers)

    @property
    def slow_consumers(self) -> int:
        """How often a connection was cut because it did not keep up."""
        return self.slow_consumers_pending + self.slow_consumers_deadline

    def new_cid(self) -> int:
        """The next connection's number."""
        self.last_cid += 1
        self.total_connections += 1
        return self.last_cid

    def admit(self, session: Session) -> bool:
        """Enter a session in the register, unless max_connections is reached."""
        limit = self.rules.max_connections
        if limit < 0 or 0 < limit <= len(self.connections):
            return False
        self.connections[session.cid] = session
        return True

    def forget(self, session: Session, reason: str) -> None:
        """A session is closed: it moves from the living to the ring of the closed."""
        self.connections.pop(session.cid, None)
        self.total_closed += 1
        self.closed.append(ClosedConnection(session, reason, self.clock.wall_ns()))

    def send_info(self) -> None:
        """Tell every client that can take it what changed: those of protocol 1 that had their first PONG."""
        for session in list(self.connections.values()):
            session.send_info()

    def first_ping_delay_ns(self) -> int:
        """How long after its CONNECT a client gets its first PING: 2 s at most, and up to a fifth of it more."""
        delay = min(self.rules.ping_interval_ns, 2 * SECOND_NS)
        return delay + self.chance.below(delay // 5)
