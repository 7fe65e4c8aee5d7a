"""The `nats` command as a process of its own, and a server that permits nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

from tests.places import ROOT

ENTRY = "import sys; from natsd.cli.nats_main import main; sys.exit(main())"
PATIENCE_S = 60.0


class Result:
    """What a finished command printed; stderr without the times in front of its log lines."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.raw_out = out
        self.out = out.decode("utf-8", "surrogateescape")
        self.raw_err = err.decode("utf-8", "surrogateescape")
        self.err = "".join(_without_time(line) for line in self.raw_err.splitlines(keepends=True))

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.raw_err}"


def _without_time(line: str) -> str:
    is_log = len(line) > 9 and line[2] == line[5] == ":" and line[8] == " " and line[:2].isdigit()
    return line[9:] if is_log else line


class Running:
    """A command that is still at work; what it prints is gathered by threads."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._texts: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._gather, args=(name, stream), daemon=True)
            for name, stream in (("out", process.stdout), ("err", process.stderr))
        ]
        for thread in self._threads:
            thread.start()

    def _gather(self, name: str, stream: object) -> None:
        while data := os.read(stream.fileno(), 65536):  # type: ignore[attr-defined]
            with self._changed:
                self._texts[name] += data
                self._changed.notify_all()

    def wait_for(self, text: str, where: str = "err") -> None:
        """Wait until the command has printed this."""
        wanted = text.encode()
        with self._changed:
            found = self._changed.wait_for(
                lambda: wanted in self._texts[where] or self.process.poll() is not None, PATIENCE_S
            )
            assert found and wanted in self._texts[where], f"{text!r} did not come:\n{self._texts}"

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def finish(self) -> Result:
        """Wait for its end."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end:\n{self._texts}") from None
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return Result(code, bytes(self._texts["out"]), bytes(self._texts["err"]))

    def stop(self, number: int = signal.SIGINT) -> Result:
        self.process.send_signal(number)
        return self.finish()


class Nats:
    """Runs the `nats` command against one server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("NATS_")},
            "PYTHONPATH": str(ROOT / "src"),
            "NATS_URL": url,
            # Whoever runs the tests may have contexts.
            "XDG_CONFIG_HOME": os.devnull,
        }
        self._running: list[Running] = []

    def start(self, *args: str | bytes, stdin: bool = False, **environment: str) -> Running:
        process = subprocess.Popen(
            [sys.executable, "-c", ENTRY, *args],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environment, **environment},
            # Commands that are stopped together in a terminal are stopped one by one here.
            start_new_session=True,
        )
        running = Running(process)
        self._running.append(running)
        return running

    def run(self, *args: str | bytes, stdin: bytes | None = None, **environment: str) -> Result:
        running = self.start(*args, stdin=stdin is not None, **environment)
        if stdin is not None:
            running.write(stdin)
        return running.finish()

    def sub(self, *args: str) -> Running:
        """`nats sub` that is listening when this returns."""
        running = self.start("sub", *args)
        running.wait_for("Subscribing on")
        return running

    def reply(self, *args: str | bytes) -> Running:
        running = self.start("reply", *args)
        running.wait_for("Listening on")
        return running

    def close(self) -> None:
        for running in self._running:
            if running.process.poll() is None:
                running.process.kill()
                running.finish()


class Denying:
    """A server that lets everybody in and permits nothing; it also tells nobody's request has a responder."""

    def __init__(self, greeting: bytes = b"") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self._listener.getsockname()[1]}"
        self.lines: list[bytes] = []
        self._greeting = greeting or b'INFO {"headers":true,"max_payload":1048576}\r\n'
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as lines:
            peer.sendall(self._greeting)
            try:
                for line in lines:
                    self._answer(peer, line.rstrip(b"\r\n"))
            except OSError:
                return

    def _answer(self, peer: socket.socket, line: bytes) -> None:
        self.lines.append(line)
        words = line.split(b" ")
        if words[0] == b"PING":
            peer.sendall(b"PONG\r\n")
        elif words[0] in (b"PUB", b"HPUB"):
            peer.sendall(b"-ERR 'Permissions Violation for Publish to \"%b\"'\r\n" % words[1])
        elif words[0] == b"SUB" and not words[1].startswith(b"_INBOX."):
            peer.sendall(b"-ERR 'Permissions Violation for Subscription to \"%b\"'\r\n" % words[1])

    def close(self) -> None:
        self._listener.close()
