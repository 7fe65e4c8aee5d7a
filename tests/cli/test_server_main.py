"""`nats-server` as a process: its log, its files, its signals, its exit status."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import natsd
from natsd.base.version import NATS_VERSION, VERSION
from natsd.kernel import FORM
from natsd.store.file import FileStore

LIMIT_S = 60
SOURCE = Path(natsd.__file__).parents[1]
LINE = re.compile(r"\[(\d+)\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[(INF|DBG|WRN|ERR|FTL|TRC)\] (.*)")


def environment(**extra: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, **extra}


def run(*args: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """A run that ends by itself."""
    command = [sys.executable, "-m", "natsd", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment(**extra))


class Running:
    """A server of its own process, with what it logged so far."""

    def __init__(
        self,
        *args: str,
        stderr: int = subprocess.PIPE,
        preexec_fn: Callable[[], None] | None = None,
        **extra: str,
    ) -> None:
        command = [sys.executable, "-m", "natsd", "-a", "127.0.0.1", "-p", "-1", *args]
        self.process = subprocess.Popen(
            command, stderr=stderr, text=True, env=environment(**extra), preexec_fn=preexec_fn
        )
        self.raw: list[str] = []

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, text: str) -> str:
        """The rest of the first line with this text, from here on."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.raw.append(line)
            if text in line:
                return line.partition(text)[2].strip()
        raise AssertionError(f"{text!r} is not in the log:\n{''.join(self.raw)}")

    def ready(self) -> Running:
        self.port = int(self.wait_for("Listening for client connections on 127.0.0.1:"))
        self.wait_for("Server is ready")
        return self

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)
        client.sendall(b'CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n')
        received = b""
        while b'"connect_info":true' not in received:
            received += client.recv(4096)
        return client

    def signal(self, number: signal.Signals, text: str) -> None:
        self.process.send_signal(number)
        self.wait_for(f'Trapped "{text}" signal')

    def end(self) -> list[tuple[str, str]]:
        """Wait for the end; the log as labels and texts."""
        assert self.process.stderr is not None
        self.raw += self.process.stderr.readlines()
        self.process.wait(LIMIT_S)
        return self.log()

    def log(self) -> list[tuple[str, str]]:
        entries = []
        for line in self.raw:
            match = LINE.fullmatch(line.rstrip("\n"))
            assert match, line
            assert int(match[1]) == self.pid
            entries.append((match[2], match[3]))
        return entries

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT_S)
        if self.process.stderr is not None:
            self.process.stderr.close()


def hear(client: socket.socket) -> bytes:
    """What comes next; nothing at the end. The first PING is due two seconds after the CONNECT, which may be before."""
    while (data := client.recv(4096)) == b"PING\r\n":
        pass
    return data.replace(b"PING\r\n", b"")


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Any]:
    servers: list[Running] = []

    def start_one(*args: str, **extra: Any) -> Running:
        servers.append(Running(*args, **extra))
        return servers[-1]

    yield start_one
    for server in servers:
        server.stop()


def test_the_start_is_logged_as_the_go_server_logs_it(start: Any) -> None:
    server = start("-m", "-1").ready()
    server.signal(signal.SIGTERM, "terminated")
    log = server.end()
    assert server.process.returncode == 0
    if FORM == "plain":
        about = log.pop(3)
        assert about[0] in ("INF", "WRN") and "plain kernel" in about[1]
    identity = log[4][1].removeprefix("  ID:       ")
    assert re.fullmatch("N[A-Z2-7]{55}", identity)
    assert log == [
        ("INF", "Starting nats-server"),
        ("INF", f"  Version:  {NATS_VERSION}"),
        ("INF", "  Git:      [not set]"),
        ("INF", f"  Name:     {identity}"),
        ("INF", f"  ID:       {identity}"),
        ("INF", log[5][1]),
        ("INF", f"Listening for client connections on 127.0.0.1:{server.port}"),
        ("INF", "Server is ready"),
        ("INF", 'Trapped "terminated" signal'),
        ("INF", "Initiating Shutdown..."),
        ("INF", "Server Exiting.."),
    ]
    assert re.fullmatch(r"Starting http monitor on 127\.0\.0\.1:\d+", log[5][1])


def test_debugging_tells_what_runs(start: Any) -> None:
    server = start("-D", "-n", "one").ready()
    server.process.send_signal(signal.SIGINT)
    log = server.end()
    about = log[3][1]
    assert about.startswith(f"  natsd:    v{VERSION}, {FORM} kernel, ")
    assert log[4] == ("INF", "  Name:     one")


def test_a_plain_kernel_is_told_of_even_without_debugging(start: Any) -> None:
    server = start(NATSD_PLAIN="1").ready()
    server.process.send_signal(signal.SIGINT)
    label, text = server.end()[3]
    assert label == "INF" and "plain kernel" in text


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "interrupt"), (signal.SIGTERM, "terminated")])
def test_a_signal_ends_it_cleanly_and_every_client_is_let_go(start: Any, number: signal.Signals, name: str) -> None:
    server = start().ready()
    clients = [server.connect() for _ in range(3)]
    server.signal(number, name)
    for client in clients:
        assert hear(client) == b""
        client.close()
    server.end()
    assert server.process.returncode == 0


