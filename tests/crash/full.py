"""A disk that is full while clients publish to a server: what it acknowledged is there once there is space again.

1. Whoever published hears of each message: an acknowledgement, or an error that says why.
2. The server goes on: messages that are not stored, streams in memory, and reading what there is.
"""

from __future__ import annotations

import json
import resource
import subprocess
import time
from typing import TYPE_CHECKING, Any

from .server import Victim
from .wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

API = "$JS.API"
IN_FLIGHT = 200
ROOM = 12 << 20


class Disk:
    """A file system with little room, or what comes near it: a server that may write no longer files."""

    def __init__(self, directory: Path, *, real: bool) -> None:
        self.directory = directory
        self._real = real
        if real:
            mount(directory, f"size={ROOM}")

    def fill(self, server: Victim) -> None:
        """Have it full soon."""
        if not self._real:
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (ROOM // 4, resource.RLIM_INFINITY))

    def make_room(self) -> None:
        """Before the next server starts, which has no limit."""
        if self._real:
            mount(self.directory, f"remount,size={16 * ROOM}")

    def close(self) -> None:
        if self._real:
            subprocess.run(["umount", "--lazy", str(self.directory)], check=True)


def mount(directory: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True, capture_output=True)


def can_mount(directory: Path) -> bool:
    """Does the system let us make a small file system?"""
    try:
        mount(directory, "size=1m")
        subprocess.run(["umount", str(directory)], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


class Publisher:
    """Publishes to a stream, many messages in flight, and knows what it was told of each."""

    def __init__(self, wire: Wire, stream: str) -> None:
        self._wire = wire
        self._stream = stream
        self._waiting: dict[int, bytes] = {}
        self._sent = 0
        self.acked: dict[int, bytes] = {}
        self.errors: list[dict[str, Any]] = []

    def publish(self, most_errors: int, within_s: float = 60) -> None:
        """Go on until there were so many errors and nothing is unanswered."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and (self._waiting or len(self.errors) < most_errors):
            out = []
            while len(self._waiting) < IN_FLIGHT and len(self.errors) < most_errors:
                self._sent += 1
                payload = b"%d:" % self._sent + b"x" * 1000
                number, data = self._wire.ask(f"{self._stream}.x", payload)
                self._waiting[number] = payload
                out.append(data)
            self._wire.send(b"".join(out))
            for number, _, _, body in self._wire.read(0.2):
                payload, answer = self._waiting.pop(number), json.loads(body)
                if "error" in answer:
                    self.errors.append(answer["error"])
                else:
                    assert answer["seq"] not in self.acked
                    self.acked[answer["seq"]] = payload
        assert not self._waiting, f"{len(self._waiting)} messages were neither acknowledged nor refused"


def check(disk: Disk, reason: str) -> tuple[int, int]:
    """Fill the disk and restart the server. Returns how many messages were acknowledged, and how many are there."""
    server = Victim(disk.directory)
    try:
        wire = server.connect()
        for name, storage in (("S", "file"), ("M", "memory")):
            config = {"name": name, "subjects": [f"{name}.>"], "storage": storage, "allow_direct": True}
            assert "error" not in wire.request(f"{API}.STREAM.CREATE.{name}", config)
        disk.fill(server)
        publisher = Publisher(wire, "S")
        publisher.publish(2 * IN_FLIGHT)
        for error in publisher.errors:
            assert (error["code"], error["err_code"]) == (503, 10077)
            assert reason in error["description"]
            assert str(disk.directory) in error["description"]
        for subject in ("PURGE.S", "DELETE.S"):
            assert reason in wire.request(f"{API}.STREAM.{subject}")["error"]["description"]
        assert reason in wire.request(f"{API}.STREAM.CREATE.T", {"name": "T"})["error"]["description"]
        # What needs no disk goes on.
        assert wire.request("M.x", "in memory")["seq"] == 1
        first = wire.request(f"{API}.STREAM.MSG.GET.S", {"seq": 1})
        assert first["message"]["seq"] == 1
        with server.connect() as other:
            other.send(b"SUB core 7\r\nPING\r\n")
            assert other.wait_for(b"PONG\r\n")
            wire.send(b"PUB core 2\r\nhi\r\n")
            assert other.wait_for(b"MSG core 7 2\r\nhi\r\n")
        wire.close()
        assert server.stop() == 0
        said = (disk.directory / "server.log").read_text()
        assert said.count("JetStream stores nothing any more") == 1
        assert "Unexpected error" not in said
        disk.make_room()
        server = Victim(disk.directory)
        wire = server.connect()
        there = read_all(wire)
        missing = [seq for seq, payload in publisher.acked.items() if there.get(seq) != payload]
        assert not missing, f"acknowledged and not there: {missing[:10]}"
        assert wire.request("S.x", "more")["seq"] == max(there) + 1
        wire.close()
        return len(publisher.acked), len(there)
    finally:
        server.kill()


def read_all(wire: Wire) -> dict[int, bytes]:
    """The messages of the stream by sequence."""
    state = wire.request(f"{API}.STREAM.INFO.S")["state"]
    found: dict[int, bytes] = {}
    while len(found) < state["messages"]:
        at = max(found, default=0) + 1
        number, data = wire.ask(f"{API}.DIRECT.GET.S", json.dumps({"seq": at, "batch": 256}).encode())
        wire.send(data)
        ended = False
        until = time.monotonic() + 60
        while not ended:
            assert time.monotonic() < until, f"no end of a direct get from {at}"
            answers = [answer for answer in wire.read(1) if answer[0] == number]  # none where half a message came
            for _, _, header, payload in answers:
                fields = dict(line.split(b": ", 1) for line in header.split(b"\r\n") if b": " in line)
                ended = b"Nats-Sequence" not in fields
                if not ended:
                    found[int(fields[b"Nats-Sequence"])] = payload
        assert max(found, default=0) >= at, f"nothing at {at} of {state}"
    return found
