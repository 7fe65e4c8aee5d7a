"""Two servers that are asked the same, and what of their answers and figures is to be alike.

What belongs to one server or one moment is taken out; so is what docs/differences.md says and what the Go server tells
wrongly until the next message comes.
"""

from __future__ import annotations

import json
import re
import select
import socket
import time
from typing import Any

from tests.jetstream.asker import tidy

API = "$JS.API."
Got = tuple[str, str, "bytes | None", bytes]
"""Subject, reply, header block, payload."""


class Twin:
    """A connection that keeps what each of its subscriptions got, by their subjects."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._pongs = self._count = 0
        self._subjects: dict[int, str] = {}
        self._got: list[tuple[str, Got]] = []
        self._send(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}\r\n')
        self.subscribe("_ASK.>")

    def close(self) -> None:
        self._socket.close()

    def subscribe(self, subject: str, queue: str = "") -> int:
        number = len(self._subjects) + 1
        self._subjects[number] = subject
        self._send(f"SUB {subject} {queue} {number}\r\n".encode())
        return number

    def unsubscribe(self, number: int) -> None:
        self._send(b"UNSUB %d\r\n" % number)

    def publish(self, subject: str, payload: bytes = b"", header: bytes = b"", reply: str = "") -> None:
        words = f"{subject} {reply}".strip().encode()
        if header:
            self._send(b"HPUB %b %d %d\r\n%b%b\r\n" % (words, len(header), len(header + payload), header, payload))
        else:
            self._send(b"PUB %b %d\r\n%b\r\n" % (words, len(payload), payload))

    def ask(self, subject: str, body: object = b"", header: bytes = b"", wait_s: float = 5.0) -> Any:
        """The reply, tidied; None where there is none in time."""
        self._count += 1
        inbox = f"_ASK.{self._count}"
        self.publish(subject, body if isinstance(body, bytes) else json.dumps(body).encode(), header, inbox)
        ends = time.monotonic() + wait_s
        while time.monotonic() < ends:
            for at, (_, got) in enumerate(self._got):
                if got[0] == inbox:
                    del self._got[at]
                    return shown(got)
            self._read(0.05)
        return None

    def drain(self, quiet_s: float) -> list[tuple[str, Got]]:
        """What came so far, and what comes until nothing came for a while."""
        pongs = self._pongs
        self._send(b"PING\r\n")
        while self._pongs == pongs:
            self._read(1.0)
        while self._read(quiet_s):
            pass
        got, self._got = self._got, []
        return got

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _read(self, wait_s: float) -> bool:
        if not select.select([self._socket], [], [], wait_s)[0]:
            return False
        data = self._socket.recv(1 << 18)
        if not data:
            raise EOFError("the server has gone")
        self._data += data
        while self._take():
            pass
        return True

    def _take(self) -> bool:
        end = self._data.find(b"\r\n")
        if end < 0:
            return False
        words = self._data[:end].split()
        if words[0] not in (b"MSG", b"HMSG"):
            self._data = self._data[end + 2 :]
            self._pongs += words[0] == b"PONG"
            assert words[0] != b"-ERR", words
            return True
        size = int(words[-1])
        if len(self._data) < end + size + 4:
            return False
        whole = self._data[end + 2 : end + 2 + size]
        self._data = self._data[end + size + 4 :]
        head = int(words[-2]) if words[0] == b"HMSG" else 0
        reply = words[3].decode() if len(words) == (6 if head else 5) else ""
        got = (words[1].decode(), reply, whole[:head] if head else None, whole[head:])
        self._got.append((self._subjects[int(words[2])], got))
        return True


def shown(got: Got) -> Any:
    """A message without what belongs to one server or one moment."""
    subject, reply, header, payload = got
    if header is not None:
        if header.startswith(b"NATS/1.0 503"):
            header = b"NATS/1.0 503"  # docs/differences.md
        header = re.sub(rb"Nats-Pin-Id: \S+", b"Nats-Pin-Id: *", header)
    page = tidy((subject, header, payload))
    for part in page if isinstance(page, list) else [page]:
        if isinstance(part, dict):
            _forget(part)
    return ["" if subject.startswith("_ASK") else subject, *_place(reply), page]


def _place(reply: str) -> list[str]:
    """The parts of an acknowledgement subject but for the time."""
    parts = reply.split(".")
    return [*parts[2:7], parts[8]] if reply.startswith("$JS.ACK.") else [reply] if reply else []


_MOMENTS = ("pinned_client_id", "pinned_id", "ack_time", "pause_remaining")


def _forget(page: dict[str, Any]) -> None:
    for key in _MOMENTS:
        page.pop(key, None)
    for group in page.get("priority_groups") or ():
        for key in _MOMENTS:
            group.pop(key, None)
    page.get("cluster", {}).clear()
    page.get("error", {}).pop("description", None)
    state = page.get("state")
    if state is not None and not state["last_seq"]:
        # Of a stream that never had a message, what is first and deleted depends on the Go server's kind of storage.
        for key in ("first_seq", "num_deleted", "deleted"):
            state.pop(key, None)
    if "ack_floor" in page:
        if not page["delivered"]["consumer_seq"]:
            # Before the first delivery the Go server tells how far it looked.
            page["delivered"].pop("stream_seq")
            page["ack_floor"].pop("stream_seq")
        if page["config"].get("max_deliver", 0) > 0:
            page.pop("ack_floor")  # docs/differences.md
