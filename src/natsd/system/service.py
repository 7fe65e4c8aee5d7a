"""The service itself: the subjects it listens on, and who answers on which.

It answers in the system account alone. What every account may ask about itself reaches it by the imports that every
account has without asking, see accounts/system_imports.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.kernel import Subscription
from natsd.protocol.errors import KICKED
from natsd.subjects.valid import is_valid
from natsd.system.events import Events

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from natsd.accounts.account import Account
    from natsd.base.log import Log
    from natsd.kernel import Sublist
    from natsd.monitor.document import Document, Steps
    from natsd.monitor.view import ServerView
    from natsd.session.roster import Roster
    from natsd.session.session import Session
    from natsd.system.answers import Answers
    from natsd.system.envelope import Envelope
    from natsd.system.request import Request
    from natsd.system.sender import Sender

    class System(ServerView, Protocol):
        """The server, as this room sees it."""

        @property
        def roster(self) -> Roster: ...

    Message = tuple[bytes, bytes | None, bytes | None, bytes]
    Answer = Callable[[Request], Document | Steps | None]

OF_SERVER = (
    "VARZ", "SUBSZ", "CONNZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "JSZ", "HEALTHZ", "PROFILEZ", "EXPVARZ",
    "IPQUEUESZ", "RAFTZ",
)  # fmt: skip
"""What is asked of a server and answered in an envelope."""
OF_ACCOUNT = ("SUBSZ", "CONNZ", "LEAFZ", "JSZ", "INFO", "STATZ")
ACCOUNT_AT = 3
"""Where the account stands in a subject such as $SYS.REQ.ACCOUNT.A.CONNZ."""


class Service:
    """Answers and tells for one server. on_reload: reads the configuration again, raises what is wrong with it.

    What answers are made with is loaded with the first request, because a server should start before it is asked.
    """

    __slots__ = ("_answers", "_envelope", "_log", "_sender", "_system", "events", "on_reload", "server", "server_id")

    def __init__(self, server: System, system: Account, log: Log) -> None:
        self.server = server
        self.server_id = server.roster.info.server_id
        self._system = system
        self._log = log
        self._answers: Answers | None = None
        self._envelope: Envelope | None = None
        self._sender: Sender | None = None
        self.events = Events(self, system)
        self.on_reload: Callable[[], None] | None = None
        self._listen()
        self.events.own = len(system.sublist)

    @property
    def waiting(self) -> int:
        """Long answers that are being made."""
        return 0 if self._sender is None else self._sender.waiting

    @property
    def envelope(self) -> Envelope:
        """What signs answers and events."""
        if self._envelope is None:
            from natsd.system.envelope import Envelope

            self._envelope = Envelope(self.server)
        return self._envelope

    @property
    def sender(self) -> Sender:
        """What sends them."""
        if self._sender is None:
            from natsd.system.sender import Sender

            self._sender = Sender(self.server.clock, self.server.timers, self._log)
        return self._sender

    @property
    def answers(self) -> Answers:
        """What is answered."""
        if self._answers is None:
            from natsd.system.answers import Answers

            self._answers = Answers(self.server)
        return self._answers

    def _listen(self) -> None:
        sublist, mine = self._system.sublist, f"$SYS.REQ.SERVER.{self.server_id}."
        for prefix in (mine, "$SYS.REQ.SERVER.PING."):
            self._subscribe(sublist, prefix + "IDZ", self._tell_id)
            self._subscribe(sublist, prefix + "STATSZ", self._tell_statsz)
            for kind in OF_SERVER:
                self._subscribe(sublist, prefix + kind, self._of_server(kind))
        self._subscribe(sublist, "$SYS.REQ.SERVER.PING", self._tell_statsz)
        for kind in OF_ACCOUNT:
            self._subscribe(sublist, f"$SYS.REQ.ACCOUNT.*.{kind}", self._of_account(kind))
        self._subscribe(sublist, "$SYS.REQ.ACCOUNT.*.CONNS", self._tell_conns)
        self._subscribe(sublist, "$SYS.REQ.ACCOUNT.PING.STATZ", self._of_accounts)
        self._subscribe(sublist, "$SYS.REQ.ACCOUNT.NSUBS", self._count_for_server)
        self._subscribe(sublist, "$SYS.DEBUG.SUBSCRIBERS", self._count_for_user)
        self._subscribe(sublist, "$SYS.REQ.USER.*.INFO", lambda message: self._tell_user(message, sublist))
        for kind, obey in (("RELOAD", self._reload), ("KICK", self._kick), ("LDM", self._make_lame)):
            self._subscribe(sublist, mine + kind, self._commanded(kind, obey))

    def _subscribe(self, sublist: Sublist, subject: str, answer: Callable[[Message], None]) -> None:
        def on_batch(batch: list[Message]) -> None:
            for message in batch:
                try:
                    answer(message)
                except Exception as error:  # noqa: BLE001 - a broken answer must not take the asker's connection with it
                    self._log.error(f"Error answering {subject}: {error!r}")

        sublist.insert(Subscription(subject.encode(), b"%d" % (len(sublist) + 1), None, None, on_batch))

    # Requests with an envelope.

    def _of_server(self, kind: str) -> Callable[[Message], None]:
        return lambda message: self._answer(kind, message, lambda request: self.answers.of_server(kind, request))

    def _of_account(self, kind: str) -> Callable[[Message], None]:
        def answer(message: Message) -> None:
            account = _account_in(message[0])
            if kind != "STATZ" or account != "PING":  # that one is for all accounts
                self._answer(kind, message, lambda request: self.answers.of_account(kind, account, request))

        return answer

    def _of_accounts(self, message: Message) -> None:
        self._answer("STATZ", message, lambda request: self.answers.of_accounts(request))

    def _answer(self, kind: str, message: Message, ask: Answer, sublist: Sublist | None = None) -> None:
        from natsd.monitor.query import BadQuery
        from natsd.system.request import BadRequest, accepted_encoding, parse

        _, reply, header, body = message
        if reply is None:
            return
        sublist = self._system.sublist if sublist is None else sublist
        encoding = ""
        answer: Document | Steps
        try:
            request = parse(kind, body)
            if not request.is_for(self.server.roster.info, self.server.options):
                return
            if self.sender.full:
                answer = self.envelope.refuse(503, "too many answers are being made")
            else:
                found = ask(request)
                if found is None:
                    return
                answer = self.envelope.wrap(found)
                encoding = accepted_encoding(header)
        except BadRequest as error:
            answer = self.envelope.refuse(400, str(error))
        except BadQuery as error:
            answer = self.envelope.refuse(500, str(error), data=True)
        self.sender.send(sublist, reply, answer, encoding)

    # Requests without one.

    def _tell_id(self, message: Message) -> None:
        info = self.server.roster.info
        if message[1] is not None:
            document: Document = {"name": info.server_name, "host": info.host, "id": info.server_id}
            self.sender.send(self._system.sublist, message[1], document)

    def _tell_statsz(self, message: Message) -> None:
        from natsd.system.request import BadRequest, parse

        _, reply, _, body = message
        try:
            if not parse("STATSZ", body).is_for(self.server.roster.info, self.server.options):
                return
        except BadRequest as error:
            if reply is not None:
                self.sender.send(self._system.sublist, reply, self.envelope.refuse(400, str(error)))
            return
        if reply is None:
            self.events.tell_statsz(now=True)
        else:
            self.sender.send(self._system.sublist, reply, self.events.statsz())

    def _tell_conns(self, message: Message) -> None:
        account = self.server.accounts.get(_account_in(message[0]))
        if message[1] is not None and account is not None and account.connections:
            self.sender.send(self._system.sublist, message[1], self.events.conns(account))

    def _tell_user(self, message: Message, sublist: Sublist) -> None:
        from natsd.system.user_info import user_info

        session: Session | None = self.server.road.speaker
        if message[1] is not None and session is not None:
            self.sender.send(sublist, message[1], self.envelope.wrap(user_info(session)))

    def _count_for_server(self, message: Message) -> None:
        from natsd.protocol.peer_json import load_json

        try:
            asked = dict(load_json(message[3]))
        except (ValueError, TypeError) as error:
            self._log.error(f"Error unmarshalling account nsubs request message: {error}")
            return
        account = self.server.accounts.get(str(asked.get("acc", "")))
        subject, queue = asked.get("subject"), asked.get("queue")
        if account is not None and account.connections and isinstance(subject, str):
            from base64 import b64decode

            group = b64decode(queue) if isinstance(queue, str) else None
            self._tell_count(message, account, subject.encode(), group)

    def _count_for_user(self, message: Message) -> None:
        words = message[3].split()
        session: Session | None = self.server.road.speaker
        account = self._system if session is None else session.account
        if words:
            self._tell_count(message, account, words[0], words[1] if len(words) > 1 else None)

    def _tell_count(self, message: Message, account: Account, subject: bytes, queue: bytes | None) -> None:
        from natsd.system.interest import count_subscriptions

        if message[1] is not None:
            number = count_subscriptions(account, subject, queue) if is_valid(subject) else 0
            self._system.sublist.publish(message[1], None, None, b"%d" % number)

    # Commands.

    def _commanded(self, kind: str, obey: Callable[[Request], str]) -> Callable[[Message], None]:
        return lambda message: self._command(kind, message, obey)

    def _command(self, kind: str, message: Message, obey: Callable[[Request], str]) -> None:
        """Obey, and answer with what `obey` had to complain of."""
        from natsd.system.request import BadRequest, parse

        _, reply, _, body = message
        if reply is None:
            return
        try:
            request = parse(kind, body)
            if not request.is_for(self.server.roster.info, self.server.options):
                return
            trouble = obey(request)
            answer = self.envelope.refuse(500, trouble) if trouble else self.envelope.wrap()
        except BadRequest as error:
            answer = self.envelope.refuse(400, str(error))
        self.sender.send(self._system.sublist, reply, answer)

    def _kick(self, request: Request) -> str:
        session = self.server.roster.connections.get(request.values.get("cid", 0))
        if session is None:
            return "no such client or leafnode id"
        session.close(KICKED)
        return ""

    def _make_lame(self, request: Request) -> str:
        session = self.server.roster.connections.get(request.values.get("cid", 0))
        if session is None:
            return "no such client id"
        if session.send_lame_duck():
            return ""
        return "client does not support Lame Duck Mode or is not ready to receive the notification"

    def _reload(self, request: Request) -> str:
        if self.on_reload is None:
            return "reloading the configuration is not supported yet"
        try:
            self.on_reload()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, who asked is told
            return str(error) or repr(error)
        return ""


def _account_in(subject: bytes) -> str:
    return subject.split(b".")[ACCOUNT_AT].decode("utf-8", "replace")
