"""Who may stay when users have changed, and with which rights: what a reload does to each session.

1. Whose user is gone or has moved to another account is closed; it comes back and finds out the rest by itself.
2. Of whom the same is asked as before stays, without another look at its password.
3. Of everybody else the credentials are looked at again, by what it said in CONNECT.
4. Who stays has the rights of today: subscriptions it may not have any more are taken away, and it is told.
5. Who has not logged in yet does so later, by the new credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.protocol import errors
from natsd.protocol.connect import Connect

if TYPE_CHECKING:
    from natsd.auth.credentials import Admission, Credentials
    from natsd.kernel import Subscription
    from natsd.session.session import Session

BEFORE_CONNECT = Connect()


class Recheck:
    """One pass over the sessions. A secret is compared once for all who gave the same one, since hashes are slow."""

    __slots__ = ("_before", "_known", "_now")

    def __init__(self, before: Credentials, now: Credentials) -> None:
        self._before = before
        self._now = now
        self._known: dict[tuple[str, ...], Admission | None] = {}

    def take(self, session: Session) -> None:
        """Close one session, or give it what it has from now on."""
        if session.reason:
            return
        if session.inbound.gate:
            if not self._now.required:
                session.open_gate()
            return
        admitted = session.admitted
        account = self._before.account_of(admitted)
        if account is not None and self._now.account_of(admitted) != account:
            session.close(errors.CLIENT_CLOSED)
            return
        untouched = not session.connected and not session.entered
        if untouched and self._now.required and not session.subs and not session.in_msgs:
            session.close_gate()
            return
        admission = self._now.readmit(admitted, self._before)
        if admission is None:
            admission = self._admit(session)
        if admission is None:
            session.refuse_login()
        elif admission is not admitted:
            before = admitted.rights
            session.adopt(admission)
            if admission.rights is not before:
                check_subscriptions(session)

    def _admit(self, session: Session) -> Admission | None:
        said = session.connect if session.connected else BEFORE_CONNECT
        if said.nkey or session.tls is not None:
            # What it has signed, or its certificate, is its own.
            return session.admit(said)
        key = (said.user, said.password, said.token, session.connection_type)
        if key not in self._known:
            self._known[key] = session.admit(said)
        return self._known[key]


def check_subscriptions(session: Session) -> None:
    """Take away the subscriptions that a session's rights do not cover, and filter the others."""
    rights = session.admitted.rights
    removed = []
    for sub in session.subs.values():
        if rights is not None and not rights.may_subscribe(sub.subject, sub.queue):
            removed.append(sub)
        else:
            sub.filter = None if rights is None else rights.filter(sub.subject, sub.queue)
    for sub in removed:
        session.drop_subscription(sub)
        session.say_err(f"{errors.subscribe_denied(sub.subject, sub.queue)} (sid {errors.quoted(sub.sid)})")
        session.roster.log.notice(f"Removed sub {_about(sub)} for {_who(session)} - not authorized")


def _about(sub: Subscription) -> str:
    queue = "" if sub.queue is None else f" using queue {errors.quoted(sub.queue)}"
    return f"{errors.quoted(sub.subject)}{queue} (sid {errors.quoted(sub.sid)})"


def _who(session: Session) -> str:
    if session.admitted.nkey:
        return f"Nkey {errors.quoted(session.admitted.nkey.encode())}"
    return f"User {errors.quoted((session.user or 'N/A').encode())}"
