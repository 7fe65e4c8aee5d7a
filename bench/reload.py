"""A server that is told to reload again and again while messages flow: what is lost, how long the longest gap is, and
whether its memory grows. `python -m bench.reload --reloads 1000 [--go PATH]`
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WAIT_S = 60.0
IDLE = 50
WARM_UP = 0.2
"""Of the reloads: memory is compared from there on."""

FILE = """
listen: 127.0.0.1:-1
log_file: "{folder}/log"
max_payload: {payload}
ping_interval: "{ping}s"
write_deadline: "{deadline}s"
server_tags: ["t{step}"]
mappings: {{"mapped.{part}": other}}
authorization {{
  users: [
    {{user: load, password: load}}
    {{user: other, password: other, permissions: {{publish: ["a.{part}", b], subscribe: {{deny: ["no.{part}"]}}}}}}
    {{user: "u{step}", password: x}}
  ]
}}
accounts {{
  A {{users: [{{user: a, password: a}}], exports: [{{stream: "out.>"}}, {{service: ask}}]}}
  B {{users: [{{user: b, password: b}}], imports: [{imports}]}}
  "C{step}" {{users: [{{user: "c{step}", password: c}}]}}
}}
"""


IMPORTS = '{stream: {account: A, subject: "out.>"}}, {service: {account: A, subject: ask}}'


class Report:
    """What came of it."""

    def __init__(self) -> None:
        self.reloads = 0
        self.refused = 0
        self.seconds = 0.0
        self.published = 0
        self.received = 0
        self.longest_gap_s = 0.0
        self.lost_connections = 0
        self.resident_before = 0
        self.resident_after = 0
        self.trouble = ""


class Client:
    """A blocking connection."""

    def __init__(self, port: int, user: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_S)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.say(b'CONNECT {"verbose":false,"user":"%b","pass":"%b"}\r\n' % (user.encode(), user.encode()))
        self.settle()

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def settle(self) -> None:
        self.say(b"PING\r\n")
        while (line := self.file.readline()) != b"PONG\r\n":
            if not line or line.startswith(b"-ERR"):
                raise RuntimeError(f"cut off: {line!r}")

    def close(self) -> None:
        self.socket.close()


class Load:
    """A publisher and a subscriber of numbered messages."""

    def __init__(self, port: int, report: Report) -> None:
        self._report = report
        self._subscriber, self._publisher = Client(port, "load"), Client(port, "load")
        self._subscriber.say(b"SUB load 1\r\n")
        self._subscriber.settle()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._publish), threading.Thread(target=self._receive)]
        for thread in self._threads:
            thread.start()

    def _publish(self) -> None:
        report = self._report
        try:
            while not self._ended.is_set():
                block = b"".join(b"PUB load 8\r\n%08d\r\n" % (report.published + at) for at in range(20))
                self._publisher.say(block)
                report.published += 20
                time.sleep(0.001)
            self._publisher.say(b"PUB load 3\r\nend\r\n")
        except OSError as error:
            report.trouble = f"the publisher was cut off: {error}"

    def _receive(self) -> None:
        report, file = self._report, self._subscriber.file
        last = time.monotonic()
        try:
            while True:
                while (line := file.readline()) == b"PING\r\n":
                    self._subscriber.say(b"PONG\r\n")
                payload = file.readline()
                now = time.monotonic()
                report.longest_gap_s = max(report.longest_gap_s, now - last)
                last = now
                if payload == b"end\r\n":
                    return
                if not line.startswith(b"MSG load 1 ") or int(payload) != report.received:
                    report.trouble = f"{payload!r} came instead of message {report.received}"
                    return
                report.received += 1
        except (OSError, ValueError) as error:
            report.trouble = f"the subscriber was cut off: {error}"

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(WAIT_S)
        self._subscriber.close()
        self._publisher.close()


def write_file(folder: Path, step: int) -> None:
    """The file for one reload; every tenth is one that has to be refused."""
    text = FILE.format(
        folder=folder,
        imports=IMPORTS if step % 2 else "",
        payload=1000 + step % 7,
        ping=60 + step % 3,
        deadline=5 + step % 2,
        step=step,
        part=step % 5,
    )
    (folder / "main.conf").write_text(text + ("max_pending: 20000000" if step % 10 == 9 else ""))


def count_ended(folder: Path) -> tuple[int, int]:
    text = (folder / "log").read_text(errors="replace") if (folder / "log").exists() else ""
    return len(re.findall("Reloaded server configuration", text)), len(re.findall("Failed to reload", text))


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) * 1024


def run(command: list[str], environment: dict[str, str], reloads: int) -> Report:
    """Start a server, put load on it and reload it so often."""
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_file(folder, 0)
        with subprocess.Popen([*command, "-c", str(folder / "main.conf")], env=environment) as process:
            try:
                _reload(process, folder, report, reloads)
            finally:
                process.kill()
    return report


def _wait(process: subprocess.Popen[bytes], folder: Path, total: int) -> None:
    end = time.monotonic() + WAIT_S
    while sum(count_ended(folder)) < total:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the server has ended or does not reload")
        time.sleep(0.0005)


def _reload(process: subprocess.Popen[bytes], folder: Path, report: Report, reloads: int) -> None:
    end = time.monotonic() + WAIT_S
    while not (folder / "log").exists() or "Server is ready" not in (folder / "log").read_text():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the server does not start")
        time.sleep(0.01)
    port = int(re.findall(r"client connections on 127\.0\.0\.1:(\d+)", (folder / "log").read_text())[0])
    idle = [Client(port, ("load", "other", "a", "b")[number % 4]) for number in range(IDLE)]
    for client in idle:
        client.say(b"SUB no.* 1\r\nSUB quiet 2\r\nSUB out.* 3\r\nSUB ask 4\r\n")
        client.settle()
    load = Load(port, report)
    begin = time.monotonic()
    try:
        for step in range(reloads):
            if step == int(reloads * WARM_UP):
                report.resident_before = resident_bytes(process.pid)
            write_file(folder, step)
            (folder / "log").write_text("")  # appended to, so it can be emptied between two reloads
            process.send_signal(signal.SIGHUP)
            _wait(process, folder, 1)
            taken, refused = count_ended(folder)
            report.reloads += taken
            report.refused += refused
        report.seconds = time.monotonic() - begin
        report.resident_after = resident_bytes(process.pid)
    finally:
        load.stop()
    for client in idle:
        try:
            client.settle()
        except (OSError, RuntimeError):
            report.lost_connections += 1
        client.close()


def natsd() -> tuple[list[str], dict[str, str]]:
    """The command and the environment of this natsd."""
    return [sys.executable, "-m", "natsd"], {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def show(name: str, report: Report) -> None:
    grown = (report.resident_after - report.resident_before) / 1024
    lost = report.published - report.received
    print(
        f"{name}: {report.reloads} reloads and {report.refused} refused ones in {report.seconds:.1f} s;"
        f" {report.published} messages, {lost} lost; longest gap {report.longest_gap_s * 1000:.0f} ms;"
        f" {report.lost_connections} of {IDLE} idle connections lost; memory grew by {grown:.0f} KiB of"
        f" {report.resident_before / 1024:.0f}" + (f"; {report.trouble}" if report.trouble else ""),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--go", metavar="PATH", default="", help="a Go server to do the same with")
    given = parser.parse_args()
    show("natsd", run(*natsd(), given.reloads))
    if given.go:
        show("Go", run([given.go], dict(os.environ), given.reloads))


if __name__ == "__main__":
    main()
