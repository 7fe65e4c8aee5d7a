"""One client connection: what it said of itself, its subscriptions, its pings, and how it ends.

The session owns a kernel Inbound and Outbound and is told by them what happened; bytes go over the `Wire` handed in,
which may be a socket or a test. Order of the rules at CONNECT, which clients can see:

1. the authentication timer stops, the first PING is set;
2. the JSON is read, over what an earlier CONNECT said; what cannot be read closes without an -ERR;
3. a second CONNECT drops the subscriptions;
4. credentials, then the keys `account` and `new_account`, both refused as Authorization Violation;
5. the protocol number, then no_responders without headers;
6. +OK where verbose.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Any

from natsd.accounts.replies import Replies
from natsd.auth.credentials import ANYBODY
from natsd.base.clock import SECOND_NS
from natsd.kernel import Inbound, Outbound, Subscription
from natsd.keys.nkey import NONCE_BYTES, render_nonce
from natsd.protocol import errors
from natsd.protocol import ops as op
from natsd.protocol.connect import Connect
from natsd.protocol.peer_json import load_json
from natsd.session.secured import Secured
from natsd.session.speech import text_of
from natsd.subjects.valid import RESERVED_QUEUE, count_tokens, may_subscribe

if TYPE_CHECKING:
    from typing import Protocol

    from natsd.accounts.imports import Shadows
    from natsd.auth.credentials import Admission
    from natsd.base.clock import Timer
    from natsd.session.facts import TlsFacts
    from natsd.session.roster import Roster

    class Wire(Protocol):
        """A session's way to its peer."""

        def on_blocked(self) -> None:
            """The socket takes no more for now: go on sending when it does."""
            ...

        def on_output(self) -> None:
            """Bytes wait in an outbound without a socket: take them."""
            ...

        def pause(self, receivers: list[Outbound]) -> bool:
            """Read no more until these have caught up, for a moment at most. False with nothing to wait for."""
            ...

        def close(self, *, flush: bool, linger: bool) -> None:
            """Read no more and end the connection.

            flush: send what is pending first, as far as the peer takes it. linger: the peer may be sending still, so
            see to it that this does not cost it our last words.
            """
            ...


RTT_INTERVAL_NS = 3600 * SECOND_NS
"""After this time a PING is sent in spite of traffic, to measure the round trip anew."""

_PONG = b"PONG\r\n"
_PING = b"PING\r\n"
_OK = b"+OK\r\n"


