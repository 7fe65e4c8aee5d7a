"""What a connection is known by: its name in the log and the figures that monitoring reads.

How it behaves is in session.py.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING

from natsd.base.clock import date
from natsd.protocol.errors import quoted

if TYPE_CHECKING:
    from natsd.accounts.account import Account
    from natsd.auth.certificate import Certificate
    from natsd.auth.credentials import Admission
    from natsd.kernel import Inbound, Outbound, Subscription
    from natsd.protocol.connect import Connect
    from natsd.session.roster import Roster


class TlsFacts:
    """What was agreed on in a handshake; the cipher by its common name, the client's certificate in DER."""

    __slots__ = ("certificate", "cipher", "first", "version")

    def __init__(self, version: str, cipher: str, certificate: bytes | None, first: bool) -> None:
        self.version = version
        self.cipher = intern(cipher)
        self.certificate = certificate
        self.first = first


class Named:
    """A connection as the log named it at one time, for a line that is written later."""

    __slots__ = ("account", "label")

    def __init__(self, label: str, account: Account) -> None:
        self.label = label
        self.account = account


class Facts:
    """One connection. Times named wall are dates, the others are of the monotonic clock, both in nanoseconds."""

    __slots__ = (
        "account",
        "active_ns",
        "admitted",
        "cid",
        "connect",
        "connected",
        "inbound",
        "ip",
        "outbound",
        "ping_sent_ns",
        "port",
        "reason",
        "roster",
        "rtt_ns",
        "start_ns",
        "start_wall_ns",
        "subs",
        "tls",
    )

    connection_type = "STANDARD"
    """By which of the ways in it came that users may be bound to."""
    kind = "Client"
    type = "nats"

    account: Account
    active_ns: int
    admitted: Admission
    cid: int
    connect: Connect
    connected: bool
    inbound: Inbound
    ip: str
    outbound: Outbound
    ping_sent_ns: int
    port: int
    reason: str
    roster: Roster
    rtt_ns: int
    start_ns: int
    start_wall_ns: int
    subs: dict[bytes, Subscription]
    tls: TlsFacts | None

    @property
    def label(self) -> str:
        """The connection as the log names it."""
        ip = f"[{self.ip}]" if ":" in self.ip else self.ip
        label = f"{ip}:{self.port} - cid:{self.cid}"
        if self.connected and not self.inbound.gate:
            version = self.connect.version
            parts = (f"v{version}" if version else "", self.connect.lang, self.connect.name)
            about = ":".join(part for part in parts if part)
            if about:
                label += f" - {quoted(about.encode())}"
            nkey = self.admitted.nkey
            user = self.admitted.user or self.connect.user
            who = f"nkey:{nkey}" if nkey else f"user:{user}" if user else "token" if self.connect.token else ""
            if who:
                label += f" - {quoted(f'{self.account.name}/{who}'.encode())}"
        return label

    @property
    def certificate(self) -> Certificate | None:
        """Its certificate where those say who somebody is, None where they do not."""
        if not self.roster.rules.map_certificates:
            return None
        from natsd.auth.certificate import Certificate

        return Certificate(self.tls.certificate if self.tls is not None else None)

    def client_info(self) -> dict[str, object]:
        """What is told of it to those who may know everything, as Nats-Request-Info has it; nothing that is empty."""
        info: dict[str, object] = {
            "start": date(self.start_wall_ns),
            "host": self.ip,
            "id": self.cid,
            "acc": self.account.name,
            "user": self.user,
            "name": self.name,
            "lang": self.lang,
            "ver": self.version,
            "rtt": self.rtt_ns,
            "server": self.roster.info.server_name,
            "kind": self.kind,
            "client_type": self.type,
        }
        return {key: value for key, value in info.items() if value}

    @property
    def name(self) -> str:
        return self.connect.name

    @property
    def lang(self) -> str:
        return self.connect.lang

    @property
    def version(self) -> str:
        return self.connect.version

    @property
    def user(self) -> str:
        """Who it is, as far as that is no secret."""
        return (
            self.admitted.nkey
            or self.admitted.user
            or self.connect.nkey
            or self.connect.user
            or ("[REDACTED]" if self.connect.token else "")
        )

    @property
    def account_name(self) -> str:
        return self.account.name

    @property
    def subscriptions(self) -> int:
        return len(self.subs)

    @property
    def pending(self) -> int:
        return self.outbound.pending

    @property
    def in_msgs(self) -> int:
        return self.inbound.in_msgs

    @property
    def in_bytes(self) -> int:
        return self.inbound.in_bytes

    @property
    def out_msgs(self) -> int:
        return self.outbound.out_msgs

    @property
    def out_bytes(self) -> int:
        return self.outbound.out_bytes

    @property
    def last_wall_ns(self) -> int:
        """When the client last published or changed its interest."""
        clock = self.roster.clock
        return clock.wall_ns() - (clock.now_ns() - self.heard_ns)

    @property
    def heard_ns(self) -> int:
        """The same, of the monotonic clock."""
        return max(self.active_ns, self.inbound.last_ns)

    @property
    def closed(self) -> bool:
        return self.reason != ""
