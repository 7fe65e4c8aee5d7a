"""The `nats` command inside the test process, against a server with JetStream; and an API that answers by a script."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from natsd.cli import nats_main
from natsd.client.connection import Connection
from natsd.client.jetstream import JetStream
from natsd.client.message import Message
from natsd.kernel import ClientScanner
from tests.cli.commands import Result


class Inside:
    """Runs commands without starting a process for each."""

    def __init__(self, url: str, capfd: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self._capfd = capfd

    def run(self, *args: str) -> Result:
        self._capfd.readouterr()
        code = nats_main.main([*args, "-s", self.url])
        out, err = self._capfd.readouterr()
        return Result(code, out.encode("utf-8", "surrogateescape"), err.encode("utf-8", "surrogateescape"))

    def ok(self, *args: str) -> str:
        """What a command prints that has to succeed."""
        result = self.run(*args)
        assert result.code == 0, result
        return result.out

    def json(self, *args: str) -> Any:
        import json

        return json.loads(self.ok(*args, "-j"))

    def connect(self) -> Connection:
        connection = Connection(self.url, ClientScanner)
        connection.connect()
        return connection

    def empty(self) -> None:
        """Remove all streams."""
        with self.connect() as connection:
            js = JetStream(connection)
            for name in js.stream_names():
                js.delete_stream(name)


class Api:
    """Answers requests to subjects as the functions in `answers` say, on a core server; notes what was asked."""

    def __init__(self, url: str, answers: dict[str, Callable[[Connection, Message], None]]) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self._answers = answers
        self._connection = Connection(url, ClientScanner)
        self._connection.connect()
        for subject in answers:
            self._connection.subscribe(subject, queue=self._queue())
        self._connection.flush()
        self._stopped = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _queue(self) -> Any:
        from collections import deque

        if not hasattr(self, "_messages"):
            self._messages: deque[Message] = deque()
        return self._messages

    def _serve(self) -> None:
        while not self._stopped:
            message = self._connection.next(self._messages, 0.02)
            if message is None:
                continue
            self.asked.append((message.subject, message.payload))
            self._answers[message.subscription.subject](self._connection, message)

    def close(self) -> None:
        self._stopped = True
        self._thread.join()
        self._connection.close()
