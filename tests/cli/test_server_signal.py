"""`--signal`: which processes are meant, and what they get. No process of this machine is signalled here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from natsd.cli.server_signal import SIGNALS, SignalError, running, send


class Machine:
    """Processes as /proc shows them, and what was sent to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: list[tuple[int, int]] = []

    def start(self, pid: int, *words: str) -> None:
        (self.folder / str(pid)).mkdir()
        (self.folder / str(pid) / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))

    def kill(self, pid: int, number: int) -> None:
        if not (self.folder / str(pid)).exists():
            raise ProcessLookupError(3, "No such process")
        self.sent.append((pid, number))

    def send(self, request: str) -> list[tuple[int, int]]:
        send(request, self.kill, str(self.folder))
        return self.sent


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ("nats-server",),
        ("/usr/sbin/nats-server", "-c", "x"),
        ("/x/.venv/bin/python", "/x/.venv/bin/nats-server", "-p", "1"),
        ("python3", "-m", "natsd"),
        ("python3.11", "-X", "utf8", "-u", "-m", "natsd", "-p", "1"),
    ],
)
def test_servers_are_known_by_what_runs(machine: Machine, words: tuple[str, ...]) -> None:
    machine.start(100, *words)
    assert running(str(machine.folder)) == [100]


@pytest.mark.parametrize(
    "words",
    [
        ("vi", "nats-server"),
        ("python3", "x.py", "nats-server"),
        ("nats", "server"),
        ("python3", "-m", "other", "natsd"),
        ("python3",),
        (),
    ],
)
def test_others_are_left_alone(machine: Machine, words: tuple[str, ...]) -> None:
    machine.start(100, *words)
    machine.start(os.getpid(), "nats-server")
    (machine.folder / "uptime").write_text("1")
    (machine.folder / "7").mkdir()
    assert running(str(machine.folder)) == []


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("stop", signal.SIGKILL),
        ("quit", signal.SIGINT),
        ("term", signal.SIGTERM),
        ("reopen", signal.SIGUSR1),
        ("reload", signal.SIGHUP),
        ("ldm", signal.SIGUSR2),
    ],
)
def test_every_command_has_its_signal(machine: Machine, command: str, number: int) -> None:
    machine.start(100, "nats-server")
    assert machine.send(command) == [(100, number)]
    assert SIGNALS[command] == number


def test_a_number_a_file_and_a_pattern_say_which(machine: Machine, tmp_path: Path) -> None:
    for pid in (120, 121, 200):
        machine.start(pid, "nats-server")
    file = tmp_path / "server.pid"
    file.write_text(" 200\n")
    assert machine.send("reload=121") == [(121, signal.SIGHUP)]
    machine.sent.clear()
    assert machine.send(f"reload={file}") == [(200, signal.SIGHUP)]
    machine.sent.clear()
    assert machine.send("reload=12*") == [(120, signal.SIGHUP), (121, signal.SIGHUP)]
    machine.sent.clear()
    assert [pid for pid, _ in machine.send("reload=*")] == [120, 121, 200]
    machine.sent.clear()
    assert machine.send("reload=9*") == []


def test_what_cannot_be_done_is_said_as_the_go_server_says_it(machine: Machine, tmp_path: Path) -> None:
    def refusal(request: str) -> str:
        with pytest.raises(SignalError) as caught:
            machine.send(request)
        return str(caught.value)

    assert refusal("ldm") == refusal("x") == refusal("ldm=*") == "no nats-server processes running"
    assert refusal("ldm=99999") == '\nsignal "ldm" 99999: no such process'
    assert refusal("ldm=/no/file") == "invalid pid: /no/file"
    assert refusal("ldm=*x") == "invalid pid: *x"
    assert refusal("ldm=-1") == "invalid pid: -1"
    machine.start(100, "nats-server")
    assert refusal("x") == 'unknown signal "x"'
    machine.start(101, "nats-server")
    assert refusal("ldm") == "multiple nats-server processes running:\n100\n101"
    with pytest.raises(SignalError, match="unable to resolve pid"):
        send("ldm", machine.kill, str(tmp_path / "none"))
    assert machine.sent == []
