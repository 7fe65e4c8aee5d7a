"""The wire of a client: a connection that is made, kept alive, made again, and carries bytes both ways.

1. Nothing runs in the background. Bytes are read when somebody waits, and when a write has to wait for room.
2. The first connect fails at once when no server takes us. After it a lost connection is built up again without end,
   unless `reconnect` is off.
3. Frames not yet handed to the socket go out after a reconnect; what was handed over is gone (NATS delivers at most
   once).
4. An -ERR that does not end the connection is kept in `last_error` until somebody takes it.
What a message is, and to whom it goes, is in connection.py.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from natsd.client import wire
from natsd.client.backoff import delay_s
from natsd.client.errors import (
    BadUrl,
    ClientError,
    ConnectionClosed,
    NoServers,
    PermissionsViolation,
    ProtocolBroken,
    Timeout,
    TlsRequired,
    error_of,
)
from natsd.client.transport import TlsFiles, Transport, open_transport
from natsd.client.url import ServerUrl, parse_url, parse_urls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol, Self

    class Scanner(Protocol):
        """`natsd.kernel.ClientScanner`."""

        def feed(self, data: bytes, /) -> list[tuple[Any, ...]]: ...

        def skim(self, data: bytes, /) -> tuple[int, int, list[tuple[Any, ...]]]: ...


# Frames are collected up to this size before they go to the socket; flush, wait and close send them earlier.
BATCH_BYTES = 65536
# A silent server gets a PING after this time, and is given up when two of them stay without an answer.
PING_INTERVAL_S = 120.0
PINGS_UNANSWERED = 2
# A server that takes no byte for this long is given up.
STALL_S = 30.0
CLOSING_STALL_S = 2.0


class Link:
    """`on_event(kind, text)` hears ``connected``, ``disconnected``, ``reconnected``, ``discovered`` and ``error``.

    `nkey` or `jwt` say who we are, `sign` proves it: it gets the server's nonce and returns a signature.
    """

    def __init__(
        self,
        servers: str | Sequence[ServerUrl],
        scanner: Callable[[], Scanner],
        *,
        name: str = "",
        version: str = "0.0.0",
        user: str = "",
        password: str = "",
        token: str = "",
        nkey: str = "",
        jwt: str = "",
        sign: Callable[[bytes], bytes] | None = None,
        tls: TlsFiles | None = None,
        timeout_s: float = 5.0,
        echo: bool = True,
        reconnect: bool = True,
        on_event: Callable[[str, str], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[int], bytes] = os.urandom,
        open_transport: Callable[[str, int, float], Transport] = open_transport,
    ) -> None:
        self.servers = parse_urls(servers) if isinstance(servers, str) else list(servers)
        self.server = self.servers[0]
        self.info: dict[str, Any] = {}
        self.last_error: ClientError | None = None
        self.reconnects = 0
        self._scanner_of = scanner
        self._scanner = scanner()
        self._name, self._version = name, version
        self._user, self._password, self._token = user, password, token
        self._nkey, self._jwt, self._sign = nkey, jwt, sign
        self._tls = tls or TlsFiles()
        self._timeout_s = timeout_s
        self._echo = echo
        self._may_reconnect = reconnect
        self._on_event = on_event
        self._monotonic, self._sleep, self._chance = monotonic, sleep, chance
        self._open_transport = open_transport
        self._transport: Transport | None = None
        self._closed = False
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._pings = 0
        self._pongs = 0
        self._quiet_since = 0.0
        self._lost_because = ""
        self._attempt = 0
        self._next_attempt = 0.0
        self._parting = ""
        self._is_greeted = False

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection as far as we know; a lost one is noticed when it is used."""
        return self._transport is not None

    # -- for the class above

    def _on_message(self, event: tuple[Any, ...]) -> None:
        """A MSG event came."""

    def _frames_after_reconnect(self) -> list[bytes]:
        """What a new connection has to be told before anything else."""
        return []

    # -- connecting

    def connect(self) -> None:
        """Connect to the first server that takes us. Raises NoServers, or what the last willing server objected to."""
        reasons: list[tuple[str, str]] = []
        objection: ClientError | None = None
        for server in list(self.servers):
            try:
                self._open(server)
            except (OSError, EOFError, Timeout) as problem:
                reasons.append((server.address, _reason(problem)))
            except ClientError as problem:
                objection = problem
            else:
                self._tell("connected", server.address)
                return
        raise objection or NoServers(reasons)

    def _open(self, server: ServerUrl) -> None:
        deadline = self._monotonic() + self._timeout_s
        self._scanner = self._scanner_of()
        transport = self._open_transport(server.host, server.port, self._timeout_s)
        self._transport = transport
        self._pings = self._pongs = 0
        self.last_error = None
        self._parting = ""
        self._is_greeted = False
        is_secure = self._tls.first
        try:
            if is_secure:
                transport = self._transport = self._secure(transport, server, deadline)
            while not self._is_greeted:
                self._read_greeting(transport, deadline)
            if not self._tls.first and (self.info.get("tls_required") or server.tls or self._tls.wanted):
                if not (self.info.get("tls_required") or self.info.get("tls_available")):
                    raise TlsRequired()
                transport = self._transport = self._secure(transport, server, deadline)
                is_secure = True
            self._pings = 1
            transport.write(self._render_connect(server, is_secure) + wire.PING, self._take, self._timeout_s)
            while not self._pongs:
                self._read_greeting(transport, deadline)
        except BaseException as problem:
            self._transport = None
            if isinstance(problem, OSError | EOFError):
                self._read_rest(transport)
            transport.close()
            error = self.take_error()
            if error is not None and isinstance(problem, Exception):
                raise error from None
            raise
        self.server = server
        self._attempt = 0

    def _read_greeting(self, transport: Transport, deadline: float) -> None:
        data = transport.read(deadline - self._monotonic())
        if data is None:
            raise Timeout()
        self._take(data)
        if self.last_error is not None:
            raise self.last_error

    def _read_rest(self, transport: Transport) -> None:
        """Read what came before the connection broke: the -ERR that says why."""
        try:
            while (data := transport.read_now()) is not None:
                self._take(data)
        except (OSError, EOFError, ClientError):
            # It is broken, which is known; what could be read has been.
            pass

    def _secure(self, transport: Transport, server: ServerUrl, deadline: float) -> Transport:
        from natsd.client.tls import secure

        return secure(transport, server.name, self._tls, deadline - self._monotonic())

    def _render_connect(self, server: ServerUrl, is_secure: bool) -> bytes:
        options: dict[str, object] = {
            "verbose": False,
            "pedantic": False,
            "tls_required": is_secure,
            "name": self._name,
            "lang": "python",
            "version": self._version,
            "protocol": 1,
            "echo": self._echo,
            "headers": True,
            "no_responders": bool(self.info.get("headers")),
        }
        # Credentials in the address are for that server; flags and environment are for all of them.
        user, password, token = self._user, self._password, self._token
        if server.user or server.token:
            user, password, token = server.user, server.password, server.token
        if user and not password and not token:
            user, token = "", user
        if user:
            options["user"] = user
            options["pass"] = password
        if token:
            options["auth_token"] = token
        if not user and (self._nkey or self._jwt):
            options |= {key: value for key, value in (("nkey", self._nkey), ("jwt", self._jwt)) if value}
            nonce = self.info.get("nonce")
            if self._sign is not None and isinstance(nonce, str) and nonce:
                from base64 import urlsafe_b64encode

                options["sig"] = urlsafe_b64encode(self._sign(nonce.encode())).decode().rstrip("=")
        return wire.render_connect(options)

    def _lose(self, problem: BaseException) -> None:
        """The connection is gone: read what is left of it (the -ERR that says why), then forget it."""
        transport = self._transport
        if transport is None:
            return
        self._transport = None
        self._read_rest(transport)
        transport.close()
        reason = self._parting or _reason(problem)
        self._lost_because = reason
        if not self._may_reconnect:
            self._closed = True
            raise ConnectionClosed(f"nats: connection closed: {reason}")
        self._tell("disconnected", reason)

    def _reconnect(self, deadline: float | None) -> bool:
        """Try the servers in turn until one takes us or the time is over; pauses go on growing over several calls."""
        while True:
            pause = self._next_attempt - self._monotonic() if self._attempt else 0.0
            if pause > 0:
                if deadline is not None and deadline - self._monotonic() < pause:
                    self._sleep(max(0.0, deadline - self._monotonic()))
                    return False
                self._sleep(pause)
            for server in list(self.servers):
                try:
                    self._open(server)
                except (OSError, EOFError, ClientError) as problem:
                    self._lost_because = _reason(problem)
                    continue
                self._keep(self._frames_after_reconnect(), self._out)
                self.reconnects += 1
                self._tell("reconnected", server.address)
                return True
            self._next_attempt = self._monotonic() + delay_s(self._attempt, self._chance)
            self._attempt += 1

    # -- reading

    def wait(self, timeout_s: float | None = None, other_fd: int = -1) -> bool:
        """Send what is collected and read once. True when something happened in time: bytes, a reconnect, `other_fd`.

        None waits for ever. A lost connection is built up again within the same time.
        """
        deadline = None if timeout_s is None else self._monotonic() + timeout_s
        generation = self.reconnects
        while True:
            self._keep_alive()
            if not self._send(deadline):
                return False
            transport = self._transport
            if transport is None:
                continue
            if generation != self.reconnects:
                return True
            now = self._monotonic()
            step = self._quiet_since + PING_INTERVAL_S - now
            if deadline is not None:
                step = min(step, deadline - now)
            try:
                if other_fd >= 0:
                    readable, other = transport.wait(step, other_fd)
                    data = transport.read_now() if readable else None
                else:
                    data, other = transport.read(step), False
            except (OSError, EOFError) as problem:
                self._lose(problem)
                continue
            if data is not None:
                self._take(data)
                # A PING is answered now: the caller may be busy with the messages for a while.
                if self._out and not self._send(deadline):
                    return False
            if data is not None or other:
                return True
            if deadline is not None and self._monotonic() >= deadline:
                return False

    def _keep_alive(self) -> None:
        """Ask a server that has been silent for long, and give it up when it does not answer."""
        now = self._monotonic()
        if self._transport is None or now - self._quiet_since < PING_INTERVAL_S:
            return
        self._quiet_since = now
        if self._pings - self._pongs >= PINGS_UNANSWERED:
            self._lose(ConnectionClosed("nats: stale connection"))
        else:
            self._ping()

    def now(self) -> float:
        """Seconds of the monotonic clock that time-outs are measured with."""
        return self._monotonic()

    def chance(self, count: int) -> bytes:
        """Random bytes, from where those of inboxes come from."""
        return self._chance(count)

    def pause(self, seconds: float) -> None:
        """Sleep, and keep the connection alive meanwhile."""
        deadline = self._monotonic() + seconds
        while (left := deadline - self._monotonic()) > 0:
            self.wait(left)

    def _take(self, data: bytes) -> None:
        self._quiet_since = self._monotonic()
        self._apply(self._scan(data))

    def _scan(self, data: bytes) -> list[tuple[Any, ...]]:
        try:
            return self._scanner.feed(data)
        except ValueError as problem:
            raise ProtocolBroken(f"nats: {problem}") from None

    def _apply(self, events: list[tuple[Any, ...]]) -> None:
        for event in events:
            kind = event[0]
            if kind == "MSG":
                self._on_message(event)
            elif kind == "PING":
                self._out.append(wire.PONG)
                self._out_bytes += len(wire.PONG)
            elif kind == "PONG":
                self._pongs += 1
            elif kind == "INFO":
                self._learn(event[1])
            elif kind == "ERR":
                error = error_of(event[1].decode("utf-8", "replace").strip(" '"))
                if not isinstance(error, PermissionsViolation):
                    self._parting = str(error)
                self._fail(error)

    def _learn(self, raw: bytes) -> None:
        try:
            info = json.loads(raw)
        except ValueError:
            info = None
        if not isinstance(info, dict):
            raise ProtocolBroken("nats: the server's INFO is not a JSON object")
        self.info = info
        self._is_greeted = True
        known = {server.authority for server in self.servers}
        for text in info.get("connect_urls") or ():
            try:
                server = parse_url(str(text))
            except BadUrl:
                continue
            if server.authority not in known:
                server.discovered = True
                self.servers.append(server)
                self._tell("discovered", server.address)

    def _fail(self, error: ClientError) -> None:
        self.last_error = error
        self._tell("error", str(error))

    def take_error(self) -> ClientError | None:
        """The last -ERR nobody has taken yet."""
        error, self.last_error = self.last_error, None
        return error

    def _tell(self, kind: str, text: str) -> None:
        if self._on_event is not None:
            self._on_event(kind, text)

    # -- writing

    def _queue(self, frame: bytes) -> None:
        if self._closed:
            raise ConnectionClosed()
        self._out.append(frame)
        self._out_bytes += len(frame)
        if self._out_bytes >= BATCH_BYTES:
            self._send(None)

    def _send(self, deadline: float | None) -> bool:
        """Hand everything collected to the socket, reconnecting first where needed. False when the time is over."""
        while True:
            if self._closed:
                raise ConnectionClosed(f"nats: connection closed: {self._lost_because}" if self._lost_because else "")
            if self._transport is None and not self._reconnect(deadline):
                return False
            transport = self._transport
            if not self._out or transport is None:
                return True
            frames, self._out, self._out_bytes = self._out, [], 0
            try:
                transport.write(b"".join(frames) if len(frames) > 1 else frames[0], self._take, STALL_S)
            except (OSError, EOFError) as problem:
                sent = transport.sent
                while frames and sent > 0:
                    sent -= len(frames.pop(0))
                self._keep(frames, self._out)
                self._lose(problem)
                continue
            return True

    def _keep(self, first: list[bytes], then: list[bytes]) -> None:
        """What goes out next. Of `then` only publishes: subscriptions and PINGs belong to one connection."""
        self._out = [*first, *(frame for frame in then if frame.startswith((b"PUB ", b"HPUB ")))]
        self._out_bytes = sum(map(len, self._out))

    def flush(self, timeout_s: float | None = None) -> None:
        """Return when the server has taken everything published so far. Raises Timeout."""
        deadline = self._monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        while True:
            if self._transport is None and not self._send(deadline):
                raise Timeout()
            generation = self.reconnects
            self._ping()
            target = self._pings
            # The PING of a lost connection is never answered: ask again after a reconnect.
            while generation == self.reconnects:
                if self._pongs >= target:
                    return
                left = deadline - self._monotonic()
                if left <= 0 or not self.wait(left):
                    raise Timeout()

    def _ping(self) -> None:
        self._pings += 1
        self._out.append(wire.PING)
        self._out_bytes += len(wire.PING)

    def rtt_ns(self, timeout_s: float | None = None) -> int:
        """Nanoseconds a PING takes to come back."""
        self._send(None)
        start = time.perf_counter_ns()
        self.flush(timeout_s)
        return time.perf_counter_ns() - start

    # -- ending

    def close(self) -> None:
        """Send what is collected, if it goes without reconnecting, and close."""
        if self._closed:
            return
        self._closed = True
        transport, self._transport = self._transport, None
        if transport is not None:
            try:
                if self._out:
                    transport.write(b"".join(self._out), _ignore, CLOSING_STALL_S)
            except (OSError, EOFError):
                # Who has to know that everything arrived flushes before.
                pass
            transport.close()
        self._out = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ignore(data: bytes) -> None:
    """What still arrives on a connection that is being closed."""


def _reason(problem: BaseException) -> str:
    if isinstance(problem, EOFError):
        return "EOF"
    if isinstance(problem, TimeoutError | Timeout):
        return "connect timed out"
    if isinstance(problem, OSError):
        return (problem.strerror or str(problem)).lower()
    return str(problem)
