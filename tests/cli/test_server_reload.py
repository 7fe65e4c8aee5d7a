"""SIGHUP: a changed file becomes what the server goes by, or nothing of it does. The log is compared with what the Go
server says; where one is named by NATS_SERVER_GO it has to say the same.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.reload import natsd, run
from tests.cli.test_server_main import LIMIT_S, environment

BASE = "listen: 127.0.0.1:-1\n"
ALWAYS = ["[INF] Reloaded: authorization users", "[INF] Reloaded: accounts"]
DONE = "[INF] Reloaded server configuration (SHA)"
FAILED = "[ERR] Failed to reload server configuration: "
USERS = "authorization {users: [{user: a, password: b}]}"

SCENARIOS = {
    # Name: the file before, the file after, the lines. D stands for the folder.
    "nothing": ("", "", [*ALWAYS, DONE]),
    "several": (
        "",
        "debug: true, max_payload: 1000, ping_max: 7, max_connections: 3",
        [
            "[INF] Reloaded: debug = true",
            "[INF] Reloaded: max_connections = 3",
            *ALWAYS,
            "[INF] Reloaded: ping_max = 7",
            "[INF] Reloaded: max_payload = 1000",
            DONE,
        ],
    ),
    "trace": ("", "trace_verbose: true", ["[INF] Reloaded: trace = true", "[INF] Reloaded: trace_verbose = true"]),
    "user": (
        "",
        "authorization {user: a, password: b, timeout: 3}",
        [
            *ALWAYS,
            "[INF] Reloaded: authorization username",
            "[INF] Reloaded: authorization password",
            "[INF] Reloaded: authorization timeout = 3",
            DONE,
        ],
    ),
    "users": (USERS, "authorization {users: [{user: a, password: c}]}", [*ALWAYS, DONE]),
    "times": (
        "",
        "write_deadline: '3.5s', ping_interval: '1m30s'",
        [*ALWAYS, "[INF] Reloaded: ping_interval = 1m30s", "[INF] Reloaded: write_deadline = 3.5s", DONE],
    ),
    "log file": ("", "log_file: 'D/x.log'", [*ALWAYS, "[INF] Reloaded: log_file = D/x.log"]),
    "pid file": ("", "pid_file: 'D/x.pid'", [*ALWAYS, "[INF] Reloaded: pid_file = D/x.pid", DONE]),
    "no pid file": (
        "",
        "pid_file: 'D/none/x.pid'",
        [
            *ALWAYS,
            "[ERR] Failed to write pidfile: open D/none/x.pid: no such file or directory",
            "[INF] Reloaded: pid_file = D/none/x.pid",
            DONE,
        ],
    ),
    "name": ("server_name: a", "server_name: b", [FAILED + "config reload not supported for ServerName: old=a, new=b"]),
    "pending": (
        "",
        "max_payload: 1000, max_pending: 10000000",
        [FAILED + "config reload not supported for MaxPending: old=67108864, new=10000000"],
    ),
    "no_auth_user": (
        USERS,
        USERS + "\nno_auth_user: a",
        [FAILED + "config reload not supported for NoAuthUser: old=, new=a"],
    ),
}


def servers() -> list[str]:
    return ["natsd", *filter(None, os.environ.get("NATS_SERVER_GO", "").split(":"))]


class Reloading:
    """A server with a file that can be changed."""

    def __init__(self, which: str, folder: Path, text: str, *flags: str) -> None:
        self.folder = folder
        self.file = folder / "main.conf"
        self.write(text)
        command = [sys.executable, "-m", "natsd"] if which == "natsd" else [which]
        self.errors = folder / "stderr"
        with open(self.errors, "w") as stderr:
            self.process = subprocess.Popen(
                [*command, "-c", str(self.file), *flags], stderr=stderr, cwd=folder, env=environment()
            )
        self.wait_for("Server is ready")

    def write(self, text: str) -> None:
        self.file.write_text(BASE + text.replace("D/", f"{self.folder}/"))

    def log(self) -> str:
        text = self.errors.read_text()
        other = self.folder / "x.log"
        return text + other.read_text() if other.exists() else text

    def wait_for(self, pattern: str, count: int = 1) -> None:
        end = time.monotonic() + LIMIT_S
        while len(re.findall(pattern, self.log())) < count:
            assert time.monotonic() < end and self.process.poll() is None, self.log()
            time.sleep(0.01)

    def reload(self, text: str) -> list[str]:
        """The lines of a reload, without what differs each time."""
        before = len(re.findall("Trapped", self.log()))
        ended = len(re.findall("Reloaded server|Failed to reload", self.log()))
        self.write(text)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("Trapped", before + 1)
        self.wait_for("Reloaded server configuration .*\n|Failed to reload.*\n", ended + 1)
        lines = re.split(r"Trapped.*\n", self.log())[-1].splitlines()
        lines = [re.sub(r"^\[\d+\] \S+ \S+ ", "", line).replace(f"{self.folder}/", "D/") for line in lines]
        return [re.sub("sha256:[0-9a-f]{64}", "SHA", line) for line in lines]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT_S)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Reloading]]:
    running: list[Reloading] = []
    yield running
    for server in running:
        server.stop()


@pytest.mark.parametrize("which", servers(), ids=lambda which: "natsd" if which == "natsd" else "go")
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_log_says_what_changed(name: str, which: str, tmp_path: Path, started: list[Reloading]) -> None:
    before, after, lines = SCENARIOS[name]
    started.append(Reloading(which, tmp_path, before))
    said = started[0].reload(after)
    if lines[-1] != DONE and not lines[0].startswith(FAILED):
        said = [line for line in said if line in lines]
    assert said == lines


def test_a_file_with_mistakes_changes_nothing_and_a_good_one_does_afterwards(
    tmp_path: Path, started: list[Reloading], nowhere: str
) -> None:
    syslog = nowhere.replace("nats:", "tcp:")
    server = Reloading("natsd", tmp_path, "max_payload: 2000, http: 127.0.0.1:-1")
    started.append(server)
    url = re.findall(r"http monitor on (\S+)", server.log())[0]

    def varz() -> dict[str, object]:
        with urllib.request.urlopen(f"http://{url}/varz", timeout=LIMIT_S) as answer:
            page = json.load(answer)
            assert isinstance(page, dict)
            return page

    first = varz()
    for text, complaint in (
        ("max_payload: 1000\nfoo: 1", 'D/main.conf:3:1: unknown field "foo"'),
        ("max_payload: x", 'D/main.conf:2:1: "max_payload" must be an integer, not a string'),
        ("max_payload: 1000 {", "D/main.conf:2:1"),
        ("max_payload: 1000, tls {cert_file: 'D/none', key_file: 'D/none'}", "cannot read"),
        ("max_payload: 1000, log_file: 'D/none/x.log'", "error opening file: open D/none/x.log"),
        (f"max_payload: 1000, remote_syslog: '{syslog}'", "error connecting to syslog: connection refused"),
    ):
        (line,) = server.reload(text + "\nhttp: 127.0.0.1:-1")
        assert line.startswith(FAILED) and complaint in line
    assert {key: varz()[key] for key in ("max_payload", "config_digest", "config_load_time")} == {
        key: first[key] for key in ("max_payload", "config_digest", "config_load_time")
    }
    server.reload("max_payload: 1000, server_tags: [t], http: 127.0.0.1:-1")
    after = varz()
    assert (after["max_payload"], after["tags"]) == (1000, ["t"])
    assert after["config_load_time"] > first["config_load_time"]  # type: ignore[operator]
    assert after["config_digest"] != first["config_digest"]


def test_flags_stay_above_the_file(tmp_path: Path, started: list[Reloading]) -> None:
    server = Reloading("natsd", tmp_path, "debug: true", "-D=false", "-n", "flag")
    started.append(server)
    assert server.reload("debug: true, server_name: other, ping_max: 4") == [
        *ALWAYS,
        "[INF] Reloaded: ping_max = 4",
        DONE,
    ]


def test_a_warning_about_the_file_is_logged(tmp_path: Path, started: list[Reloading]) -> None:
    server = Reloading("natsd", tmp_path, "")
    started.append(server)
    lines = server.reload("ping_interval: 5")
    assert lines[0].startswith("[WRN] D/main.conf:2:1:") and lines[-1] == DONE


def test_files_move_with_their_options(tmp_path: Path, started: list[Reloading]) -> None:
    server = Reloading("natsd", tmp_path, "ports_file_dir: D/")
    started.append(server)
    (tmp_path / "other").mkdir()
    name = f"nats-server_{server.process.pid}.ports"
    assert (tmp_path / name).exists()
    server.reload("ports_file_dir: 'D/other', pid_file: 'D/x.pid'")
    assert not (tmp_path / name).exists() and (tmp_path / "other" / name).exists()
    assert (tmp_path / "x.pid").read_text() == str(server.process.pid)


def test_a_log_file_is_rotated_and_its_backups_are_bounded(tmp_path: Path, started: list[Reloading]) -> None:
    server = Reloading("natsd", tmp_path, "log_file: 'D/x.log', log_size_limit: 2000, logfile_max_num: 2")
    started.append(server)

    def backups() -> list[str]:
        return [path.name for path in tmp_path.iterdir() if path.name.startswith("x.log.")]

    end = time.monotonic() + LIMIT_S
    seen: set[str] = set()
    while len(seen) < 3:  # each signal is a few lines more, but for those that come at once
        assert time.monotonic() < end and server.process.poll() is None
        server.process.send_signal(signal.SIGUSR1)
        time.sleep(0.01)
        seen.update(backups())
    while len(names := backups()) != 1:
        assert time.monotonic() < end, names
    assert re.fullmatch(r"x\.log\.\d{4}(\.\d\d){5}\.\d{9}", names[0])


def test_reloads_under_load_lose_nothing() -> None:
    report = run(*natsd(), 80)
    assert (report.trouble, report.lost_connections) == ("", 0)
    assert report.published == report.received > 100
    assert (report.reloads, report.refused) == (72, 8)
    assert report.resident_after - report.resident_before < 2 << 20


def test_the_command_line_can_ask_for_it(tmp_path: Path, started: list[Reloading]) -> None:
    server = Reloading("natsd", tmp_path, "pid_file: D/x.pid")
    started.append(server)
    server.write("pid_file: D/x.pid, ping_max: 7")

    def ask(request: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "natsd", "--signal", request]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment())
        return done.returncode, done.stderr

    assert ask(f"reload={tmp_path / 'x.pid'}") == (0, "")
    server.wait_for("Reloaded: ping_max = 7")
    assert ask(f"nonsense={server.process.pid}") == (1, 'nats-server: unknown signal "nonsense"\n')
    assert ask(f"quit={server.process.pid}") == (0, "")
    assert server.process.wait(LIMIT_S) == 0
