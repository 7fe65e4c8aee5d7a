"""What a server must not be left with when everybody is done: open connections, open sockets, unfinished tasks."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.embed import Server, ThreadedServer

PATIENCE_S = 5.0
"""How long a client's close may take to arrive."""


def find_leaks(threaded: ThreadedServer, patience_s: float = PATIENCE_S) -> list[str]:
    """What is left in a running server after `patience_s` at most, one line each. Empty when all is well."""
    end = time.monotonic() + patience_s
    while True:
        found = threaded.call(look)
        if not found or time.monotonic() >= end:
            return found
        time.sleep(0.005)


def look(server: Server) -> list[str]:
    """What is left right now; to be called in the server's own thread, on its event loop."""
    found = [f"open connection {session.label}" for session in server.connections.values()]
    if server.half_closed:
        found.append(f"{server.half_closed} sockets not closed yet")
    mine = asyncio.current_task()
    # The server's main task is what keeps its loop running; whoever asks has one as well.
    found += [
        f"unfinished task {task.get_name()}: {task.get_coro()!r}"
        for task in asyncio.all_tasks()
        if task is not mine and task is not server.main_task
    ]
    return found