class Session(Secured):
    """One client."""

    __slots__ = ("auth_timer", "entered", "had_pong", "nonce", "ping_timer", "pings_out", "replies", "shadows", "wire")

    def __init__(self, roster: Roster, wire: Wire, ip: str, port: int, fd: int = -1) -> None:
        self.roster = roster
        self.wire = wire
        self.ip = ip
        self.port = port
        self.cid = roster.new_cid()
        self.account = roster.account
        self.account.join()
        self.start_ns = roster.clock.now_ns()
        self.start_wall_ns = roster.clock.wall_ns()
        self.active_ns = self.start_ns
        self.rtt_ns = 0
        self.ping_sent_ns = 0
        self.pings_out = 0
        self.connect = roster.bare
        self.connected = False
        self.admitted = ANYBODY
        self.entered = False  # by credentials, or as the user of those who say nothing
        self.nonce = render_nonce(roster.chance.take(NONCE_BYTES)) if roster.credentials.needs_nonce else ""
        self.replies: Replies | None = None
        self.had_pong = False
        self.reason = ""
        self.tls: TlsFacts | None = None
        self.subs: dict[bytes, Subscription] = {}
        self.shadows: Shadows | None = None  # of its subscriptions, where the account imports streams
        self.auth_timer: Timer | None = None
        self.ping_timer: Timer | None = None
        self.outbound = Outbound(roster.road, self, fd)
        self.inbound = Inbound(roster.road, self.outbound, self.account.sublist, self)

    # Beginning and end.

    def open(self) -> None:
        """Greet the client; then it is admitted, or told that there are too many already."""
        self.greet()
        if self.enter():
            self.begin()

    def greet(self, *, tls_first: bool = False) -> None:
        """Send INFO. tls_first: the handshake came before it."""
        info = self.roster.info
        max_payload = self.account.max_payload
        self.outbound.append(
            info.render(self.cid, self.ip, max_payload=max_payload, nonce=self.nonce, tls_first=tls_first)
        )

    def enter(self) -> bool:
        """Enter the register; where that is full the client is told so and closed."""
        roster = self.roster
        self._debug("Client connection created")
        if roster.admit(self):
            return True
        roster.complaints.seldom(self.label, errors.MAX_CONNECTIONS.text)
        self._refuse(errors.MAX_CONNECTIONS)
        return False

    def begin(self) -> None:
        """From here on the client may speak, and its time to authenticate runs."""
        roster = self.roster
        if roster.credentials.required:
            self.inbound.gate = True
            self.auth_timer = roster.timers.schedule(roster.rules.auth_timeout_ns, self.on_auth_timeout)
        self.ping_timer = roster.timers.schedule(roster.rules.ping_interval_ns, self.on_ping_timer)

    def close(self, reason: str) -> None:
        """End the connection and everything it had; `reason` is what operators will read."""
        if self.reason:
            return
        self.reason = reason
        self._debug(f"Client connection closed: {reason}")
        self.inbound.close()
        self._stop_timers()
        self.roster.forget(self, reason)
        self._drop_subscriptions()
        self.account.leave()
        events = self.roster.events
        if events is not None:
            events.on_account(self.account)
            events.on_closed(self, reason)
        self.wire.close(flush=reason not in errors.UNFLUSHED, linger=reason not in errors.UNLINGERED)

    def open_gate(self) -> None:
        """Nobody has to authenticate any more."""
        self.inbound.gate = False
        if self.auth_timer is not None:
            self.auth_timer.cancel()
            self.auth_timer = None

    def close_gate(self) -> None:
        """The client, which has said nothing yet, has to authenticate after all."""
        roster = self.roster
        self.inbound.gate = True
        self.auth_timer = roster.timers.schedule(roster.rules.auth_timeout_ns, self.on_auth_timeout)

    def drop_subscription(self, sub: Subscription) -> None:
        """Take one subscription away."""
        self.account.sublist.remove(sub)
        del self.subs[sub.sid]
        if self.shadows is not None:
            self.shadows.remove(sub)
        self._trace(b"<->", b"DELSUB " + sub.sid)

    def _stop_timers(self) -> None:
        if self.auth_timer is not None:
            self.auth_timer.cancel()
            self.auth_timer = None
        if self.ping_timer is not None:
            self.ping_timer.cancel()
            self.ping_timer = None

    def _drop_subscriptions(self) -> None:
        sublist = self.account.sublist
        for sub in self.subs.values():
            sublist.remove(sub)
            self._trace(b"<->", b"DELSUB " + sub.sid)
        self.subs = {}
        if self.shadows is not None:
            self.shadows.clear()

    def renew_imports(self) -> None:
        """The account imports other streams now."""
        if self.shadows is None and self.account.stream_imports:
            from natsd.accounts.imports import Shadows

            self.shadows = Shadows(self.account)
        if self.shadows is not None:
            self.shadows.renew(self.account, self.subs.values())

    # What the kernel tells.

    def on_ops(self, ops: list[tuple[Any, ...]]) -> None:
        for item in ops:
            code = item[0]
            if code == op.SUB:
                self._subscribe(item[1], item[2], item[3])
            elif code == op.UNSUB:
                self._unsubscribe(item[1], item[2])
            elif code == op.PING:
                self._answer_ping()
            elif code == op.PONG:
                self._take_pong()
            elif code == op.CONNECT:
                self._take_connect(item[1])
            elif code == op.BAD:
                self._refuse_bad(item[1], item[2])
            else:
                self._take_rare(code, item)
            if self.reason:
                return

    def on_eof(self) -> None:
        self.close(errors.CLIENT_CLOSED)

    def on_broken(self, code: int) -> None:
        """The socket failed, when reading or when sending."""
        if self.outbound.closed:
            self._debug(f"Error flushing: errno {code}")
            self.close(errors.WRITE_ERROR)
        else:
            self.close(errors.READ_ERROR)

    def on_blocked(self) -> None:
        self.wire.on_blocked()

    def on_output(self) -> None:
        self.wire.on_output()

    def on_stalled(self, receivers: list[Outbound]) -> None:
        if self.wire.pause(receivers):
            self.roster.stalls += 1

    def on_slow(self) -> None:
        """More was pending than max_pending; the outbound is closed already."""
        if self.reason:
            return
        self.roster.slow_consumers_pending += 1
        self.account.slow_consumers += 1
        self._notice(f"Slow Consumer Detected: MaxPending of {self.roster.road.max_pending} Exceeded")
        self.close(errors.SLOW_CONSUMER_PENDING)

    def on_deadline(self, text: str) -> None:
        """The wire could not send what was pending within the write deadline; `text` gives the figures."""
        if self.reason:
            return
        # Somebody who was never let in is no slow consumer worth counting.
        if not self.inbound.gate:
            self.roster.slow_consumers_deadline += 1
            self.account.slow_consumers += 1
            self._notice(f"Slow Consumer Detected: {text}")
        self.close(errors.SLOW_CONSUMER_DEADLINE)

    def on_replies(self) -> None:
        """The connection was given messages that ask for a reply, and may be allowed to."""
        if self.replies is not None and self.outbound.replies:
            self.replies.note(self.outbound.replies)
            self.outbound.replies = []

    def may_reply(self, subject: bytes) -> bool:
        """Whether a message that the user's rules do not permit answers one the connection was given."""
        self.on_replies()
        return self.replies is not None and self.replies.spend(subject)

    def on_unsubscribed(self, sub: Subscription) -> None:
        """A subscription had its last message."""
        if self.subs.get(sub.sid) is sub:
            del self.subs[sub.sid]
            self._trace(b"<->", b"DELSUB " + sub.sid)
        if self.shadows is not None:
            # Its last message may have come from another account, where the subscription itself is not.
            self.account.sublist.remove(sub)
            self.shadows.remove(sub)

    # What the client says.

    def _subscribe(self, subject: bytes, queue: bytes | None, sid: bytes) -> None:
        roster = self.roster
        rules = roster.rules
        subs = self.subs
        self.active_ns = roster.clock.now_ns()
        rights = self.admitted.rights
        if queue == RESERVED_QUEUE or (rights is not None and not rights.may_subscribe(subject, queue)):
            self._refuse_subscription(subject, queue, sid)
            return
        if 0 < rules.max_sub_tokens < count_tokens(subject):
            self._say_err(errors.too_many_tokens(subject))
            self._error(
                f"Subscription Violation Too Many Tokens - Subject {errors.quoted(subject)}, SID {text_of(sid)}"
            )
            return
        # Both limits count this connection's own subscriptions, the account's too.
        if 0 < rules.max_subscriptions <= len(subs) or 0 <= self.account.max_subscriptions <= len(subs):
            roster.complaints.seldom(self.label, errors.MAX_SUBSCRIPTIONS.text)
            self._refuse(errors.MAX_SUBSCRIPTIONS)
            return
        # A sid that is in use keeps its first subject; the client is not told. One that had its last message within
        # this very batch is free, even if the kernel has not come to say so.
        known = subs.get(sid)
        if known is None or known.closed:
            if not may_subscribe(subject):
                self._refuse(errors.INVALID_SUBJECT)
                return
            sub = Subscription(subject, sid, queue, self.outbound)
            if rights is not None:
                sub.filter = rights.filter(subject, queue)
            subs[sid] = sub
            self.account.sublist.insert(sub)
            if self.shadows is not None:
                self.shadows.add(sub)
        if self.connect.verbose:
            self._say(_OK)

    def _refuse_subscription(self, subject: bytes, queue: bytes | None, sid: bytes) -> None:
        self._say_err(errors.subscribe_denied(subject, queue))
        group = "" if queue is None else f", Queue: {errors.quoted(queue)}"
        self._error(f"Subscription Violation - Subject {errors.quoted(subject)}{group}, SID {text_of(sid)}")

    def _unsubscribe(self, sid: bytes, limit: int) -> None:
        self.active_ns = self.roster.clock.now_ns()
        sub = self.subs.get(sid)
        if sub is not None:
            if limit > sub.delivered:
                sub.max = limit
            else:
                sub.max = 0
                self.drop_subscription(sub)
        if self.connect.verbose:
            self._say(_OK)

    def _answer_ping(self) -> None:
        self._say(_PONG)
        if not self.connected:
            return
        self.inbound.first_ping = False  # from here on the kernel answers
        if not self.had_pong:
            self.had_pong = True
            self._render_info(connect_info=True)

    def _take_pong(self) -> None:
        self.pings_out = 0
        if self.ping_sent_ns:
            self.rtt_ns = max(1, self.roster.clock.now_ns() - self.ping_sent_ns)

    def send_info(self) -> None:
        """Send INFO once more, where the client understands it and is past its own greeting."""
        if self.had_pong:
            self._render_info(connect_info=False)

    def send_lame_duck(self) -> bool:
        """Tell this one client to go elsewhere; False where it would not understand."""
        if self.connect.protocol < 1 or not self.had_pong:
            return False
        info = self.roster.info
        before, info.ldm = info.ldm, True
        self._render_info(connect_info=True)
        info.ldm = before
        return True

    def _render_info(self, *, connect_info: bool) -> None:
        if self.connect.protocol < 1:
            return
        roster = self.roster
        account = self.account
        self.outbound.append(
            roster.info.render(
                self.cid,
                self.ip,
                max_payload=account.max_payload,
                nonce=self.nonce,
                connect_info=connect_info,
                remote_account=account.name if connect_info else "",
                is_system_account=connect_info and account is roster.system_account,
            )
        )

    def _take_connect(self, raw: bytes) -> None:
        roster = self.roster
        self._trace(b"<<-", b"CONNECT " + raw)
        self._stop_timers()
        self.active_ns = roster.clock.now_ns()
        self.rtt_ns = max(1, self.active_ns - self.start_ns)
        self.ping_timer = roster.timers.schedule(roster.first_ping_delay_ns(), self.on_ping_timer)
        again = self.connected
        connect = self.connect if again else Connect()
        try:
            connect.update(raw)
        except ValueError as error:
            self._error(f"bad CONNECT: {error}")
            self.close(errors.PROTOCOL_VIOLATION)
            return
        connect.lang = intern(connect.lang)
        connect.version = intern(connect.version)
        self.connect = connect
        self.connected = True
        if again or self.entered:
            self._drop_subscriptions()
        admission = self.admit(connect)
        if admission is None or connect.account or connect.new_account:
            self._refuse_login()
            return
        if not self._enter(admission):
            return
        if not 0 <= connect.protocol <= 1:
            self._error(errors.BAD_CLIENT_PROTOCOL.text)
            self._refuse(errors.BAD_CLIENT_PROTOCOL)
            return
        headers = connect.headers and roster.rules.headers
        if connect.no_responders and not headers:
            self._error(errors.NO_RESPONDERS_WITHOUT_HEADERS.text)
            self._refuse(errors.NO_RESPONDERS_WITHOUT_HEADERS)
            return
        inbound = self.inbound
        inbound.gate = False
        inbound.verbose = connect.verbose
        inbound.pedantic = connect.pedantic
        inbound.echo = connect.echo
        inbound.headers = headers
        inbound.no_responders = connect.no_responders
        self.outbound.headers = headers
        if connect.verbose:
            self._say(_OK)

    def admit(self, connect: Connect) -> Admission | None:
        """Who that is who says this, by what the server knows now; None for nobody."""
        return self.roster.credentials.admit(connect, self.connection_type, self.nonce, self.certificate)

    def _enter(self, admission: Admission) -> bool:
        """Bind the connection to its account and its rights. False where that cannot be; the client is told then."""
        roster = self.roster
        account = roster.accounts.get(admission.account) if admission.account else roster.account
        if account is None:
            self._refuse_login()
            return False
        inbound, outbound = self.inbound, self.outbound
        if account is not self.account:
            if account.full:
                roster.complaints.seldom(self.label, errors.MAX_ACCOUNT_CONNECTIONS.text)
                self._refuse(errors.MAX_ACCOUNT_CONNECTIONS)
                return False
            self._drop_subscriptions()
            before, self.account = self.account, account
            before.leave()
            account.join()
            inbound.sublist = account.sublist
            self.shadows = None
            if account.stream_imports:
                self.renew_imports()
            if roster.events is not None:
                roster.events.on_account(before)
                roster.events.on_account(account)
        inbound.max_payload = account.max_payload
        rights = admission.rights
        responses = None if rights is None else rights.responses
        self.admitted = admission
        self.entered = roster.credentials.required
        inbound.publish_check = rights.may_publish if rights is not None and rights.limits_publish else None
        if rights is None or responses is None:
            self.replies = inbound.reply_check = outbound.replies = None
        else:
            self.replies = Replies(rights, responses, roster.clock)
            inbound.reply_check = self.may_reply
            outbound.replies = []
        if roster.events is not None:
            roster.events.on_admitted(self)
        return True

    def _enter_early(self) -> None:
        # Without a CONNECT there is nothing to go by but that nothing was said.
        admission = None
        if self.roster.credentials.no_auth_user:
            credentials = self.roster.credentials
            admission = credentials.admit(Connect(), self.connection_type, self.nonce, self.certificate)
        if admission is None:
            self._refuse_login()
            return
        if not self._enter(admission):
            return
        if self.auth_timer is not None:
            self.auth_timer.cancel()
            self.auth_timer = None
        self.inbound.gate = False

    def _take_rare(self, code: int, item: tuple[Any, ...]) -> None:
        if code == op.EARLY:
            self._enter_early()
        elif code == op.DENIED:
            self._say_err(errors.publish_denied(item[1]))
            self._error(f"Publish Violation - Subject {errors.quoted(item[1])}")
        elif code == op.DENIED_REPLY:
            self._say_err(errors.reply_denied(item[1]))
            self._error(f"Publish Violation - Reply {errors.quoted(item[1])}")
        elif code == op.PEDANTIC:
            self._refuse(errors.INVALID_PUBLISH_SUBJECT)
        elif code == op.ERR:
            self._error(f"Client Error {text_of(item[1])}")
            self.close(errors.PARSE_ERROR)
        elif code == op.INFO:
            self._take_info(item[1])

    def _take_info(self, raw: bytes) -> None:
        # A client has nothing to tell by INFO, but the Go server reads it and minds when it cannot.
        try:
            readable = isinstance(load_json(raw), tuple | None)
        except ValueError:
            readable = False
        if not readable:
            self.close(errors.PROTOCOL_VIOLATION)

    # Refusals.

    def _refuse_login(self) -> None:
        connect = self.connect
        about = ""
        if connect.nkey:
            about = f" - Nkey {errors.quoted(connect.nkey.encode())}"
        elif connect.user:
            about = f" - User {errors.quoted(connect.user.encode())}"
        elif connect.token:
            about = ' - Token "[REDACTED]"'
        self._error(f"authentication error{about}")
        if self.roster.events is not None:
            self.roster.events.on_refused(self, errors.AUTHORIZATION_VIOLATION.reason or "")
        self._refuse(errors.AUTHORIZATION_VIOLATION)

    # Timers.

    def on_auth_timeout(self) -> None:
        """The client had its time to authenticate."""
        self.auth_timer = None
        self._debug(errors.AUTHENTICATION_TIMEOUT.text)
        self._refuse(errors.AUTHENTICATION_TIMEOUT)

    def on_ping_timer(self) -> None:
        """Time to ask whether the client is still there, unless it showed that by itself."""
        roster = self.roster
        rules = roster.rules
        now = roster.clock.now_ns()
        self.ping_timer = None
        self._debug("Client Ping Timer")
        measured = self.ping_sent_ns and now - self.ping_sent_ns <= RTT_INTERVAL_NS
        if not measured or now - self.heard_ns >= rules.ping_interval_ns:
            if self.pings_out + 1 > rules.ping_max:
                self._debug("Stale Client Connection - Closing")
                roster.stale_connections += 1
                self._refuse(errors.STALE_CONNECTION)
                return
            self.ping_sent_ns = now
            self.pings_out += 1
            self._say(_PING)
        self.ping_timer = roster.timers.schedule(rules.ping_interval_ns, self.on_ping_timer)

    # For whoever decides about sessions from outside, as a reload does.
    adopt = _enter
    refuse_login = _refuse_login
