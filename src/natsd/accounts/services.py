"""Service imports: requests of one account that are answered in another.

1. A request on an imported subject is carried into the exporter's account at once, under the exporter's name for the
   subject, with the exporter's mappings, and with a header that says who asks. If nobody takes it there, it is as if
   nobody had heard it here, so that the asker gets its 503.
2. Its reply subject is replaced by one under `_R_.` that holds 80 random bits. What is published on that in the
   exporter's account is carried back to the asker's account, under the reply subject it had.
3. A way back ends with the first answer (single) or with an empty one (stream, chunked), when an answer reaches nobody,
   or when none came for `threshold`; an import keeps MOST_OPEN ways back, and the oldest makes room.
4. A message does not pass an export twice.

Whoever serves in the system account adds what it needs with `export_service` and `import_service`:

    border = server.border
    export_service(system, "$SYS.REQ.USER.*.INFO")
    import_service(border, account, system, "$SYS.REQ.USER.A.INFO", to="$SYS.REQ.USER.INFO", share=True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS, to_ns
from natsd.kernel import Carrier, Subscription
from natsd.protocol.info import quote_json
from natsd.subjects.two_way import TwoWay
from natsd.subjects.valid import has_wildcard, tokens

if TYPE_CHECKING:
    from natsd.accounts.account import Account
    from natsd.accounts.border import Border, Speaker
    from natsd.base.clock import Timer
    from natsd.config.records import Import

THRESHOLD_NS = 120 * SECOND_NS
MOST_OPEN = 65536
"""Ways back that one import keeps open."""

_ANSWERS = b"_R_."
_ACK = b"$JS.ACK."
_SINGLE = "single"
_INFO = b"Nats-Request-Info: "
_HEADER_LINE = b"NATS/1.0\r\n"


class ServiceExport:
    """What an account lets others ask for. response: single, stream or chunked."""

    __slots__ = ("response", "subject", "threshold_ns")

    def __init__(self, subject: bytes, response: str = _SINGLE, threshold_ns: int = 0) -> None:
        self.subject = subject
        self.response = response
        self.threshold_ns = threshold_ns or THRESHOLD_NS


class Answer:
    """One way back: what is published as `subject` in `account` goes to `asker` as `reply`."""

    __slots__ = ("account", "asker", "reply", "service", "since_ns", "subject")

    def __init__(
        self, account: Account, asker: Account, service: ServiceImport, subject: bytes, reply: bytes, since_ns: int
    ) -> None:
        self.account = account
        self.asker = asker
        self.service = service
        self.subject = subject
        self.reply = reply
        self.since_ns = since_ns


class Answers:
    """The ways back out of one account."""

    __slots__ = ("_border", "_open", "_prefix", "_subscription", "account")

    def __init__(self, account: Account, border: Border) -> None:
        self.account = account
        self._border = border
        self._open: dict[bytes, Answer] = {}
        self._prefix = _ANSWERS + border.secret(8) + b"."
        self._subscription = Subscription(self._prefix + b">", b"", None, None, Carrier(self._carry))
        account.sublist.insert(self._subscription)

    def __len__(self) -> int:
        return len(self._open)

    def open(self, service: ServiceImport, asker: Account, reply: bytes) -> Answer:
        """A way back for one question."""
        border = self._border
        subject = self._prefix + border.secret(10)
        answer = Answer(self.account, asker, service, subject, reply, border.clock.now_ns())
        self._open[subject] = answer
        service.add(answer)
        return answer

    def end(self) -> None:
        """The account is no more; neither is what it was asked."""
        for answer in list(self._open.values()):
            self.close(answer)
        self.account.sublist.remove(self._subscription)
        self.account.answers = None
        del self._subscription

    def close(self, answer: Answer) -> None:
        """Nothing more goes this way."""
        self._open.pop(answer.subject, None)
        answer.service.open.pop(answer.subject, None)

    def _carry(
        self, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes, shown: bytes | None = None
    ) -> int:
        answer = self._open.get(subject)
        if answer is None:
            return 1  # the server heard it, and nobody wants it any more
        service = answer.service
        back = None
        if reply is not None and not reply.startswith(_ACK):
            # Whoever answers may ask back.
            back = answers_of(answer.asker, self._border).open(service, self.account, reply)
            reply = back.subject
        sublist = answer.asker.sublist
        if shown is None:
            taken = sublist.bring(answer.reply, reply, header, payload)
        else:
            # A stream's message keeps the subject it was published on.
            taken = sublist.deliver_as(answer.reply, shown, reply, header, payload)
        if not taken or service.export.response == _SINGLE or (not payload and header is None):
            self.close(answer)
            if back is not None and not taken:
                answers_of(answer.asker, self._border).close(back)
        else:
            service.refresh(answer, self._border.clock.now_ns())
        return 1


def answers_of(account: Account, border: Border) -> Answers:
    """The ways back out of an account; it has none before the first question."""
    if account.answers is None:
        account.answers = Answers(account, border)
    return account.answers


class ServiceImport:
    """One import. account: who imports; exporter: from whom. to: the importer's subject. Raises TransformError.

    given: by the configuration, not by the server.
    """

    __slots__ = (
        "_border",
        "_timer",
        "_to",
        "_way",
        "account",
        "export",
        "exporter",
        "given",
        "open",
        "share",
        "subject",
        "subscription",
        "to",
    )

    def __init__(
        self,
        border: Border,
        account: Account,
        exporter: Account,
        export: ServiceExport,
        record: Import,
        *,
        given: bool = True,
    ) -> None:
        self._border = border
        self.account = account
        self.exporter = exporter
        self.export = export
        self.subject = record.subject.encode()
        self.share = record.share
        self.given = given
        self._way = service_way(record)
        self.to = self._way.pattern if self._way is not None else record.to.encode()
        self._to = self.subject if self._way is None else None
        self.open: dict[bytes, Answer] = {}
        self._timer: Timer | None = None
        self.subscription = Subscription(self.to, b"", None, None, Carrier(self._carry))

    # Ways back.

    def add(self, answer: Answer) -> None:
        """One more way back is open."""
        if len(self.open) >= MOST_OPEN:
            self._close(next(iter(self.open.values())))
        self.open[answer.subject] = answer
        if self._timer is None:
            self._timer = self._border.timers.schedule(self.export.threshold_ns, self._on_threshold)

    def refresh(self, answer: Answer, now_ns: int) -> None:
        """An answer has come, and more may follow: the time for it runs anew."""
        answer.since_ns = now_ns
        if self.open.pop(answer.subject, None) is not None:
            self.open[answer.subject] = answer

    def _close(self, answer: Answer) -> None:
        answers_of(answer.account, self._border).close(answer)

    def _on_threshold(self) -> None:
        self._timer = None
        now, threshold = self._border.clock.now_ns(), self.export.threshold_ns
        while self.open:
            oldest = next(iter(self.open.values()))
            left = oldest.since_ns + threshold - now
            if left > 0:
                self._timer = self._border.timers.schedule(left, self._on_threshold)
                return
            self._close(oldest)

    # The way there.

    def _carry(
        self, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes, shown: bytes | None = None
    ) -> int:
        border = self._border
        path = border.path
        for passed in path:
            if passed.export is self.export:
                return 0
        to = self._to
        if to is None:
            assert self._way is not None
            to = self._way.back(tokens(subject))
            if to is None:
                return 0
        header = self._say_who(header)
        answer = None
        if reply is not None and not reply.startswith(_ACK):
            answer = answers_of(self.exporter, border).open(self, self.account, reply)
            reply = answer.subject
        path.append(self)
        try:
            if shown is None:
                taken = self.exporter.sublist.bring(to, reply, header, payload)
            else:
                taken = self.exporter.sublist.deliver_as(to, shown, reply, header, payload)
        finally:
            path.pop()
        if answer is not None and not taken:
            self._close(answer)
        return taken

    def _say_who(self, header: bytes | None) -> bytes | None:
        """The header with the one line in it that tells the exporter who asks, and no line of that name besides."""
        border = self._border
        speaker = border.speaker
        if speaker is None:
            return header
        share = border.path[-1].share if border.path else self.share
        to_system = self.exporter is border.system
        info: dict[str, object] | None = None
        if header is not None:
            header, said = without_info(header)
            # What the first import of a chain finds was written by a client, and is not even looked at.
            before = read_info(said) if border.path and said is not None else None
            if before is not None:
                asked = before.pop("acc", "")
                before.pop("svc", None)
                info = {"acc": asked, "svc": self.account.name, **before}
                if not share and (self.share or to_system):
                    info["server"] = border.server_name
        if info is None:
            info = speaker.client_info() if share else _least(speaker)
            if not share and to_system:
                info["server"] = border.server_name
        line = _INFO + _render(info) + b"\r\n\r\n"
        return (_HEADER_LINE if header is None else header[:-2]) + line


def _least(speaker: Speaker) -> dict[str, object]:
    """What every exporter is told."""
    info: dict[str, object] = {"acc": speaker.account.name}
    if speaker.rtt_ns:
        info["rtt"] = speaker.rtt_ns
    return info


def _render(info: dict[str, object]) -> bytes:
    """A JSON object of texts and numbers."""
    fields = (f'"{key}":{quote_json(value) if isinstance(value, str) else value}' for key, value in info.items())
    return ("{" + ",".join(fields) + "}").encode()


def without_info(header: bytes) -> tuple[bytes, bytes | None]:
    """A header without lines about who asks, and what the first of them said."""
    found = None
    name = _INFO[:-1].lower()
    if name not in header.lower():
        return header, None
    kept = []
    for line in header.split(b"\r\n"):
        if line[: len(name)].lower() != name:
            kept.append(line)
        elif found is None:
            found = line[len(name) :]
    return b"\r\n".join(kept), found


def read_info(said: bytes) -> dict[str, object] | None:
    """What a line about who asks says; None where it is no object."""
    from json import loads

    try:
        found = loads(said)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def service_way(record: Import) -> TwoWay | None:
    """From the exporter's subjects to the importer's; None for one subject of the exporter's. Raises TransformError."""
    subject = record.subject.encode()
    return TwoWay(subject, (record.to or record.subject).encode()) if has_wildcard(subject) else None


