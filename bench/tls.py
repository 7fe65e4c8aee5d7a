"""One publisher, one subscriber under TLS 1.3: messages per second at three sizes.

The C loops of the generator speak no TLS, so publisher and subscriber are processes of their own around the ssl module:
one sends ready-made blocks of 64 KiB, the other reads whole records and counts bytes; every frame has the same length.
What that can do at most is the last line: the two connected to each other, without a server. At 16 B both ends together
took about 85 ns of processor time per message there, well under half of what a server takes, so that it is the server
that is measured; where a server's rate comes near the last line, or the generator's cores near two, it is not.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from bench.load import GOAL, Act, Crew, Prepare, Sample, Settings, Shape, conduct
from bench.question import Case, Row, main, sizes_of
from bench.servers import Kind, Server, expect

SIZES = (16, 1024, 16384)
RECORD = 1 << 18
WAIT_S = 0.02

Dial = Callable[[], ssl.SSLSocket]


@cache
def certificate() -> tuple[str, str]:
    """Certificate and key of whoever serves, made once for a run."""
    folder = Path(tempfile.mkdtemp(prefix="natsd-bench-tls-"))
    names = str(folder / "server.pem"), str(folder / "server.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-days", "2", "-subj", "/CN=localhost", "-out", names[0], "-keyout", names[1]]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return names


def cases(options: argparse.Namespace) -> list[Case]:
    certificate()  # before any process is forked
    sizes = sizes_of(options, SIZES)
    return [_case(size) for size in sizes] + [_alone(size) for size in sizes[:1]]


def _case(size: int) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        cert_file, key_file = certificate()
        config = f"tls {{cert_file: '{cert_file}', key_file: '{key_file}', timeout: 5}}"
        with Server(kind, settings.server_cpu, config=config) as server:
            return [_run(lambda: _dial(server), size, settings, server)]

    return Case([Row(f"1:1 under TLS, {size} B", "/s", more_is_better=True)], measure)


def _alone(size: int) -> Case:
    """Bytes that the generator moves by itself, as frames of this size; the same for every kind of server."""

    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        block, frames = Shape(size=size).block(b"PUB %b %d\r\n")
        listener = socket.create_server(("127.0.0.1", 0))
        with listener, Crew(3, settings.generator_cpu) as crew:
            receiver = crew.hire(_receiving(crew, lambda: _serve(listener), len(block) / frames, greet=False))
            publisher = crew.hire(_publishing(lambda: _meet(listener), block, frames, greet=False))
            return [conduct(crew, [publisher], [receiver], 1, settings.seconds)]

    return Case([Row(f"the generator alone under TLS, {size} B", "/s", more_is_better=True)], measure)


def _run(dial: Dial, size: int, settings: Settings, server: Server) -> Sample:
    block, frames = Shape(size=size).block(b"PUB %b %d\r\n")
    length = len(b"MSG bench 1 %d\r\n" % size) + size + 2
    with Crew(3, settings.generator_cpu) as crew:
        receiver = crew.hire(_receiving(crew, dial, length, greet=True))
        publisher = crew.hire(_publishing(dial, block, frames, greet=True))
        conduct(crew, [publisher], [receiver], 1, settings.warm_s)
        return conduct(crew, [publisher], [receiver], 1, settings.seconds, server)


def _publishing(dial: Dial, block: bytes, frames: int, *, greet: bool) -> Prepare:
    def prepare() -> Act:
        connection = dial()

        def act(seconds: float) -> tuple[int, int, int]:
            first = time.monotonic_ns()
            ends, count = first + int(seconds * 1e9), 0
            while time.monotonic_ns() < ends:
                connection.sendall(block)
                count += frames
            if greet:
                connection.sendall(b"PING\r\n")
                expect(connection, b"PONG\r\n")
            return count, first, time.monotonic_ns()

        return act

    return prepare


def _receiving(crew: Crew, dial: Dial, length: float, *, greet: bool) -> Prepare:
    """length: of one frame as it arrives."""

    def prepare() -> Act:
        connection: ssl.SSLSocket | None = dial() if greet else None
        if connection is not None:
            connection.sendall(b"SUB bench 1\r\nPING\r\n")
            expect(connection, b"PONG\r\n")
            connection.settimeout(WAIT_S)
        room = bytearray(RECORD)

        def act(seconds: float) -> tuple[list[int], int, int, int]:
            nonlocal connection
            if connection is None:
                connection = dial()
                connection.settimeout(WAIT_S)
            size, first, last = 0, 0, 0
            deadline = time.monotonic() + 5 * seconds + 30
            while time.monotonic() < deadline:
                goal = crew.tally[GOAL]
                if 0 <= goal <= round(size / length):
                    break
                try:
                    got = connection.recv_into(room)
                except TimeoutError:
                    continue
                if not got:
                    raise ConnectionError("the server hung up on the subscriber")
                last = time.monotonic_ns()
                first = first or last
                size += got
            return [round(size / length)], first, first, last

        return act

    return prepare


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate()[0])
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _dial(server: Server) -> ssl.SSLSocket:
    """A connection on which INFO, the handshake, CONNECT, PING and PONG are done."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    expect(plain, b"\r\n")
    connection = _context().wrap_socket(plain, server_hostname="localhost")
    connection.sendall(server.greeting)
    expect(connection, b"PONG\r\n")
    connection.settimeout(None)
    return connection


def _meet(listener: Any) -> ssl.SSLSocket:
    """The publisher's end of a pair without a server; the handshake is done when the other end comes to it."""
    plain = socket.create_connection(listener.getsockname(), timeout=10)
    plain.settimeout(None)
    return _context().wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)


def _serve(listener: Any) -> ssl.SSLSocket:
    plain, _ = listener.accept()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    return context.wrap_socket(plain, server_side=True)


if __name__ == "__main__":
    main(__doc__, cases)
