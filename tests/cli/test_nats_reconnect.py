"""What the commands do when their server goes away and comes back."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from tests.cli.commands import Nats
from tests.places import ROOT, ServerProcess
from tests.ports import HeldPort

if TYPE_CHECKING:
    from tests.cli.commands import Running
else:
    Running = Any


def server_on(port: int) -> ServerProcess:
    program = os.environ.get("NATSD_TEST_SERVER")
    command = [program] if program else [sys.executable, "-m", "natsd"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return ServerProcess(command, ["-p", str(port)], {}, environment)


def test_a_subscriber_and_a_replier_outlive_their_server() -> None:
    with HeldPort(for_server=True) as port:
        outlive(port)


def outlive(port: int) -> None:
    server = server_on(port)
    nats = Nats(f"nats://127.0.0.1:{port}")
    subscriber: Running = nats.start("sub", "news", "--trace")
    subscriber.wait_for("Subscribing on news")
    replier = nats.start("reply", "ask", "answer", "--trace")
    replier.wait_for("Listening")
    try:
        server.stop()
        for running in (subscriber, replier):
            running.wait_for(">>> Disconnected due to: ")
        server = server_on(port)
        for running in (subscriber, replier):
            running.wait_for(f">>> Reconnected to {nats.url}")
        nats.run("pub", "news", "again")
        subscriber.wait_for("again", "out")
        assert nats.run("req", "ask", "x", "--raw").out == "answer\n"
        server.stop()
        # It stops on the first signal also while there is no server.
        replier.wait_for(">>> Disconnected due to: ")
        stopped = replier.stop()
        assert stopped.code == 0 and stopped.err.endswith("\nDraining...\nExiting\n")
        assert subscriber.stop().code == 130
    finally:
        nats.close()
        server.stop()
