"""The servers under test: which there are, how one is started and stopped, what it has used.

Every kind runs with the same flags (loopback, a free port, defaults for the rest) and without a configuration file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CONNECT = (
    b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1,'
    b'"lang":"bench","version":"1","name":"bench"}\r\nPING\r\n'
)


class Kind:
    """One program to measure: its name in the tables, its command and what its environment gets in addition."""

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], go: bool, jetstream: str = ""
    ) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.go = go
        self.jetstream = jetstream
        """Lines of its jetstream block besides the directory, where it is measured with other than its defaults."""

    def always_synced(self) -> Kind:
        """The same program made to sync every message before it is acknowledged."""
        return Kind(f"{self.name} always", self.command, self.environment, self.go, "sync_interval: always")

    def seldom_synced(self) -> Kind:
        """The same program made to promise what the Go server does by default."""
        return Kind(f"{self.name} 2m", self.command, self.environment, self.go, 'sync_interval: "2m"')

    def full_environment(self) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if key not in ("NATSD_PLAIN", "PYTHONPATH")}
        return environment | self.environment


def find_kinds(go_paths: list[str], forms: list[str]) -> list[Kind]:
    """natsd in those of the wanted forms ("native", "plain") that load, then the named Go servers or those on PATH."""
    kinds = []
    for form in forms:
        environment = {"PYTHONPATH": str(ROOT / "src")} | ({"NATSD_PLAIN": "1"} if form == "plain" else {})
        kind = Kind(f"natsd {form}", [sys.executable, "-m", "natsd"], environment, go=False)
        running = _ask([sys.executable, "-c", "from natsd.kernel import FORM; print(FORM)"], kind.full_environment())
        if running.strip() == form:
            kinds.append(kind)
        else:
            print(f"natsd {form} is left out: the kernel that loads is {running.strip() or 'none'}", file=sys.stderr)
    for path in go_paths or _go_servers_on_path():
        version = _ask([path, "--version"]).strip().removeprefix("nats-server: v")
        kinds.append(Kind(f"Go {version}", [path], {}, go=True))
    return kinds


def _go_servers_on_path() -> list[str]:
    found = []
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = shutil.which("nats-server", path=folder)
        # natsd installs a program of the same name; it says so on its second line.
        if path and _ask([path, "--version"]).strip().count("\n") == 0:
            found.append(path)
    return found


def _ask(command: list[str], environment: dict[str, str] | None = None) -> str:
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


class Server:
    """A fresh server process on a free port of 127.0.0.1, for the length of a `with` block.

    jetstream: with JetStream, in a directory of its own on the disk of the checkout that is removed at the end. config:
    further lines of the configuration file. user: who connections are, with the same word as password.
    """

    def __init__(
        self, kind: Kind, cpu: int | None = None, *, jetstream: bool = False, config: str = "", user: str = ""
    ) -> None:
        self.kind = kind
        self.port = 0
        self._cpu = cpu
        self._folder = tempfile.mkdtemp(prefix="natsd-bench-")
        self._store = ""
        if jetstream:
            # The temporary directory may be in memory; a measured disk has to be one.
            (ROOT / "build").mkdir(exist_ok=True)
            self._store = tempfile.mkdtemp(prefix="bench-store-", dir=ROOT / "build")
            config += f'\njetstream {{ store_dir: "{self._store}", max_file_store: 200GB\n {kind.jetstream} }}\n'
        self._config = config
        words = b'{"user":"%b","pass":"%b",' % (user.encode(), user.encode())
        self.greeting = CONNECT.replace(b"{", words, 1) if user else CONNECT
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Server:
        self.start()
        return self

    def start(self) -> None:
        """Start it; again after `kill`, over the same store."""
        flags = ["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", self._folder]
        if self._config:
            path = Path(self._folder, "server.conf")
            path.write_text(self._config)
            flags += ["-c", str(path)]
        self.port = 0
        log = Path(self._folder, "log")
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                self.kind.command + flags,
                env=self.kind.full_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        if self._cpu is not None:
            os.sched_setaffinity(self._process.pid, {self._cpu})
        deadline = time.monotonic() + (300 if self._store else 60)
        while not self._find_port():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip()[-300:]
                self.__exit__(None, None, None)
                raise RuntimeError(f"{self.kind.name} did not start: {said}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()
        for path in Path(self._folder).glob("*.ports"):
            path.unlink()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._store:
            shutil.rmtree(self._store, ignore_errors=True)

    def _find_port(self) -> bool:
        for path in Path(self._folder).glob("*.ports"):
            try:
                urls = json.loads(path.read_text())["nats"]
            except (ValueError, KeyError):
                return False
            self.port = int(urls[0].rpartition(":")[2])
        return self.port != 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """A blocking socket on which INFO, CONNECT, PING and PONG are done."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        expect(connection, b"\r\n")
        connection.sendall(self.greeting)
        expect(connection, b"PONG\r\n")
        connection.settimeout(None)
        return connection

    def stored_bytes(self) -> int:
        """What its store takes on the disk."""
        return sum(path.stat().st_blocks * 512 for path in Path(self._store).rglob("*") if path.is_file())

    def disk_latencies_ns(self, count: int) -> list[int]:
        """How long the disk of this store takes to write 200 bytes into a file that is there, and to sync them."""
        fd = os.open(Path(self._store, "bare"), os.O_RDWR | os.O_CREAT)
        try:
            os.pwrite(fd, bytes(200 * count), 0)
            os.fsync(fd)
            found = []
            for at in range(count):
                began = time.monotonic_ns()
                os.pwrite(fd, b"x" * 200, 200 * at)
                os.fdatasync(fd)
                found.append(time.monotonic_ns() - began)
        finally:
            os.close(fd)
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def expect(connection: socket.socket, line: bytes) -> None:
    """Read whole lines until this one is among them, whatever else comes (a server pings when it likes).

    ConnectionError when the server sends an error or hangs up.
    """
    got = b""
    while not (got.endswith(b"\r\n") and line in got):
        data = connection.recv(65536)
        got += data
        if not data or b"-ERR" in got:
            raise ConnectionError(f"the server answered {got[-200:]!r}")


def machine_busy_seconds() -> float:
    """What all processors of this machine have worked so far, for everybody."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICKS_PER_S
