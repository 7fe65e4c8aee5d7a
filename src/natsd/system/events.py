"""Events in the system account: who came and went, who was refused, how the accounts and the server are doing.

Nobody listens most of the time, and then an event costs one comparison: the account has no subscriptions but the
server's own. An event that nobody subscribed to is not made either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS
from natsd.client.nuid import new_nuid

if TYPE_CHECKING:
    from natsd.accounts.account import Account
    from natsd.base.clock import Timer
    from natsd.monitor.document import Document
    from natsd.session.session import Session
    from natsd.system.service import Service

_BLANKS = dict.fromkeys((*range(33), 127), "_")
ADVISORY = "io.nats.server.advisory.v1."
CONNS_INTERVAL_NS = 30 * SECOND_NS
"""The figures of an account with connections are told at least so often."""
STATSZ_FIRST_NS = SECOND_NS // 4
STATSZ_INTERVAL_NS = 10 * SECOND_NS
"""The server's figures are told first after a quarter of a second, then after twice the time, up to this."""
STATSZ_LEAST_NS = SECOND_NS
"""And not more often than this, whoever asks for it."""


def in_subject(name: str) -> str:
    """The name of an account as part of a subject: blanks and control characters would be read as protocol."""
    return name.translate(_BLANKS)


class Events:
    """Tells what sessions report, and the time. `own` counts the server's own subscriptions in the system account."""

    __slots__ = ("_conns_timer", "_interval_ns", "_service", "_statsz_ns", "_statsz_timer", "_system", "own")

    def __init__(self, service: Service, system: Account) -> None:
        self._service = service
        self._system = system
        self._interval_ns = STATSZ_FIRST_NS
        self._statsz_ns = -STATSZ_LEAST_NS
        self._statsz_timer: Timer | None = None
        self._conns_timer: Timer | None = None
        self.own = 0

    def start(self) -> None:
        """From here on figures are told by the clock."""
        timers = self._service.server.timers
        self._statsz_timer = timers.schedule(self._interval_ns, self._on_statsz_timer)
        self._conns_timer = timers.schedule(CONNS_INTERVAL_NS, self._on_conns_timer)

    def stop(self) -> None:
        """Tell nothing by the clock any more."""
        for timer in (self._statsz_timer, self._conns_timer):
            if timer is not None:
                timer.cancel()

    @property
    def heard(self) -> bool:
        """Whether anybody at all listens in the system account."""
        return len(self._system.sublist) > self.own

    def _wanted(self, subject: str) -> bool:
        return self._system.sublist.has_interest(subject.encode())

    def _tell(self, subject: str, document: Document) -> None:
        self._service.sender.send(self._system.sublist, subject.encode(), document)

    # What sessions report.

    def on_admitted(self, session: Session) -> None:
        """A client was let in."""
        if self.heard:
            subject = f"$SYS.ACCOUNT.{in_subject(session.account_name)}.CONNECT"
            if self._wanted(subject):
                event = self._event("client_connect")
                event["client"] = self._client(session)
                self._tell(subject, event)

    def on_closed(self, session: Session, reason: str) -> None:
        """A client is gone."""
        if self.heard:
            subject = f"$SYS.ACCOUNT.{in_subject(session.account_name)}.DISCONNECT"
            if self._wanted(subject):
                self._tell(subject, self._end(session, reason))

    def on_refused(self, session: Session, reason: str) -> None:
        """A client was not let in."""
        if self.heard:
            subject = f"$SYS.SERVER.{self._service.server_id}.CLIENT.AUTH.ERR"
            if self._wanted(subject):
                self._tell(subject, self._end(session, reason))

    def on_account(self, account: Account) -> None:
        """An account has more or fewer connections than before."""
        if self.heard and account is not self._service.server.roster.account:
            self._tell_conns(account)

    def _tell_conns(self, account: Account) -> None:
        name = in_subject(account.name)
        subjects = (f"$SYS.SERVER.ACCOUNT.{name}.CONNS", f"$SYS.ACCOUNT.{name}.SERVER.CONNS")
        wanted = [subject for subject in subjects if self._wanted(subject)]
        event = self.conns(account) if wanted else {}
        for subject in wanted:
            self._tell(subject, event)

    def conns(self, account: Account) -> Document:
        """An account's figures as an event."""
        from natsd.monitor.accounts import account_stat

        return {**self._event("account_connections"), **account_stat(account)}

    # What the server reports of itself.

    def on_lame(self) -> None:
        """The server takes no new clients."""
        self._tell_end("LAMEDUCK")

    def on_stop(self) -> None:
        """The server stops."""
        self._tell_end("SHUTDOWN")

    def _tell_end(self, name: str) -> None:
        subject = f"$SYS.SERVER.{self._service.server_id}.{name}"
        if self.heard and self._wanted(subject):
            self._tell(subject, self._service.envelope.sign())

    def statsz(self) -> Document:
        """The server's figures, signed."""
        return {"server": self._service.envelope.sign(), "statsz": self._service.answers.statsz()}

    def tell_statsz(self, *, now: bool = False) -> None:
        """Tell the server's figures to whoever listens, unless it was done a moment ago; `now`: even then."""
        now_ns = self._service.server.clock.now_ns()
        if not now and now_ns - self._statsz_ns < min(STATSZ_LEAST_NS, self._interval_ns):
            return
        self._statsz_ns = now_ns
        if self.heard:
            subject = f"$SYS.SERVER.{self._service.server_id}.STATSZ"
            if self._wanted(subject):
                self._tell(subject, self.statsz())

    def _on_statsz_timer(self) -> None:
        self._interval_ns = min(self._interval_ns * 2, STATSZ_INTERVAL_NS)
        self._statsz_timer = self._service.server.timers.schedule(self._interval_ns, self._on_statsz_timer)
        self.tell_statsz()

    def _on_conns_timer(self) -> None:
        server = self._service.server
        self._conns_timer = server.timers.schedule(CONNS_INTERVAL_NS, self._on_conns_timer)
        if self.heard:
            for account in list(server.accounts.values()):
                if account.connections and account is not server.roster.account:
                    self._tell_conns(account)

    # Parts of events.

    def _event(self, kind: str) -> Document:
        from natsd.monitor.times import date

        server = self._service.server
        return {
            "type": ADVISORY + kind,
            "id": new_nuid(server.roster.chance.take),
            "timestamp": date(server.clock.wall_ns()),
            "server": self._service.envelope.sign(),
        }

    def _end(self, session: Session, reason: str) -> Document:
        event = self._event("client_disconnect")
        event["client"] = self._client(session, ended=True)
        event["sent"] = {"msgs": session.in_msgs, "bytes": session.in_bytes}
        event["received"] = {"msgs": session.out_msgs, "bytes": session.out_bytes}
        event["reason"] = reason
        return event

    def _client(self, session: Session, *, ended: bool = False) -> Document:
        from natsd.monitor.times import date

        client: Document = {
            "start": date(session.start_wall_ns),
            "host": session.ip,
            "id": session.cid,
            "acc": session.account_name,
        }
        texts = (("user", session.user), ("name", session.name), ("lang", session.lang), ("ver", session.version))
        for key, text in texts:
            if text:
                client[key] = text
        if ended:
            if session.rtt_ns:
                client["rtt"] = session.rtt_ns
            client["stop"] = date(self._service.server.clock.wall_ns())
        client["name_tag"] = session.account_name
        client["kind"] = session.kind
        client["client_type"] = session.type
        return client
