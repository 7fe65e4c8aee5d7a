"""`nats-server -c` and `-t`: what is said, where, and the exit status."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import natsd

LIMIT_S = 60
SOURCE = str(Path(natsd.__file__).parents[1])


def run(*args: str, folder: Path, ready: bool = False) -> subprocess.CompletedProcess[str]:
    """A run of the server in a folder; when it is to become `ready` it is ended then."""
    path = os.pathsep.join(filter(None, (SOURCE, os.environ.get("PYTHONPATH", ""))))
    command = [sys.executable, "-m", "natsd", *args]
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "Server is ready" in line:
                process.terminate()
        status = process.wait(LIMIT_S)
    assert not ready or any("Server is ready" in line for line in lines), lines
    return subprocess.CompletedProcess(command, status, "", "".join(lines))


def write(folder: Path, text: str, name: str = "main.conf") -> None:
    (folder / name).write_text(text)


def test_a_valid_file_is_called_so_with_its_digest(tmp_path: Path) -> None:
    write(tmp_path, "port: 4222\n")
    done = run("-t", "-c", "main.conf", folder=tmp_path)
    assert done.returncode == 0
    assert done.stderr == (
        "nats-server: configuration file main.conf is valid"
        " (sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e)\n"
    )


def test_every_mistake_has_its_own_line(tmp_path: Path) -> None:
    write(tmp_path, "foo: 1\nping_interval: 5\ninclude more.conf")
    write(tmp_path, "\n  bar: 2", "more.conf")
    lines = [
        'nats-server: main.conf:2:1: "ping_interval" should be a duration such as "90s" or "2m";'
        " the number 5 is taken as seconds",
        'more.conf:2:3: unknown field "bar"',
        'main.conf:1:1: unknown field "foo"',
    ]
    for args in (["-t", "-c", "main.conf"], ["-c", "main.conf"], ["--config=main.conf", "-t=false"]):
        done = run(*args, folder=tmp_path)
        assert (done.returncode, done.stderr.splitlines()) == (1, lines)


def test_warnings_alone_fail_a_check_and_no_start(tmp_path: Path) -> None:
    write(tmp_path, "ping_interval: 5, listen: 127.0.0.1:-1")
    checked = run("-t", "-c", "main.conf", folder=tmp_path)
    assert checked.returncode == 1 and "is taken as seconds" in checked.stderr
    started = run("-c", "main.conf", folder=tmp_path, ready=True)
    assert started.returncode == 0 and "is taken as seconds" in started.stderr.splitlines()[0]


def test_a_check_needs_a_file(tmp_path: Path) -> None:
    assert run("-t", folder=tmp_path).returncode == 1
    done = run("-t", "-c", "none.conf", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "nats-server: open none.conf: no such file or directory\n")


def test_a_check_finds_what_would_stop_a_start(tmp_path: Path) -> None:
    write(tmp_path, "port: 99999")
    done = run("-t", "-c", "main.conf", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "nats-server: port 99999 is not between -1 and 65535\n")


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    write(tmp_path, "listen: 127.0.0.1:1, server_name: file, debug: true")
    done = run("-c", "main.conf", "-p", "-1", "-n", "flag", "-D=false", folder=tmp_path, ready=True)
    assert "Name:     flag" in done.stderr and "[DBG]" not in done.stderr


def test_the_log_names_the_file_and_its_digest(tmp_path: Path) -> None:
    write(tmp_path, "listen: 127.0.0.1:-1, server_name: one")
    done = run("-c", "main.conf", folder=tmp_path, ready=True)
    assert re.search(r"\[INF\] Using configuration file: main.conf \(sha256:[0-9a-f]{64}\)\n", done.stderr)
    assert "Name:     one" in done.stderr


def test_a_file_that_asks_for_what_is_not_there_yet_starts_no_open_server(tmp_path: Path) -> None:
    write(tmp_path, "listen: 127.0.0.1:-1\ncluster {port: -1}")
    done = run("-c", "main.conf", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "nats-server: main.conf:2:1: cluster is not supported yet (clustering)\n"


def test_lines_of_a_file_cannot_forge_lines_of_output(tmp_path: Path) -> None:
    write(tmp_path, '"a\nnats-server: main.conf is valid\x1b[2J": 1')
    done = run("-t", "-c", "main.conf", folder=tmp_path)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "\x1b" not in done.stderr


def test_a_start_without_a_file_reads_no_configuration_code() -> None:
    program = (
        "import sys; sys.argv = ['nats-server', '-v']; from natsd.cli.server_main import main, make_options;"
        " from natsd.cli.server_flags import parse; make_options(parse(['-p', '-1', '-user', 'a', '-pass', 'b']));"
        " import natsd.server.server; print([name for name in sys.modules if name.startswith('natsd.config')])"
    )
    path = os.pathsep.join(filter(None, (SOURCE, os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=LIMIT_S,
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
