"""A scripted server with a system account: recorded answers to $SYS requests, and events for who subscribes to them."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

ID = "N" + "A" * 55
OTHER_ID = "N" + "B" * 55


def server(name: str = "n1", server_id: str = ID, **more: Any) -> dict[str, Any]:
    return {"name": name, "host": f"{name}.example.net", "id": server_id, "ver": "2.12.0", "jetstream": False, **more}


def statsz(name: str = "n1", server_id: str = ID, count: int = 1, **more: Any) -> dict[str, Any]:
    stats = {
        "start": "2026-01-02T03:04:05.123456789Z",
        "mem": 12582912,
        "cores": 4,
        "cpu": 12.5,
        "connections": 1234,
        "subscriptions": 56,
        "slow_consumers": 0,
        "active_servers": count,
        **more,
    }
    return {"server": server(name, server_id, cluster="c1"), "statsz": stats}


def connection(cid: int, **more: Any) -> dict[str, Any]:
    return {
        "cid": cid,
        "ip": "127.0.0.1",
        "port": 50000 + cid,
        "start": "2026-01-02T03:04:05.123456789Z",
        "last_activity": "2026-01-02T03:04:05Z",
        "uptime": "1m2s",
        "in_msgs": 0,
        "out_msgs": 0,
        "in_bytes": 0,
        "out_bytes": 0,
        "subscriptions": 0,
        "account": "APP",
        **more,
    }


def connz(*found: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"server": server(**more), "data": {"server_id": ID, "num_connections": len(found), "connections": found}}


class SystemServer:
    """`answers` maps a subject to what every asker of it gets; `asked` is what was asked, with its body as JSON."""

    def __init__(self, answers: dict[str, list[dict[str, Any]]], events: dict[str, dict[str, Any]]) -> None:
        self.answers = answers
        self.events = events
        self.asked: list[tuple[str, Any]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        info = {"server_id": ID, "server_name": "n1", "version": "2.12.0", "headers": True, "max_payload": 1048576}
        info |= {"client_id": 7, "client_ip": "127.0.0.1"}
        inbox_sid = ""
        waiting: list[bytes] = []
        with peer, peer.makefile("rb") as lines:
            peer.sendall(b"INFO " + json.dumps(info).encode() + b"\r\n")
            for line in lines:
                words = line.decode().split()
                if words[0] == "PING":
                    peer.sendall(b"PONG\r\n" + b"".join(waiting))
                    waiting.clear()
                elif words[0] == "SUB" and words[1].startswith("_INBOX."):
                    inbox_sid = words[-1]
                elif words[0] == "SUB":
                    for subject, event in self.events.items():
                        if _covers(words[1], subject):
                            waiting.append(_message(subject, words[-1], event))
                elif words[0] == "PUB":
                    body = lines.read(int(words[-1]) + 2).strip()
                    subject = words[1]
                    self.asked.append((subject, json.loads(body) if body else None))
                    found = self.answers.get(subject)
                    if found is None:
                        text = f"HMSG {words[2]} {inbox_sid} 16 16\r\n".encode() + b"NATS/1.0 503\r\n\r\n\r\n"
                        peer.sendall(text)
                    else:
                        peer.sendall(b"".join(_message(words[2], inbox_sid, answer) for answer in found))

    def close(self) -> None:
        self._listener.close()


def _message(subject: str, sid: str, document: dict[str, Any]) -> bytes:
    payload = json.dumps(document).encode()
    return f"MSG {subject} {sid} {len(payload)}\r\n".encode() + payload + b"\r\n"


def _covers(pattern: str, subject: str) -> bool:
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(given) >= len(wanted) and all(a in ("*", b) for a, b in zip(wanted[:-1], given, strict=False))
    return len(wanted) == len(given) and all(a in ("*", b) for a, b in zip(wanted, given, strict=True))
