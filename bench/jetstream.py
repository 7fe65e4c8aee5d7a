"""What the questions about JetStream share: its API over a plain socket, streams and consumers, blocks of frames."""

from __future__ import annotations

import json
import socket
from array import array
from typing import Any

from bench.servers import Kind, Server, expect

INBOX = b"_INBOX.bench"


class Api:
    """One connection that asks `$JS.API` and waits for each answer."""

    def __init__(self, server: Server) -> None:
        self.connection = server.connect()
        self.connection.settimeout(60)
        self.connection.sendall(b"SUB _INBOX.api 1\r\nPING\r\n")
        expect(self.connection, b"PONG\r\n")
        self._rest = b""

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *exception: object) -> None:
        self.connection.close()

    def ask(self, subject: str, body: Any = None) -> dict[str, Any]:
        """The decoded answer. RuntimeError where it is an error."""
        payload = b"" if body is None else json.dumps(body).encode()
        self.connection.sendall(b"PUB $JS.API.%b _INBOX.api %d\r\n%b\r\n" % (subject.encode(), len(payload), payload))
        answer: dict[str, Any] = json.loads(self._message())
        if "error" in answer:
            raise RuntimeError(f"{subject}: {answer['error']}")
        return answer

    def _message(self) -> bytes:
        while True:
            line, found, rest = self._rest.partition(b"\r\n")
            if found and line == b"PING":
                self.connection.sendall(b"PONG\r\n")
                self._rest = rest
                continue
            if found and line.startswith((b"MSG", b"HMSG")):
                size = int(line.rpartition(b" ")[2])
                if len(rest) >= size + 2:
                    self._rest = rest[size + 2 :]
                    return rest[:size]
            elif found:
                if line.startswith(b"-ERR"):
                    raise RuntimeError(line.decode())
                self._rest = rest
                continue
            data = self.connection.recv(1 << 16)
            if not data:
                raise ConnectionError("the server hung up")
            self._rest += data

    def create_stream(self, name: str, subjects: list[str], storage: str = "file", **fields: Any) -> None:
        config = {"name": name, "subjects": subjects, "storage": storage, "retention": "limits", **fields}
        self.ask(f"STREAM.CREATE.{name}", config)

    def create_consumer(self, stream: str, **config: Any) -> str:
        """The name of the consumer."""
        name = config.get("durable_name")
        subject = f"CONSUMER.DURABLE.CREATE.{stream}.{name}" if name else f"CONSUMER.CREATE.{stream}"
        return str(self.ask(subject, {"stream_name": stream, "config": config})["name"])


def subjects_of(count: int, prefix: bytes = b"js.") -> list[bytes]:
    """Subjects of one length, so many of them."""
    return [b"%b%07d" % (prefix, at) for at in range(count)]


def frames_of(subjects: list[bytes], size: int, *, least: int = 4096, inbox: bytes = INBOX) -> tuple[bytes, array[int]]:
    """PUB frames over the subjects, each with a reply subject of its own, and where each frame ends."""
    payload = bytes(97 + at % 26 for at in range(size))
    most = max(least, len(subjects)) if size <= 1024 else max(256, len(subjects))
    parts, ends, total = [], array("q"), 0
    for at in range(most):
        frame = b"PUB %b %b.%07d %d\r\n%b\r\n" % (subjects[at % len(subjects)], inbox, at, size, payload)
        parts.append(frame)
        total += len(frame)
        ends.append(total)
    return b"".join(parts), ends


def inbox_connection(server: Server, subject: bytes = INBOX + b".*") -> socket.socket:
    """A connection that takes every reply below the inbox, or messages of one subject.

    The Go server delivers to a push consumer's subject where it is subscribed to literally, as clients do.
    """
    connection = server.connect()
    connection.sendall(b"SUB %b 1\r\nPING\r\n" % subject)
    expect(connection, b"PONG\r\n")
    return connection


def go_always(kind: Kind) -> Kind | None:
    """The Go servers once more, made to sync as natsd does by default."""
    return kind.always_synced() if kind.go and " 2.9" not in kind.name else None


def ours_seldom(kind: Kind) -> Kind | None:
    """natsd once more, made to promise what the Go server does by default."""
    return None if kind.go else kind.seldom_synced()
