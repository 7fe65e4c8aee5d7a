"""A server in memory with users in three accounts, and clients that ask and listen in them."""

from __future__ import annotations

import json
from typing import Any

from natsd.base.chance import SeededChance
from natsd.base.clock import HandClock
from natsd.base.log import Log
from natsd.server.options import Options
from natsd.server.server import Server
from natsd.session.session import Session

USERS: list[dict[str, Any]] = [
    {"user": "sys", "password": "s", "account": "$SYS"},
    {"user": "a", "password": "a", "account": "A"},
    {
        "user": "b",
        "password": "b",
        "account": "B",
        "permissions": {
            "publish": {"allow": ["$SYS.REQ.USER.INFO", "x"], "deny": "y"},
            "subscribe": {"allow": ["_INBOX.>", "foo", "bar workers"]},
            "allow_responses": {"max": 3, "expires": 60},
        },
    },
]


class Lines:
    """A sink that keeps what is logged."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, data: bytes) -> None:
        self.text += data.decode()

    def flush(self) -> None: ...


class House:
    """The server, never started: its clock is moved by hand."""

    def __init__(self, **options: Any) -> None:
        self.clock = HandClock(1_700_000_000_000_000_000)
        self.lines = Lines()
        every: dict[str, Any] = {"host": "127.0.0.1", "server_name": "one", "users": USERS, **options}
        log = Log(self.lines, lambda: 0, logtime=False)
        self.server = Server(Options(**every), log, clock=self.clock, chance=SeededChance())
        self.clock.timers = self.server.timers
        info = self.server.roster.info
        info.host, info.port = "127.0.0.1", 4222
        info.refresh()
        assert self.server.system is not None
        self.service = self.server.system
        self.id = self.server.id

    def client(self, user: str, password: str = "", **more: Any) -> Client:
        """A client that has said who it is."""
        return Client(self, user, password or user[:1], more)


class Client:
    """The wire of its own session; messages come back as (subject, header, JSON or text)."""

    def __init__(self, house: House, user: str, password: str, more: dict[str, Any]) -> None:
        self.house = house
        self.text = b""
        self.closed = False
        self._sid = 0
        self.session = Session(house.server.roster, self, "127.0.0.1", 5000)
        self.session.open()
        connect = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "protocol": 1, **more}
        connect |= {"user": user, "pass": password} if user else {}
        self.say(f"CONNECT {json.dumps(connect)}\r\nPING\r\n".encode())

    def say(self, data: bytes) -> None:
        if not self.closed:
            self.session.inbound.take_in(data)
        self.house.server.road.settle()

    def on_output(self) -> None:
        self.text += self.session.outbound.take()

    def on_blocked(self) -> None:
        raise AssertionError("memory is never full")

    def pause(self, receivers: list[Any]) -> bool:
        return False

    def close(self, *, flush: bool, linger: bool) -> None:
        if flush:
            self.text += self.session.outbound.take()
        self.closed = True

    def hang_up(self) -> None:
        self.session.on_eof()
        self.house.server.road.settle()

    def listen(self, subject: str) -> None:
        """Subscribe; what was heard before is forgotten."""
        self._sid += 1
        self.say(f"SUB {subject} {self._sid}\r\n".encode())
        self.text = b""

    def heard(self) -> list[tuple[str, bytes, Any]]:
        """The messages since the last time."""
        self.house.server.road.settle()
        text, self.text = self.text, b""
        found = []
        while text:
            line, _, text = text.partition(b"\r\n")
            words = line.split()
            if words[0] not in (b"MSG", b"HMSG"):
                continue
            size = int(words[-1])
            header = int(words[-2]) if words[0] == b"HMSG" else 0
            body, text = text[:size], text[size + 2 :]
            found.append((words[1].decode(), body[:header], _value(body[header:])))
        return found

    def ask(self, subject: str, body: Any = b"", header: bytes = b"") -> Any:
        """What a request is answered with; None where nobody answers. Compressed or refused ones with their header."""
        self.listen("_INBOX.me")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if header:
            head = f"HPUB {subject} _INBOX.me {len(header)} {len(header) + len(data)}\r\n"
        else:
            head = f"PUB {subject} _INBOX.me {len(data)}\r\n"
        self.say(head.encode() + header + data + b"\r\n")
        self.house.clock.move(0)
        answers = self.heard()
        self.say(f"UNSUB {self._sid}\r\n".encode())
        assert len(answers) < 2
        if not answers:
            return None
        _, found, value = answers[0]
        return (found, value) if found else value


def _value(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