def test_a_lame_duck_tells_its_clients_and_outlives_terminate(start: Any) -> None:
    server = start("-m", "-1")
    url = "http://" + server.wait_for("Starting http monitor on ")
    server.ready()
    client = server.connect()
    server.signal(signal.SIGUSR2, "user defined signal 2")
    server.wait_for("Entering lame duck mode, stop accepting new clients")
    assert b'"ldm":true' in hear(client)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S)
    with pytest.raises(urllib.error.HTTPError, match="500"):
        urllib.request.urlopen(f"{url}/healthz", timeout=LIMIT_S)
    server.signal(signal.SIGTERM, "terminated")
    client.sendall(b"PING\r\n")
    assert hear(client) == b"PONG\r\n"
    server.signal(signal.SIGINT, "interrupt")
    server.end()
    assert server.process.returncode == 0
    client.close()


def test_a_lame_duck_without_clients_is_gone_at_once(start: Any) -> None:
    server = start().ready()
    server.signal(signal.SIGUSR2, "user defined signal 2")
    assert [text for _, text in server.end()[-3:]] == [
        "Entering lame duck mode, stop accepting new clients",
        "Initiating Shutdown...",
        "Server Exiting..",
    ]
    assert server.process.returncode == 0


def test_a_reload_needs_a_file_and_the_log_has_no_file_to_reopen(start: Any) -> None:
    server = start().ready()
    server.signal(signal.SIGHUP, "hangup")
    server.wait_for(
        "[ERR] Failed to reload server configuration:"
        " can only reload config when a file is provided using -c or --config"
    )
    server.signal(signal.SIGUSR1, "user defined signal 1")
    server.wait_for("[INF] File log re-open ignored, not a file logger")
    server.connect().close()


def wait_until_written(path: Path, text: str) -> None:
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(f"{text!r} is not in {path}")


def test_the_log_can_go_to_a_file_that_is_moved_away_and_opened_anew(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    server = start("-l", str(path), "-T=false")
    wait_until_written(path, "Server is ready")
    assert path.read_text().startswith(f"[{server.pid}] [INF] Starting nats-server\n")
    path.rename(tmp_path / "old.log")
    server.process.send_signal(signal.SIGUSR1)
    wait_until_written(path, "File log re-opened")
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == []
    assert path.read_text().endswith("[INF] Server Exiting..\n")
    assert "Server Exiting" not in (tmp_path / "old.log").read_text()


def test_a_log_file_that_cannot_be_opened_anew_is_kept(start: Any, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    server = start("-l", str(folder / "server.log"))
    wait_until_written(folder / "server.log", "Server is ready")
    moved = folder.rename(tmp_path / "moved")
    server.process.send_signal(signal.SIGUSR1)
    wait_until_written(moved / "server.log", "[ERR] File log not re-opened: open ")


def test_colours_are_for_terminals(start: Any) -> None:
    main, terminal = os.openpty()
    server = start(stderr=terminal)
    os.close(terminal)
    text = b""
    while b"Server is ready" not in text:
        text += os.read(main, 4096)
    os.close(main)
    assert b"[\x1b[32mINF\x1b[0m] Starting nats-server\r\n" in text
    server.process.terminate()


def test_the_pid_file_has_the_pid_that_the_parent_knows(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "server.pid"
    path.write_text("an older and longer one")
    server = start("-P", str(path)).ready()
    assert path.read_text() == str(server.pid)
    server.process.send_signal(signal.SIGTERM)
    server.end()
    assert path.exists()


def test_the_ports_file_is_there_while_the_server_is(start: Any, tmp_path: Path) -> None:
    server = start("-m", "-1", "--ports_file_dir", str(tmp_path))
    monitor = server.wait_for("Starting http monitor on ")
    server.ready()
    assert os.listdir(tmp_path) == [f"nats-server_{server.pid}.ports"]
    text = (tmp_path / f"nats-server_{server.pid}.ports").read_text()
    assert text == f'{{"nats":["nats://127.0.0.1:{server.port}"],"monitoring":["http://{monitor}"]}}'
    server.process.send_signal(signal.SIGINT)
    server.end()
    assert os.listdir(tmp_path) == []


def test_without_a_place_for_the_ports_file_the_server_runs(start: Any) -> None:
    server = start("--ports_file_dir", "/nowhere").ready()
    name = f"/nowhere/nats-server_{server.pid}.ports"
    assert f"[ERR] Error writing ports file ({name}): open " in "".join(server.raw)


def test_a_ports_file_that_somebody_took_is_missed(start: Any, tmp_path: Path) -> None:
    server = start("--ports_file_dir", str(tmp_path)).ready()
    path = tmp_path / f"nats-server_{server.pid}.ports"
    path.unlink()
    server.process.send_signal(signal.SIGINT)
    assert server.end()[-1] == ("ERR", f"Error cleaning up ports file {path}: remove {path}: no such file or directory")
    assert server.process.returncode == 0


def test_the_monitoring_pages_are_served(start: Any) -> None:
    server = start("-m", "-1", "-n", "one", "-user", "u", "-pass", "p")
    url = "http://" + server.wait_for("Starting http monitor on ")
    server.ready()
    with urllib.request.urlopen(f"{url}/varz", timeout=LIMIT_S) as answer:
        found = json.load(answer)
    assert (found["server_name"], found["port"], found["auth_required"]) == ("one", server.port, True)
    with urllib.request.urlopen(f"{url}/healthz", timeout=LIMIT_S) as answer:
        assert answer.read() == b'{"status":"ok"}'
    with urllib.request.urlopen(f"{url}/connz?state=any", timeout=LIMIT_S) as answer:
        assert json.load(answer)["connections"] == []


def test_it_may_open_as_many_files_as_the_system_lets_it(start: Any) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    server = start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))).ready()
    assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (hard, hard)


