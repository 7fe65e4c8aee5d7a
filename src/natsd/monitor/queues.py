"""/ipqueuesz and /raftz: the queues inside the server, and the consensus groups, of which there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.monitor.query import NotThere

if TYPE_CHECKING:
    from natsd.monitor.document import Document
    from natsd.monitor.query import Query
    from natsd.monitor.view import ServerView


def ipqueuesz(server: ServerView, query: Query) -> Document:
    """The page. Options: all (empty ones too), queues (part of a name). Raises BadQuery."""
    every, wanted = query.flag("all"), query.text("queues")
    lengths = {"Timers": len(server.timers), "Half-closed connections": server.half_closed}
    lengths["System answers"] = server.answers_waiting
    return {
        name: {"pending": length}
        for name, length in lengths.items()
        if (every or length) and (not wanted or wanted in name)
    }


def raftz(server: ServerView, query: Query) -> Document:
    """The page. Options: acc, group. Raises NotThere."""
    raise NotThere("No Raft nodes registered")
