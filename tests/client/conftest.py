"""A server made of a list: what it says is written down beforehand, time passes only when somebody waits."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest

from natsd.client.connection import Connection
from natsd.kernel import ClientScanner

INFO = {"server_id": "S", "version": "2.12.0", "headers": True, "max_payload": 1048576}


class Time:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class FakeTransport:
    """One connection to the server: answers PING by itself unless told otherwise."""

    fd = -1

    def __init__(self, world: World) -> None:
        self.world = world
        self.incoming: deque[bytes | Exception] = deque()
        self.written = b""
        self.sent = 0
        self.closed = False
        self.fail_writes: Exception | None = None
        self.say(b"INFO " + json.dumps(world.info).encode() + b"\r\n")

    def say(self, *what: bytes | Exception) -> None:
        self.incoming.extend(what)

    def read(self, timeout_s: float | None) -> bytes | None:
        if self.incoming:
            return self.read_now()
        assert timeout_s is not None, "the client waits for something that never comes"
        self.world.time.now += max(0.0, timeout_s)
        return None

    def read_now(self) -> bytes | None:
        if not self.incoming:
            return None
        item = self.incoming.popleft()
        if isinstance(item, Exception):
            raise item
        return item

    def wait(self, timeout_s: float | None, other_fd: int = -1, to_write: bool = False) -> tuple[bool, bool]:
        if not self.incoming and timeout_s is not None:
            self.world.time.now += timeout_s
        return bool(self.incoming), False

    def write(self, data: bytes, take: Any, stall_s: float) -> None:
        self.sent = 0
        if self.fail_writes is not None:
            self.sent = self.world.sent_before_failure
            self.written += data[: self.sent]
            raise self.fail_writes
        self.written += data
        for line in data.split(b"\r\n"):
            if line == b"PING" and self.world.answers_ping:
                self.say(b"PONG\r\n")
            for start, answer in self.world.answers.items():
                if line.startswith(start):
                    self.say(answer)

    def close(self) -> None:
        self.closed = True

    @property
    def lines(self) -> list[bytes]:
        return self.written.split(b"\r\n")[:-1]

    @property
    def connect_options(self) -> dict[str, Any]:
        (line,) = [line for line in self.lines if line.startswith(b"CONNECT ")]
        options: dict[str, Any] = json.loads(line[8:])
        return options


class World:
    """Servers, time and chance of one test."""

    def __init__(self) -> None:
        self.time = Time()
        self.info: dict[str, Any] = dict(INFO)
        self.answers: dict[bytes, bytes] = {}
        self.answers_ping = True
        self.transports: list[FakeTransport] = []
        self.refused: dict[tuple[str, int], Exception] = {}
        self.dialled: list[tuple[str, int]] = []
        self.events: list[tuple[str, str]] = []
        self.sent_before_failure = 0

    @property
    def server(self) -> FakeTransport:
        return self.transports[-1]

    def dial(self, host: str, port: int, timeout_s: float) -> FakeTransport:
        self.dialled.append((host, port))
        if (host, port) in self.refused:
            raise self.refused[host, port]
        self.transports.append(FakeTransport(self))
        return self.transports[-1]

    def connection(self, servers: str = "nats://one", **options: Any) -> Connection:
        options.setdefault("chance", lambda count: bytes(count))
        options.setdefault("on_event", lambda kind, text: self.events.append((kind, text)))
        return Connection(
            servers,
            ClientScanner,
            monotonic=self.time.monotonic,
            sleep=self.time.sleep,
            open_transport=self.dial,
            **options,
        )

    def connected(self, servers: str = "nats://one", **options: Any) -> Connection:
        connection = self.connection(servers, **options)
        connection.connect()
        return connection


@pytest.fixture
def world() -> World:
    return World()