def fatal(*args: str) -> str:
    """The last line of a start that fails."""
    ended = run("-a", "127.0.0.1", "-p", "-1", *args)
    assert ended.returncode == 1 and ended.stdout == ""
    match = LINE.fullmatch(ended.stderr.splitlines()[-1])
    assert match and match[2] == "FTL" and ended.stderr.count("[FTL]") == 1, ended.stderr
    return match[3]


def test_a_port_in_use_is_fatal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        text = fatal("-p", port)
        assert text.startswith(f'Error listening on port: 127.0.0.1:{port}, "listen tcp 127.0.0.1:{port}: ')
        assert text.endswith('address already in use"')
        text = fatal("-m", port)
        assert text.startswith("Can't start monitoring: can't listen to the monitor port: listen tcp 127.0.0.1:")


def test_a_pid_file_that_cannot_be_written_is_fatal(tmp_path: Path) -> None:
    path = tmp_path / "none" / "pid"
    assert fatal("-P", str(path)) == f"Could not write pidfile: open {path}: no such file or directory"
    assert fatal("-P", str(tmp_path)) == f"Could not write pidfile: open {tmp_path}: is a directory"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ("-x", "flag provided but not defined: -x"),
        ("-p abc", 'invalid value "abc" for flag -p: parse error'),
        ("--routes x", "nats-server: flag -routes is not supported yet"),
        ("serve", 'nats-server: unrecognized command: "serve"'),
        (
            "-l /nowhere/server.log",
            "nats-server: error opening file: open /nowhere/server.log: no such file or directory",
        ),
    ],
)
def test_what_is_wrong_with_the_flags_is_one_line(args: str, text: str) -> None:
    ended = run(*args.split())
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", text + "\n")


@pytest.mark.parametrize(
    "args", [("-p", "70000"), ("-n", "two words"), ("-pass", "secret"), ("-client_advertise", ":x")]
)
def test_what_is_wrong_with_the_options_is_one_line(args: tuple[str, ...]) -> None:
    ended = run("-a", "127.0.0.1", *args)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"nats-server: .+\n", ended.stderr)


def test_an_argument_cannot_write_lines_of_its_own() -> None:
    ended = run("a\n[1] 2023/06/13 09:45:43.820464 [INF] Server is ready")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("args", [["-v"], ["--version"], ["version"]])
def test_the_version_is_the_first_line(args: list[str]) -> None:
    ended = run(*args)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"nats-server: v{NATS_VERSION}\nnatsd: v{VERSION} ({FORM} kernel)\n"


def test_the_version_tells_more_with_debugging() -> None:
    ended = run("-v", "-D", NATSD_PLAIN="1")
    first, second = ended.stdout.splitlines()
    assert first == f"nats-server: v{NATS_VERSION}"
    assert second.startswith(f"natsd: v{VERSION}, plain kernel, ") and sys.platform in second


@pytest.mark.parametrize("args", [["-h"], ["--help"], ["help"]])
def test_help_goes_to_standard_output(args: list[str]) -> None:
    ended = run(*args)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Usage: nats-server [options]\n")


def test_a_store_directory_is_checked_and_explained(tmp_path: Path) -> None:
    done = run("--fsck", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{tmp_path} holds no store\n")
    FileStore(tmp_path / "jetstream").close()
    done = run("--fsck", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("everything is whole\n")


def test_help_may_be_read_in_part() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as broken:
        ended = subprocess.run(
            [sys.executable, "-m", "natsd", "-h"],
            stdout=broken,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=LIMIT_S,
        )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_the_start_loads_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys, threading, os, signal\n"
        "from natsd.cli import server_main\n"
        "sys.argv = ['nats-server', '-a', '127.0.0.1', '-p', '-1', '-T=false']\n"
        "settle = server_main.Program.settle_memory\n"
        "server_main.Program.settle_memory = lambda self: (settle(), os.kill(os.getpid(), signal.SIGTERM))\n"
        "status = server_main.main()\n"
        "print(status, *sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, env=environment()
    )
    status, *modules = ended.stdout.split()
    assert status == "0", ended.stderr
    unwanted = {"aiohttp", "click", "json", "dataclasses", "email", "http", "msgspec", "urllib.parse", "natsd.monitor"}
    assert not unwanted & set(modules)
