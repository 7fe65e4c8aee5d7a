"""How a server signs what it says in the system account: who it is, and in which order it spoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.version import NATS_VERSION
from natsd.monitor.times import date

if TYPE_CHECKING:
    from collections.abc import Generator

    from natsd.monitor.document import Document, Steps
    from natsd.monitor.view import ServerView


class Envelope:
    """Makes the `server` part of answers and events."""

    __slots__ = ("_sequence", "_server")

    def __init__(self, server: ServerView) -> None:
        self._server = server
        self._sequence = 0

    def sign(self) -> Document:
        """The server as of now; each has the next number."""
        server = self._server
        info, options = server.roster.info, server.options
        self._sequence += 1
        part: Document = {"name": info.server_name, "host": info.host, "id": info.server_id}
        if info.cluster:
            part["cluster"] = info.cluster
        if info.domain:
            part["domain"] = info.domain
        part["ver"] = NATS_VERSION
        if options.server_tags:
            part["tags"] = list(options.server_tags)
        if options.server_metadata:
            part["metadata"] = dict(options.server_metadata)
        part["jetstream"] = info.jetstream
        part["flags"] = 3 if info.jetstream else 0  # JetStream, and snapshots of streams in binary
        part["seq"] = self._sequence
        part["time"] = date(server.clock.wall_ns())
        return part

    def wrap(self, data: Document | Steps | None = None) -> Document | Steps:
        """An answer; None where there is nothing more to say than that it was done."""
        if data is None:
            return {"server": self.sign()}
        if isinstance(data, dict):
            return {"server": self.sign(), "data": data}
        return self._wrap_steps(data)

    def _wrap_steps(self, steps: Steps) -> Generator[str, None, Document]:
        data = yield from steps
        return {"server": self.sign(), "data": data}

    def refuse(self, code: int, text: str, *, data: bool = False) -> Document:
        """An error. data: whether the answer would have had data, which is null then."""
        answer: Document = {"server": self.sign()}
        if data:
            answer["data"] = None
        answer["error"] = {"code": code, "description": text}
        return answer
