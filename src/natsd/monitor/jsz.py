"""/jsz: JetStream, which is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.monitor.times import date

if TYPE_CHECKING:
    from natsd.monitor.document import Document
    from natsd.monitor.query import Query
    from natsd.monitor.view import ServerView

FLAGS = (
    "accounts", "streams", "consumers", "direct-consumers", "config", "leader-only", "stream-leader-only", "raft",
)  # fmt: skip


def jsz(server: ServerView, query: Query) -> Document:
    """The page. Options: acc, offset, limit and the FLAGS. Raises BadQuery."""
    for name in FLAGS:
        query.flag(name)
    query.integer("offset")
    query.integer("limit")
    return {
        "memory": 0,
        "storage": 0,
        "reserved_memory": 0,
        "reserved_storage": 0,
        "accounts": 0,
        "ha_assets": 0,
        "api": {"level": 0, "total": 0, "errors": 0},
        "server_id": server.roster.info.server_id,
        "now": date(server.clock.wall_ns()),
        "disabled": True,
        "config": {"max_memory": 0, "max_storage": 0},
        "streams": 0,
        "consumers": 0,
        "messages": 0,
        "bytes": 0,
        "total": 0,
    }
