"""A client for tests that ask a JetStream server over TCP: requests with all their replies, nothing clever."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

Reply = tuple[str, "bytes | None", bytes]
"""Subject, header block, payload."""

TIMES = re.compile(r'"\d{4}-\d\d-\d\dT[^"]*"')
ZERO = '"0001-01-01T00:00:00Z"'
VARYING = {"server_id", "id", "timestamp", "_nats.ver", "_nats.level", "level", "lag", "active", "bytes", "storage"}
"""Keys whose values belong to one server or one moment."""


class Asker:
    """One connection."""

    def __init__(self, host: str, port: int, user: str = "", inbox: str = "_INBOX") -> None:
        self._socket = socket.create_connection((host, port), timeout=60)
        self._data = b""
        self._count = 0
        self._inbox = inbox
        self._read_line()
        self._socket.sendall(
            b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1'
            b"%b}\r\nSUB %b.> 1\r\nPING\r\n"
            % (b',"user":"%b","pass":"x"' % user.encode() if user else b"", inbox.encode())
        )
        self._until_pong()

    def close(self) -> None:
        self._socket.close()

    def subscribe(self, subject: str) -> None:
        self._socket.sendall(b"SUB %b 2\r\nPING\r\n" % subject.encode())
        self._until_pong()

    def publish(self, subject: str, payload: bytes = b"", header: bytes | None = None, reply: str = "") -> None:
        words = [subject, reply] if reply else [subject]
        line = " ".join(words).encode("utf-8", "surrogateescape")
        if header is None:
            self._socket.sendall(b"PUB %b %d\r\n%b\r\n" % (line, len(payload), payload))
        else:
            sizes = b"%d %d" % (len(header), len(header) + len(payload))
            self._socket.sendall(b"HPUB %b %b\r\n%b%b\r\n" % (line, sizes, header, payload))

    def ask(self, subject: str, payload: bytes = b"", header: bytes | None = None) -> Reply:
        """The one reply to a request."""
        self._count += 1
        inbox = f"{self._inbox}.{self._count}"
        self.publish(subject, payload, header, inbox)
        while True:
            reply = self.next()
            if reply[0] == inbox:
                return reply

    def ask_many(self, subject: str, payload: bytes = b"", header: bytes | None = None) -> list[Reply]:
        """All replies up to one without a payload."""
        self._count += 1
        inbox = f"{self._inbox}.{self._count}"
        self.publish(subject, payload, header, inbox)
        replies = []
        while True:
            reply = self.next()
            if reply[0] == inbox:
                replies.append(reply)
                if not reply[2]:
                    return replies

    def next(self) -> Reply:
        """The next message. Raises TimeoutError."""
        subject, _, header, payload = self._next()
        return subject, header, payload

    def next_with_reply(self) -> tuple[str, str, bytes]:
        """The next message: subject, reply subject (empty for none), payload. Raises TimeoutError."""
        subject, reply, _, payload = self._next()
        return subject, reply, payload

    def _next(self) -> tuple[str, str, bytes | None, bytes]:
        while True:
            words = self._read_line().split()
            if words[0] == b"MSG":
                size = int(words[-1])
                payload = self._read(size + 2)[:-2]
                return words[1].decode(), words[3].decode() if len(words) == 5 else "", None, payload
            if words[0] == b"HMSG":
                head, size = int(words[-2]), int(words[-1])
                data = self._read(size + 2)[:-2]
                return words[1].decode(), words[3].decode() if len(words) == 6 else "", data[:head], data[head:]
            if words[0] == b"-ERR":
                raise AssertionError(words)

    def flush(self) -> None:
        """Return when the server has seen everything."""
        self._socket.sendall(b"PING\r\n")
        self._until_pong()

    def _until_pong(self) -> None:
        while self._read_line() != b"PONG":
            pass

    def _read_line(self) -> bytes:
        while b"\r\n" not in self._data:
            self._more()
        line, self._data = self._data.split(b"\r\n", 1)
        return line

    def _read(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more()
        data, self._data = self._data[:size], self._data[size:]
        return data

    def _more(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise EOFError("the server has gone")
        self._data += data


def tidy(reply: Reply) -> Any:
    """A reply without what differs from server to server and from moment to moment."""
    _, header, payload = reply
    shown: Any = payload.decode("utf-8", "replace")
    if payload[:1] == b"{":
        shown = _tidy(json.loads(payload))
    if header is None:
        return shown
    lines = re.sub(rb"Nats-Time-Stamp: \S+", b"Nats-Time-Stamp: T", header)
    return [lines.decode("utf-8", "replace"), shown]


def _tidy(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _tidy(part, name) for name, part in sorted(value.items())}
    if isinstance(value, list):
        return [_tidy(part) for part in value]
    if key in VARYING:
        return "*"
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\S+", value):
        return value if value.startswith("0001") else "T"
    return value
