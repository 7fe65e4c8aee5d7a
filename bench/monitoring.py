"""How long monitoring keeps the loop from its messages: the longest turn while a page or an answer is made.

A server with thousands of connections runs in this process; the loop counts the processor time between its turns, so
that neighbours of the machine do not count. The connections have no sockets, which a page does not look at.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import socket
import time
from collections.abc import Callable
from functools import partial

from natsd.cli.server_main import GC_THRESHOLDS
from natsd.embed import Server, new_loop
from natsd.kernel import FORM
from natsd.session.session import Session

PAGES = (
    "varz", "healthz", "connz", "connz?limit={n}", "connz?limit={n}&sort=subs", "connz?limit={n}&sort=last&auth=1",
    "connz?limit={n}&subs=detail&auth=1", "connz?user=nobody&acc=A", "connz?limit={n}&state=closed&sort=stop",
    "subsz?subs=1&limit={n}", "accountz", "accstatz?unused=1", "metrics", "stacksz",
)  # fmt: skip
REQUESTS = (
    ("VARZ", {}, ""),
    ("CONNZ", {"limit": 1024}, ""),
    ("CONNZ", {"limit": -1}, ""),
    ("CONNZ", {"limit": -1, "auth": True, "sort": "msgs_to", "subscriptions_detail": True}, ""),
    ("CONNZ", {"limit": -1}, "gzip"),
    ("CONNZ", {"limit": -1}, "snappy"),
    ("STATSZ", {}, ""),
)


class Nowhere:
    """The wire of a connection that nobody reads."""

    def on_output(self) -> None: ...
    def on_blocked(self) -> None: ...
    def pause(self, receivers: object) -> bool:
        return False

    def close(self, *, flush: bool, linger: bool) -> None: ...


class Turns:
    """Calls itself in every turn of the loop, and keeps the longest there was."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last = 0
        self.longest_ns = 0
        self.running = False

    def start(self) -> None:
        self.longest_ns, self.running, self._last = 0, True, time.thread_time_ns()
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        now = time.thread_time_ns()
        self.longest_ns = max(self.longest_ns, now - self._last)
        self._last = now
        if self.running:
            self._loop.call_soon(self._turn)


async def measure(count: int, rounds: int) -> None:
    users = [{"user": "sys", "password": "p", "account": "$SYS"}, {"user": "a", "password": "p", "account": "A"}]
    async with Server(http_port=-1, users=users, max_closed_clients=count) as server:
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)  # as nats-server does when it is ready
        fill(server, count)
        turns = Turns(asyncio.get_running_loop())
        port = int(server.monitor_url.rpartition(":")[2])
        print(f"{count:,} connections, {FORM} kernel; the longest of {rounds} rounds each")
        print(f"{'page':<64} {'bytes':>11} {'ms in all':>10} {'longest turn, ms':>17}")
        for page in PAGES:
            path = page.replace("{n}", str(count))
            await report(f"/{path}", turns, rounds, partial(fetch, port, path))
        for kind, body, encoding in REQUESTS:
            body = {key: count if value == -1 else value for key, value in body.items()}
            name = f"$SYS...{kind} {json.dumps(body) if body else ''} {encoding}"
            await report(name, turns, rounds, partial(ask, server.port, kind, body, encoding))


def fill(server: Server, count: int) -> None:
    for number in range(count * 2):
        session = Session(server.roster, Nowhere(), "10.0.0.1", number % 65536)
        session.open()
        session.inbound.take_in(
            b'CONNECT {"verbose":false,"user":"a","pass":"p","name":"worker-%d","lang":"go","version":"1.40"}\r\n'
            b"SUB orders.%d 1\r\nSUB orders.* workers 2\r\n" % (number, number)
        )
        session.outbound.take()
        if number >= count:
            session.close("Client Closed")


async def report(name: str, turns: Turns, rounds: int, get: Callable[[], int]) -> None:
    longest, total_ms, size = 0, 0.0, 0
    await asyncio.to_thread(get)  # another thread, whose time is not the loop's
    for _ in range(rounds):
        await asyncio.sleep(0.01)
        began = time.thread_time()
        turns.start()
        size = await asyncio.to_thread(get)
        turns.running = False
        total_ms = (time.thread_time() - began) * 1000
        await asyncio.sleep(0)
        longest = max(longest, turns.longest_ns)
    print(f"{name[:64]:<64} {size:>11,} {total_ms:>10.1f} {longest / 1e6:>17.2f}", flush=True)


def fetch(port: int, path: str) -> int:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        size = 0
        while data := line.recv(1 << 20):
            size += len(data)
        return size


def ask(port: int, kind: str, body: dict[str, object], encoding: str) -> int:
    data = json.dumps(body).encode()
    head = f"NATS/1.0\r\nAccept-Encoding: {encoding}\r\n\r\n".encode() if encoding else b"NATS/1.0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as line, line.makefile("rb") as lines:
        line.sendall(
            b'CONNECT {"verbose":false,"headers":true,"user":"sys","pass":"p"}\r\nSUB _INBOX.b 1\r\n'
            + f"HPUB $SYS.REQ.SERVER.PING.{kind} _INBOX.b {len(head)} {len(head) + len(data)}\r\n".encode()
            + head
            + data
            + b"\r\n"
        )
        words: list[bytes] = [b""]
        while words[0] not in (b"MSG", b"HMSG"):
            words = lines.readline().split()
        return len(lines.read(int(words[-1])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(measure(options.connections, options.rounds))


if __name__ == "__main__":
    main()
