"""Listening servers for tests: natsd and Go servers as child processes, and TCP lines to them.

Which servers there are: natsd always; the Go servers that NATS_SERVER_GO names (divided by ":"), or the one on PATH.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0
"""Ends what hangs; a machine that is busy may need the half of it."""

# Options of natsd by the name that the Go server's configuration file gives them; "%" stands for the value.
_GO_CONFIG = {
    "max_payload": "max_payload: %",
    "max_control_line": "max_control_line: %",
    "max_pending": "max_pending: %",
    "max_connections": "max_connections: %",
    "max_subscriptions": "max_subscriptions: %",
    "max_sub_tokens": "max_sub_tokens: %",
    "ping_interval_s": 'ping_interval: "%s"',
    "ping_max": "ping_max: %",
    "write_deadline_s": 'write_deadline: "%s"',
    "lame_duck_grace_period_s": 'lame_duck_grace_period: "%s"',
    "no_header_support": "no_header_support: %",
    "no_fast_producer_stall": "no_fast_producer_stall: %",
    "server_name": 'server_name: "%"',
    "client_advertise": 'client_advertise: "%"',
    "mappings": "mappings: %",
    "no_auth_user": "no_auth_user: %",
    "system_account": 'system_account: "%"',
    "no_system_account": "no_system_account: %",
}
_GO_AUTHORIZATION = {
    "user": 'user: "%"',
    "password": 'password: "%"',
    "token": 'token: "%"',
    "auth_timeout_s": "timeout: %",
    "default_permissions": "default_permissions: %",
}


def go_config(options: dict[str, Any]) -> str:
    """Return the configuration file that gives a Go server natsd's options."""
    lines, inside = [], []
    accounts: dict[str, list[dict[str, Any]]] = {}
    blocks: dict[str, dict[str, Any]] = {name: dict(block) for name, block in options.get("accounts", {}).items()}
    for name, value in options.items():
        if name == "accounts":
            continue
        if name == "users":
            for user in value:
                rest = {key: given for key, given in user.items() if key != "account"}
                responses = rest.get("permissions", {}).get("allow_responses")
                if isinstance(responses, dict) and "expires" in responses:
                    rest = json.loads(json.dumps(rest))
                    rest["permissions"]["allow_responses"]["expires"] = f"{responses['expires']}s"
                accounts.setdefault(user.get("account", ""), []).append(rest)
            if mine := accounts.pop("", []):
                inside.append(f"users: {json.dumps(mine)}")
            for account, users in accounts.items():
                blocks.setdefault(account, {}).setdefault("users", []).extend(users)
            continue
        word = value if isinstance(value, str) else json.dumps(value)
        if name in _GO_AUTHORIZATION:
            inside.append(_GO_AUTHORIZATION[name].replace("%", word))
        else:
            lines.append(_GO_CONFIG[name].replace("%", word))
    if blocks:
        lines.append(f"accounts: {json.dumps(blocks)}")
    if inside:
        lines.append("authorization { " + ", ".join(inside) + " }")
    return "\n".join(lines) + "\n"