# Adding and taking away.


def export_service(account: Account, subject: str, response: str = _SINGLE, threshold_s: float = 0.0) -> ServiceExport:
    """Have an account export a service; it keeps what it exports already under that subject."""
    known = account.service_exports.get(subject.encode())
    if known is None:
        known = ServiceExport(subject.encode(), response, to_ns(threshold_s))
        account.service_exports[known.subject] = known
    return known


def export_of(account: Account, subject: bytes) -> ServiceExport | None:
    """The export that a service is imported by: of that very subject, or the first that covers it."""
    from natsd.accounts.permissions import covers

    exact = account.service_exports.get(subject)
    if exact is not None:
        return exact
    wanted = tokens(subject)
    return next((one for one in account.service_exports.values() if covers(tokens(one.subject), wanted)), None)


def import_service(
    border: Border, account: Account, exporter: Account, subject: str, *, to: str = "", share: bool = False
) -> ServiceImport:
    """Have an account import a service on behalf of the server, whomever it is exported to.

    to: the importer's subject, the same when empty. One that is there already is kept. Raises TransformError, and
    LookupError where nothing of the kind is exported.
    """
    from natsd.config.records import Import

    record = Import(exporter.name, subject, service=True, to=to or subject, share=share)
    known = account.service_imports.get((exporter.name, record.to.encode()))
    if known is not None:
        return known
    export = export_of(exporter, record.subject.encode())
    if export is None:
        raise LookupError(f"account {exporter.name} does not export {subject}")
    return add_import(ServiceImport(border, account, exporter, export, record, given=False))


def add_import(service: ServiceImport) -> ServiceImport:
    """Put an import to work."""
    service.account.service_imports[service.exporter.name, service.to] = service
    service.account.sublist.insert(service.subscription)
    return service


def remove_import(service: ServiceImport) -> None:
    """End an import; answers that are on their way still arrive."""
    service.account.service_imports.pop((service.exporter.name, service.to), None)
    service.account.sublist.remove(service.subscription)
    # It leads back to the import by way of the kernel, whose objects are not looked through for circles.
    del service.subscription
