"""A server of its own process, to be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.ports import HeldPort

from .wire import Gone, Wire

if TYPE_CHECKING:
    from pathlib import Path


class Victim:
    """A server on a directory; its log goes to a file beside it."""

    def __init__(self, directory: Path) -> None:
        # It is connected to before it listens, and after it was killed.
        self._held = HeldPort(for_server=True)
        self.port = self._held.number
        # Without this limit it would be what the disk has left, and publishes could be refused before the disk is full.
        config = directory / "server.conf"
        config.write_text(f'jetstream {{ store_dir: "{directory / "js"}", max_file_store: 100GB }}\n')
        arguments = ["-a", "127.0.0.1", "-p", str(self.port), "-c", str(config)]
        with open(directory / "server.log", "ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "natsd", *arguments], stderr=log)

    def connect(self) -> Wire:
        """A connection, once the server listens."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended by itself: {self._process.returncode}")
            try:
                return Wire(self.port)
            except Gone:
                time.sleep(0.01)
        raise AssertionError("the server does not listen")

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> int:
        """Have it end in order; returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(60)
        finally:
            self._held.close()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._held.close()
