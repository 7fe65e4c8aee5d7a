"""Asking servers over the system account: one request, the answers of all of them as JSON objects."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from natsd.cli.exit_codes import ERROR, NOT_PERMITTED, CommandFailed
from natsd.client.errors import NoResponders, PermissionsViolation, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from natsd.client.connection import Connection

    Answer = dict[str, Any]

ALL = "$SYS.REQ.SERVER.PING"
# Where nobody says how many servers there are: how much longer than the slowest so far the next one may take.
LAST_ONE_S = 0.3


class Fleet:
    """The servers that answer on a connection of the system account."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._size = 0

    def stream(self, subject: str, body: Answer | None = None, expect: int = 0) -> Iterator[tuple[Answer, int]]:
        """Answers as they come, each with the nanoseconds it took; ends after `expect` of them or when no more come.

        Raises CommandFailed when nobody answers, or when a server answers with an error.
        """
        started = time.monotonic()
        started_ns = time.perf_counter_ns()
        inbox = self._connection.start_request(subject, json.dumps(body).encode() if body else b"")
        count = 0
        patience_s = self._timeout_s
        while not expect or count < expect:
            left = started + self._timeout_s - time.monotonic()
            try:
                message = self._connection.next_reply(inbox, min(left, patience_s))
            except NoResponders:
                raise _nobody(subject) from None
            except PermissionsViolation as problem:
                raise CommandFailed(f"{problem} ({subject} {_PRIVILEGES})", NOT_PERMITTED) from None
            except Timeout:
                break
            took_ns = time.perf_counter_ns() - started_ns
            count += 1
            if not expect:
                patience_s = LAST_ONE_S + 2 * took_ns / 1e9
            yield read_answer(message.payload), took_ns
        if not count:
            raise _nobody(subject)

    def gather(self, kind: str, body: Answer | None = None, expect: int = 0) -> list[Answer]:
        """What every server answers to a kind of request such as ``VARZ``; the number of servers is found out first."""
        return [answer for answer, _ in self.stream(f"{ALL}.{kind}", body, expect or self.size())]

    def size(self) -> int:
        """How many servers there are, 0 where they do not tell."""
        if not self._size:
            first = next(self.stream(f"{ALL}.STATSZ", None, 1))[0]
            self._size = int(first.get("statsz", {}).get("active_servers") or 0)
        return self._size

    def find(self, name: str, kind: str, body: Answer | None = None) -> Answer:
        """What the server with this name or id answers. Raises CommandFailed when there is none."""
        server_id = name if _is_id(name) else self._id_of(name)
        return next(self.stream(f"$SYS.REQ.SERVER.{server_id}.{kind}", body, 1))[0]

    def _id_of(self, name: str) -> str:
        servers = [server_of(answer) for answer in self.gather("STATSZ")]
        for server in servers:
            if server.get("name") == name:
                return str(server.get("id"))
        known = ", ".join(sorted(str(server.get("name")) for server in servers))
        raise CommandFailed(f'unknown server "{name}" (there are: {known})')


_PRIVILEGES = "needs the privileges of the system account"


def _nobody(subject: str) -> CommandFailed:
    return CommandFailed(f"no server answered: {subject} {_PRIVILEGES}", ERROR)


def _is_id(name: str) -> bool:
    return len(name) == 56 and name.startswith("N") and name.isalnum() and name.isupper()


def read_answer(payload: bytes) -> Answer:
    """One answer. Raises CommandFailed for what is no JSON object, and for an error that a server reports."""
    try:
        answer = json.loads(payload)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise CommandFailed("a server answered with something else than a JSON object")
    error = answer.get("error")
    if isinstance(error, dict):
        raise CommandFailed(f"{server_of(answer).get('name', 'a server')}: {error.get('description', error)}")
    return answer


def data_of(answer: Answer) -> Answer:
    data = answer.get("data")
    return data if isinstance(data, dict) else {}


def server_of(answer: Answer) -> Answer:
    server = answer.get("server")
    return server if isinstance(server, dict) else {}


def repeat(draw: Callable[[], None], every_s: float, rounds: int = 0) -> None:
    """Draw again and again, on a fresh screen where it is a terminal."""
    from natsd.cli import console

    terminal = console.is_terminal(1)
    number = 0
    while True:
        if terminal:
            console.out(b"\033[2J\033[H")
        draw()
        console.flush()
        number += 1
        if rounds and number >= rounds:
            return
        time.sleep(every_s)