class TcpLine:
    """A connection over TCP; what is sent leaves at once."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError:
            return

    def receive(self, wait_s: float) -> bytes | None:
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        if not poll.poll(wait_s * 1000):
            return b""
        try:
            return self.socket.recv(1 << 18) or None
        except OSError:
            return None

    def close(self) -> None:
        self.socket.close()


class ServerProcess:
    """A server in a child process, listening on a free port of 127.0.0.1 with monitoring on another."""

    settle_s = 0.04

    def __init__(
        self, command: list[str], flags: list[str], options: dict[str, Any], environment: dict[str, str]
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="natsd-test-", ignore_cleanup_errors=True)
        self._lame = False  # a lame duck would take its time to stop
        self.log = Path(self._folder.name) / "log"
        arguments = [*command, "-a", "127.0.0.1", "-p", "-1", "-m", "-1", "--ports_file_dir", self._folder.name, *flags]
        if options:
            config = Path(self._folder.name) / "options.conf"
            config.write_text(go_config(options))
            arguments += ["-c", str(config)]
        self._launch(arguments, environment)

    def _launch(self, arguments: list[str], environment: dict[str, str]) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)
        ports = self._ports()
        url = urlsplit(ports["nats"][0])
        self.host, self.port = url.hostname or "", url.port or 0
        self.monitor = ports.get("monitoring", [""])[0]
        line = self.dial()
        greeting = b""
        while b"\n" not in greeting:
            greeting += line.receive(PATIENCE_S) or b"\n"
        line.close()
        self.info: dict[str, Any] = json.loads(greeting[5:])
        ends = time.monotonic() + PATIENCE_S
        while self.page("connz?limit=1")["total"] and time.monotonic() < ends:
            time.sleep(0.002)  # tests begin with no connection but their own
        self.version = tuple(int(part) for part in self.info["version"].split("-")[0].split("."))

    def _ports(self) -> dict[str, list[str]]:
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends and self.process.poll() is None:
            for path in Path(self._folder.name).glob("*.ports"):
                try:
                    return dict(json.loads(path.read_text()))
                except ValueError:  # not wholly written yet
                    continue
            time.sleep(0.005)
        self.process.kill()
        self.process.wait()
        raise RuntimeError(f"the server did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def dial(self) -> TcpLine:
        return TcpLine(self.host, self.port)

    def hang_up(self, line: TcpLine) -> None:
        """Close a connection and return when the server has seen it."""
        port = line.socket.getsockname()[1]
        line.close()
        ends = time.monotonic() + PATIENCE_S
        while any(connection["port"] == port for connection in self.page("connz?limit=10000")["connections"]):
            assert time.monotonic() < ends, "the server does not see that a connection was closed"
            time.sleep(0.002)

    def now(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def tell(self, order: str) -> None:
        self._lame = order == "lame-duck"
        self.process.send_signal({"lame-duck": signal.SIGUSR2, "stop": signal.SIGTERM}[order])

    def page(self, path: str) -> dict[str, Any]:
        """Return a page of the monitoring port, such as "connz?subs=1"."""
        with urlopen(f"{self.monitor.rstrip('/')}/{path}", timeout=PATIENCE_S) as answer:
            return dict(json.load(answer))

    def cpu_s(self) -> float:
        """The time that its threads have run so far."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if self._lame else signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self._folder.cleanup()


def go_servers() -> dict[str, str]:
    """Return the Go servers at hand: a name such as go-2.15.1 for each program."""
    named = os.environ.get("NATS_SERVER_GO", "")
    found: dict[str, str] = {}
    for program in [*named.split(os.pathsep)] if named else [shutil.which("nats-server") or ""]:
        if not program:
            continue
        words = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=PATIENCE_S).stdout.split()
        if "natsd" not in words:
            found[f"go-{words[-1].lstrip('v')}"] = program
    return found


GO_SERVERS = go_servers()
_NO_GO = pytest.mark.skip(reason="no Go nats-server on PATH and none named by NATS_SERVER_GO")
FORMS = ["natsd", *(GO_SERVERS or [pytest.param("go", marks=_NO_GO)])]
"""What tests of listening servers are parametrized with."""


class Servers:
    """Starts the servers that a test run asks for, once for each set of options, and stops them at its end."""

    def __init__(self) -> None:
        self._running: dict[str, ServerProcess] = {}
        self._single: list[ServerProcess] = []

    def start(
        self, form: str, flags: list[str], options: dict[str, Any], fresh: bool = False, under: tuple[str, ...] = ()
    ) -> ServerProcess:
        """Return a server of a form ("natsd", "go-2.15.1").

        `fresh` gives one that nobody else gets; `under` is a command that runs the command that follows it.
        """
        key = json.dumps([form, flags, options])
        if fresh or key not in self._running:
            server = self._start(form, flags, options, under)
            if fresh:
                self._single.append(server)
                return server
            self._running[key] = server
        return self._running[key]

    def _start(self, form: str, flags: list[str], options: dict[str, Any], under: tuple[str, ...]) -> ServerProcess:
        if form != "natsd":
            return ServerProcess([*under, GO_SERVERS[form]], flags, options, dict(os.environ))
        environment = dict(os.environ)
        source = str(ROOT / "src")
        environment["PYTHONPATH"] = os.pathsep.join([source, *filter(None, [environment.get("PYTHONPATH")])])
        if options:
            command = [*under, sys.executable, str(ROOT / "tests" / "serve.py"), json.dumps(options)]
            return ServerProcess(command, flags, {}, environment)
        return ServerProcess([*under, sys.executable, "-m", "natsd"], flags, {}, environment)

    def stop(self) -> None:
        for server in [*self._running.values(), *self._single]:
            server.stop()
        self._running.clear()
        self._single.clear()
