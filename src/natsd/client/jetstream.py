"""JetStream as a client sees it: its API over request and reply, publishing with acks, and what replies carry.

Configurations and answers stay the dictionaries that the server sent: what this client does not know survives. Pulling
and ordered reading are in pulling.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from natsd.client.errors import BadSubject, ClientError, NoResponders, Timeout
from natsd.client.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from natsd.client.connection import Connection
    from natsd.client.message import Subscription

    Answer = dict[str, Any]
    Pairs = Iterable[tuple[str, str]]

DEFAULT_PREFIX = "$JS.API"
ACK, NAK, PROGRESS, TERM = b"+ACK", b"-NAK", b"+WPI", b"+TERM"
STREAM_NOT_FOUND, CONSUMER_NOT_FOUND, MESSAGE_NOT_FOUND, WRONG_LAST_SEQUENCE = 10059, 10014, 10037, 10071


class ApiError(ClientError):
    """What a server objects to in a request: HTTP-like `code`, `err_code` of the error table, its description.

    `failed` says what was asked for, as ``could not load Stream ORDERS``.
    """

    def __init__(self, code: int, err_code: int, description: str, failed: str = "") -> None:
        reason = f"{description} ({err_code})" if err_code else description
        super().__init__(f"{failed}: {reason}" if failed else reason)
        self.code = code
        self.err_code = err_code
        self.description = description


# Beginnings of requests, and what could not be done where one is refused; the names come behind.
_FAILED = (
    ("STREAM.CREATE", "create Stream"),
    ("STREAM.UPDATE", "change Stream"),
    ("STREAM.INFO", "load Stream"),
    ("STREAM.DELETE", "delete Stream"),
    ("STREAM.PURGE", "purge Stream"),
    ("STREAM.MSG.DELETE", "remove a message of Stream"),
    ("STREAM.SNAPSHOT", "back up Stream"),
    ("STREAM.RESTORE", "restore Stream"),
    ("CONSUMER.CREATE", "create Consumer"),
    ("CONSUMER.INFO", "load Consumer"),
    ("CONSUMER.DELETE", "delete Consumer"),
    ("CONSUMER.PAUSE", "pause or resume Consumer"),
    ("CONSUMER.RESET", "reset Consumer"),
    ("CONSUMER.UNPIN", "unpin Consumer"),
    ("CONSUMER.NAMES", "list the Consumers of Stream"),
    ("CONSUMER.LIST", "list the Consumers of Stream"),
)


def _failed(verb: str) -> str:
    for begin, words in _FAILED:
        if verb.startswith(f"{begin}."):
            return f"could not {words} {' > '.join(verb[len(begin) + 1 :].split('.'))}"
    return ""


class JetStreamMissing(NoResponders):
    """Nobody answers JetStream requests in this account."""

    text = "nats: JetStream is not enabled for this account or on this server"


class BadName(BadSubject):
    """A name of a stream or consumer that cannot be one."""


def check_name(name: str, what: str = "stream") -> str:
    """A name that can stand in a subject as one token. Raises BadName."""
    if not name or not name.isprintable() or any(char in name for char in " .*>/\\"):
        raise BadName(f'nats: invalid {what} name "{name}": no blanks, dots, stars, slashes, or >')
    return name


class Meta:
    """What the reply subject of a delivered message says: where it comes from, what is still to come (-1: unknown)."""

    __slots__ = ("consumer", "consumer_seq", "delivered", "domain", "pending", "stream", "stream_seq", "time_ns")

    def __init__(self, tokens: list[str]) -> None:
        """From the tokens behind ``$JS.ACK``, in the old form (7) or the new one (9 and more)."""
        self.domain = ""
        if len(tokens) > 7:
            self.domain = "" if tokens[0] == "_" else tokens[0]
            tokens = tokens[2:]
        self.stream = tokens[0]
        self.consumer = tokens[1]
        self.delivered, self.stream_seq, self.consumer_seq, self.time_ns, self.pending = map(int, tokens[2:7])


class StoredMessage(Message):
    """A message that was got from a stream without a consumer; `meta` has neither the consumer nor its numbers."""

    __slots__ = ("meta",)

    def __init__(
        self,
        subject: bytes,
        header: bytes | None,
        payload: bytes,
        subscription: Subscription,
        stream: str,
        sequence: int,
        time_ns: int,
    ) -> None:
        super().__init__(subject, None, header, payload, subscription)
        self.meta = Meta([stream, "", "0", str(sequence), "0", str(time_ns), "-1"])


def meta_of(message: Message) -> Meta | None:
    """What a message says of its stream and consumer; None for one that is of no stream."""
    if isinstance(message, StoredMessage):
        return message.meta
    reply = message.reply_bytes
    if reply is None or not reply.startswith(b"$JS.ACK."):
        return None
    tokens = reply.decode("utf-8", "surrogateescape").split(".")[2:]
    if len(tokens) != 7 and len(tokens) < 9:
        return None
    try:
        return Meta(tokens)
    except ValueError:
        return None


def is_control(connection: Connection, message: Message) -> bool:
    """Whether a push consumer sent it about itself: a heartbeat, or flow control, which is answered."""
    if status_of(message) != 100:
        return False
    stalled = dict(message.headers).get("Nats-Consumer-Stalled")
    if stalled:
        connection.publish(stalled)
    elif message.reply_bytes:
        connection.respond(message)
    return True


class JetStream:
    """The JetStream of one connection. `prefix` is where its API is; `trace` hears ``>>>`` and ``<<<`` lines."""

    def __init__(
        self,
        connection: Connection,
        prefix: str = DEFAULT_PREFIX,
        timeout_s: float = 5.0,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.connection = connection
        self.prefix = prefix or DEFAULT_PREFIX
        self.timeout_s = timeout_s
        self._trace = trace

    # -- the API

    def call(self, verb: str, body: Answer | None = None, timeout_s: float | None = None, failed: str = "") -> Answer:
        """One request to the API; `failed` says what could not be done where the verb does not.

        Raises ApiError, JetStreamMissing, Timeout.
        """
        subject = f"{self.prefix}.{verb}"
        raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogateescape") if body else b""
        wait_s = self.timeout_s if timeout_s is None else timeout_s
        if self._trace is not None:
            self._trace(f">>> {subject}\n{raw.decode('utf-8', 'replace')}\n")
        try:
            message = self.connection.request(subject, raw, timeout_s=wait_s)
        except NoResponders:
            raise JetStreamMissing() from None
        if self._trace is not None:
            self._trace(f"<<< {subject}: {message.payload.decode('utf-8', 'replace')}\n")
        try:
            return read_answer(message.payload)
        except ApiError as problem:
            raise ApiError(problem.code, problem.err_code, problem.description, failed or _failed(verb)) from None

    def pages(self, verb: str, key: str, body: Answer | None = None) -> Iterator[Answer]:
        """The pages of a list; `key` is what is listed in them."""
        offset = 0
        while True:
            answer = self.call(verb, {**(body or {}), "offset": offset})
            yield answer
            count = len(answer.get(key) or ())
            offset += count
            if not count or offset >= int(answer.get("total") or 0):
                return

    def account_info(self) -> Answer:
        return self.call("INFO")

    # -- streams

    def stream_names(self, subject: str = "") -> list[str]:
        """Names of all streams, sorted; with `subject` of those with interest in it."""
        body = {"subject": subject} if subject else {}
        found = [name for page in self.pages("STREAM.NAMES", "streams", body) for name in page.get("streams") or ()]
        return sorted(found)

    def streams(self, subject: str = "") -> tuple[list[Answer], list[str], dict[str, str]]:
        """All streams with configuration and state, those that did not answer, and those that are offline and why."""
        found: list[Answer] = []
        missing: list[str] = []
        offline: dict[str, str] = {}
        for page in self.pages("STREAM.LIST", "streams", {"subject": subject} if subject else {}):
            found.extend(page.get("streams") or ())
            missing.extend(page.get("missing") or ())
            offline.update(page.get("offline") or {})
        return found, missing, offline

    def stream_info(self, name: str, **body: object) -> Answer:
        return self.call(f"STREAM.INFO.{check_name(name)}", dict(body))

    def subjects(self, name: str, pattern: str = ">") -> dict[str, int]:
        """Subjects a stream holds messages of, with how many."""
        found: dict[str, int] = {}
        while True:
            answer = self.call(f"STREAM.INFO.{check_name(name)}", {"subjects_filter": pattern, "offset": len(found)})
            some = (answer.get("state") or {}).get("subjects") or {}
            found.update(some)
            if not some or len(found) >= int(answer.get("total") or 0):
                return found

    def create_stream(self, config: Answer) -> Answer:
        return self.call(f"STREAM.CREATE.{check_name(str(config.get('name', '')))}", config)

    def update_stream(self, config: Answer) -> Answer:
        return self.call(f"STREAM.UPDATE.{check_name(str(config.get('name', '')))}", config)

    def delete_stream(self, name: str) -> Answer:
        return self.call(f"STREAM.DELETE.{check_name(name)}")

    def purge_stream(self, name: str, **body: object) -> int:
        """Remove messages; all of them, or what `filter`, `seq` and `keep` say. Returns how many."""
        return int(self.call(f"STREAM.PURGE.{check_name(name)}", dict(body)).get("purged") or 0)

    def delete_message(self, name: str, sequence: int, erase: bool = True) -> Answer:
        return self.call(
            f"STREAM.MSG.DELETE.{check_name(name)}", {"seq": sequence, **({} if erase else {"no_erase": True})}
        )

    def get_message(self, name: str, **body: object) -> Answer:
        """A stored message by `seq`, by `last_by_subj`, or the first of `next_by_subj` from `seq` on, as it is kept."""
        at = f"message {body['seq']}" if "seq" in body else f"the last message of {body.get('last_by_subj', '')}"
        failed = f"could not load {at} of Stream {name}"
        message: Answer = self.call(f"STREAM.MSG.GET.{check_name(name)}", dict(body), failed=failed)["message"]
        return message

    def direct_get(self, name: str, **body: object) -> Message:
        """The same from whatever replica is near. Raises ApiError 10037 where there is no such message."""
        subject = f"{self.prefix}.DIRECT.GET.{check_name(name)}"
        try:
            message = self.connection.request(subject, json.dumps(body).encode(), timeout_s=self.timeout_s)
        except NoResponders:
            raise JetStreamMissing() from None
        status = status_of(message)
        if status == 404:
            raise ApiError(404, MESSAGE_NOT_FOUND, "no message found")
        if status >= 400:
            raise ApiError(status, 0, dict(message.headers).get("Description", f"status {status}"))
        return message

    # -- consumers

    def consumer_names(self, stream: str) -> list[str]:
        pages = self.pages(f"CONSUMER.NAMES.{check_name(stream)}", "consumers")
        return sorted(name for page in pages for name in page.get("consumers") or ())

    def consumers(self, stream: str) -> tuple[list[Answer], list[str], dict[str, str]]:
        """All consumers of a stream, those that did not answer, and those that are offline and why."""
        found: list[Answer] = []
        missing: list[str] = []
        offline: dict[str, str] = {}
        for page in self.pages(f"CONSUMER.LIST.{check_name(stream)}", "consumers"):
            found.extend(page.get("consumers") or ())
            missing.extend(page.get("missing") or ())
            offline.update(page.get("offline") or {})
        return found, missing, offline

    def consumer_info(self, stream: str, name: str) -> Answer:
        return self.call(f"CONSUMER.INFO.{check_name(stream)}.{check_name(name, 'consumer')}")

    def create_consumer(self, stream: str, config: Answer, action: str = "") -> Answer:
        """Create a consumer, or change it; `action` is empty for both, ``create`` or ``update``."""
        body: Answer = {"stream_name": stream, "config": config}
        if action:
            body["action"] = action
        check_name(stream)
        name = config.get("name") or config.get("durable_name")
        if not name:
            return self.call(f"CONSUMER.CREATE.{stream}", body)
        return self.call(f"CONSUMER.CREATE.{stream}.{check_name(str(name), 'consumer')}", body)

    def delete_consumer(self, stream: str, name: str) -> Answer:
        return self.call(f"CONSUMER.DELETE.{check_name(stream)}.{check_name(name, 'consumer')}")

    # -- publishing

    def publish(
        self, subject: str, payload: bytes = b"", headers: Pairs | None = None, timeout_s: float | None = None
    ) -> Answer:
        """Publish and wait for the ack of the stream, which is returned."""
        connection = self.connection
        wait_s = self.timeout_s if timeout_s is None else timeout_s
        try:
            return read_answer(connection.request(subject, payload, headers, wait_s).payload)
        except NoResponders:
            hint = "nats stream ls shows what streams there are"
            raise NoResponders(f'nats: no stream takes "{subject}" ({hint})') from None

    def window(self, most: int) -> AckWindow:
        """For publishing without waiting for each ack."""
        return AckWindow(self, most)


class AckWindow:
    """Publishes with at most so many acks outstanding; the first bad ack is raised."""

    def __init__(self, js: JetStream, most: int) -> None:
        self._connection = js.connection
        self._timeout_s = js.timeout_s
        self._most = max(1, most)
        self._inbox = self._connection.new_inbox()
        self._acks = self._connection.subscribe(self._inbox)
        self._waiting = 0
        self.last: Answer = {}

    def publish(self, subject: str, payload: bytes, headers: Pairs | None = None) -> None:
        self._connection.publish(subject, payload, self._inbox, headers)
        self._waiting += 1
        while self._waiting >= self._most:
            self._take()
        # What has come meanwhile is looked at without waiting.
        while self._acks.queue:
            self._take()

    def _take(self) -> None:
        message = self._acks.next(self._timeout_s)
        if message is None:
            error = self._connection.take_error()
            raise error if error is not None else Timeout("nats: timeout: no ack from the stream")
        if message.is_no_responders:
            raise NoResponders("nats: no stream takes this subject")
        self._waiting -= 1
        self.last = read_answer(message.payload)

    def finish(self) -> None:
        """Wait for all acks and end the subscription."""
        while self._waiting:
            self._take()
        self._acks.unsubscribe()


def read_answer(payload: bytes) -> Answer:
    """An answer of the API or an ack. Raises ApiError for one that is an error, or no JSON object."""
    try:
        answer = json.loads(payload)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ClientError("nats: the answer of the JetStream API is not a JSON object")
    error = answer.get("error")
    if isinstance(error, dict):
        raise ApiError(int(error.get("code") or 0), int(error.get("err_code") or 0), str(error.get("description", "")))
    return answer


def status_of(message: Message) -> int:
    """The status of a message without a payload of its own (404, 408, 409, 100 ...), 0 for an ordinary one."""
    if message.header is None or message.payload:
        return 0
    first = message.header[8:16].split(b"\r", 1)[0].split()
    return int(first[0]) if first and first[0].isdigit() else 0
