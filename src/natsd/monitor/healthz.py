"""/healthz: whether the server does what it is there for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.monitor.times import duration

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
    same, as in the Go server. With details the page says what is promised of acknowledged messages.
    """
    for name in FLAGS:
        query.flag(name)
    details = query.flag("details")
    for thing, place in NEEDS:
        if query.text(thing) and not query.text(place):
            return _failed(400, "BAD_REQUEST", f'"{place}" must not be empty when checking {thing} health', details)
    if server.lame or not server.running:
        return _failed(500, "CONNECTION", "failed to be ready for connections: server", details)
    trouble = None if query.flag("js-server-only") else _look_at_jetstream(server, query)
    if trouble is not None:
        kind, text, about = trouble
        if details:
            return 404, {"status": "error", "errors": [{"type": kind, **about, "error": text}]}
        return 404, {"status": "unavailable", "error": text}
    healthy: Document = {"status": "ok"}
    if details and server.storage is not None:
        storage = server.storage
        healthy["jetstream"] = {"promise": storage.options.promise, "sync_time": duration(storage.sync_ns)}
    return 200, healthy


def _look_at_jetstream(server: ServerView, query: Query) -> tuple[str, str, Document] | None:
    """What is wrong: its kind, the text, and what it is about."""
    account, stream, consumer = query.text("account"), query.text("stream"), query.text("consumer")
    storage = server.storage
    if storage is None:
        return None
    jetstream = storage.jetstream
    if jetstream.failed:
        return "JETSTREAM", f"JetStream stores nothing any more: {jetstream.failed}", {}
    if not account:
        return None
    home = jetstream.homes.get(account)
    if home is None:
        return "ACCOUNT", f'JetStream account "{account}" not found', {"account": account}
    if not stream:
        return None
    place: Document = {"account": account, "stream": stream}
    found = home.streams.get(stream)
    if found is None:
        return "STREAM", f'JetStream stream "{stream}" not found on account "{account}"', place
    if consumer and consumer not in found.consumers:
        text = f'JetStream consumer "{consumer}" not found for stream "{stream}" on account "{account}"'
        return "CONSUMER", text, {**place, "consumer": consumer}
    return None


def _failed(status: int, kind: str, text: str, details: bool) -> tuple[int, Document]:
    if details:
        return status, {"status": "error", "errors": [{"type": kind, "error": text}]}
    return status, {"status": "error", "error": text}
