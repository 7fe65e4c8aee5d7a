"""A client of a server that may be killed at any moment: a blocking socket, bytes in and out, requests by number."""

from __future__ import annotations

import json
import select
import socket
import time
from typing import Any


class Gone(Exception):
    """The server is not there any more."""


class Wire:
    """One connection. Replies to what was published with `ask` come out of `read` under the number it gave."""

    def __init__(self, port: int) -> None:
        try:
            self._sock = socket.create_connection(("127.0.0.1", port), timeout=60)
            self._inbox = b"_R%d" % self._sock.getsockname()[1]
            self._sock.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB %s.> 1\r\n' % self._inbox)
        except OSError as error:
            raise Gone from error
        self._data = b""
        self._number = 0
        self.unanswered: set[int] = set()

    def ask(self, subject: str, payload: bytes = b"") -> tuple[int, bytes]:
        """The number of a request and its bytes, for `send`."""
        self._number += 1
        self.unanswered.add(self._number)
        return self._number, b"PUB %s %s.%d %d\r\n%s\r\n" % (
            subject.encode(),
            self._inbox,
            self._number,
            len(payload),
            payload,
        )

    @property
    def inbox(self) -> str:
        """A reply subject is this, a dot and a number."""
        return self._inbox.decode()

    def send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def read(self, wait_s: float) -> list[tuple[int, str, bytes, bytes]]:
        """(number, reply subject, header, payload) of what has come by now, waiting so long for the first."""
        found: list[tuple[int, str, bytes, bytes]] = []
        if not select.select([self._sock], [], [], wait_s)[0]:
            return found
        try:
            data = self._sock.recv(1 << 18)
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        self._data += data
        at = 0
        while (end := self._data.find(b"\r\n", at)) >= 0:
            words = self._data[at:end].split()
            if words and words[0] in (b"MSG", b"HMSG"):
                size, start = int(words[-1]), end + 2
                if len(self._data) < start + size + 2:
                    break
                body = self._data[start : start + size]
                cut = int(words[-2]) if words[0] == b"HMSG" else 0
                reply = words[3].decode() if len(words) > (5 if cut else 4) else ""
                number = int(words[1].split(b".")[1]) if words[1].startswith(self._inbox) else 0
                self.unanswered.discard(number)
                found.append((number, reply, body[:cut], body[cut:]))
                at = start + size + 2
                continue
            if words and words[0] == b"PING":
                self.send(b"PONG\r\n")
            at = end + 2
        self._data = self._data[at:]
        return found

    def request(self, subject: str, body: Any = None) -> Any:
        """A request of the JetStream API and its answer."""
        number, data = self.ask(subject, b"" if body is None else json.dumps(body).encode())
        self.send(data)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for answered, _, _, payload in self.read(0.1):
                if answered == number:
                    return json.loads(payload)
        raise AssertionError(f"no answer to {subject}")

    def wait_for(self, wanted: bytes) -> bool:
        """Whether these bytes come before long, whatever else does."""
        found = b""
        while wanted not in found and select.select([self._sock], [], [], 60)[0]:
            data = self._sock.recv(1 << 16)
            if not data:
                break
            found += data
        return wanted in found

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()
