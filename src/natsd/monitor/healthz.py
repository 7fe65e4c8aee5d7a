"""/healthz: whether the server does what it is there for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.monitor.document import Document
    from natsd.monitor.query import Query
    from natsd.monitor.view import ServerView

FLAGS = ("js-enabled", "js-enabled-only", "js-server-only", "js-meta-only")
NEEDS = (("stream", "account"), ("consumer", "stream"))
"""What cannot be asked about without also saying where it is."""


def healthz(server: ServerView, query: Query) -> tuple[int, Document]:
    """Status and page. Options: account, stream, consumer, details, and the js- flags. Raises BadQuery.

    Without JetStream a server that takes connections is healthy. Questions about streams have to be complete all the
    same, as in the Go server.
    """
    for name in FLAGS:
        query.flag(name)
    details = query.flag("details")
    for thing, place in NEEDS:
        if query.text(thing) and not query.text(place):
            return _failed(400, "BAD_REQUEST", f'"{place}" must not be empty when checking {thing} health', details)
    if server.lame or not server.running:
        return _failed(500, "CONNECTION", "failed to be ready for connections: server", details)
    return 200, {"status": "ok"}


def _failed(status: int, kind: str, text: str, details: bool) -> tuple[int, Document]:
    if details:
        return status, {"status": "error", "errors": [{"type": kind, "error": text}]}
    return status, {"status": "error", "error": text}
