"""/jsz: what JetStream keeps, for the server and, where it is asked for, by account, stream and consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.base.clock import to_ns
from natsd.jetstream.consumers.consumer_info import info as consumer_info
from natsd.monitor.times import date
from natsd.monitor.view import DEFAULT_LIMIT

if TYPE_CHECKING:
    from natsd.jetstream.home import Home
    from natsd.jetstream.streams.stream import Stream
    from natsd.monitor.document import Document
    from natsd.monitor.query import Query
    from natsd.monitor.view import ServerView, StorageView

UNSIGNED = (1 << 64) - 1
"""Tools read these figures without a sign: no limit is the largest number."""


def jsz(server: ServerView, query: Query) -> Document:
    """The page. Options: acc, accounts, streams, consumers, config, offset, limit. Raises BadQuery."""
    account = query.text("acc")
    consumers = query.flag("consumers")
    streams = query.flag("streams") or consumers
    accounts = query.flag("accounts") or streams
    config = query.flag("config")
    for name in ("direct-consumers", "leader-only", "raft", "stream-leader-only"):
        query.flag(name)
    offset, limit = query.integer("offset"), query.integer("limit") or DEFAULT_LIMIT
    head: Document = {"server_id": server.roster.info.server_id, "now": date(server.clock.wall_ns())}
    storage = server.storage
    if storage is None:
        off = {"max_memory": 0, "max_storage": 0}
        totals = {"streams": 0, "consumers": 0, "messages": 0, "bytes": 0, "total": 0}
        return {**NOTHING, **head, "disabled": True, "config": off, **totals}
    jetstream = storage.jetstream
    homes = list(jetstream.homes.values())
    states = [stream.store.state for home in homes for stream in home.streams.values()]
    page: Document = {**jetstream.stats(), **head, **jetstream_part(storage)}
    page |= {
        "streams": len(states),
        "consumers": sum(len(stream.consumers) for home in homes for stream in home.streams.values()),
        "messages": sum(state.msgs for state in states),
        "bytes": sum(state.bytes for state in states),
    }
    chosen = [home for home in homes if home.name == account] if account else homes if accounts else []
    if not account:
        chosen = sorted(chosen, key=lambda home: home.name)[max(offset, 0) : max(offset, 0) + max(limit, 0)]
    if chosen:
        page["account_details"] = [_account(home, streams, consumers, config) for home in chosen]
    page["total"] = len(homes)
    return page


NOTHING: Document = {
    "memory": 0,
    "storage": 0,
    "reserved_memory": 0,
    "reserved_storage": 0,
    "accounts": 0,
    "ha_assets": 0,
    "api": {"level": 0, "total": 0, "errors": 0},
}


def account_jsz(home: Home, query: Query) -> Document:
    """One account, with its streams and consumers where they are asked for."""
    consumers = query.flag("consumers")
    return _account(home, query.flag("streams") or consumers, consumers, query.flag("config"))


def jetstream_stats(storage: StorageView) -> Document:
    """Figures, configuration and limits, as STATSZ has them: without the place on the disk."""
    part: dict[str, Any] = {**jetstream_part(storage)}
    config = {name: value for name, value in part.pop("config").items() if name != "store_dir"}
    return {"config": config, "stats": storage.jetstream.stats(), **part}


def jetstream_part(storage: StorageView) -> Document:
    """Configuration and limits, as /varz shows them too."""
    options = storage.options
    config: Document = {
        "max_memory": options.max_memory,
        "max_storage": storage.max_file,
        "store_dir": options.store_dir,
    }
    if options.sync_interval_s:
        config["sync_interval"] = to_ns(options.sync_interval_s)
    else:
        config["sync_always"] = True
    if options.domain:
        config["domain"] = options.domain
    if options.strict:
        config["strict"] = True
    limits = {
        "default_max_ack_pending": options.max_ack_pending,
        "max_request_batch": options.max_request_batch,
        "duplicate_window": options.duplicate_window_ns,
        "max_batch_inflight_per_stream": options.batch.get("batch_per_stream", 0),
        "max_batch_inflight_total": options.batch.get("batch_total", 0),
        "max_batch_size": options.batch.get("batch_msgs", 0),
        "max_batch_timeout": options.batch.get("batch_timeout_ns", 0),
    }
    part: Document = {"config": config}
    if shown := {name: value for name, value in limits.items() if value}:
        part["limits"] = shown
    return part


def _account(home: Home, streams: bool, consumers: bool, config: bool) -> Document:
    page: Document = {
        "name": home.name,
        "id": home.name,
        "memory": home.used["memory"],
        "storage": home.used["file"],
        "reserved_memory": home.limits.max_memory & UNSIGNED,
        "reserved_storage": home.limits.max_storage & UNSIGNED,
        "accounts": 0,
        "ha_assets": 0,
        "api": {"level": 0, "total": home.api_total, "errors": home.api_errors},
    }
    if streams and home.streams:
        names = sorted(home.streams)
        page["stream_detail"] = [_stream(home.streams[name], consumers, config) for name in names]
    return page


def _stream(stream: Stream, consumers: bool, config: bool) -> Document:
    info = stream.info(dynamic=False)
    page: Document = {
        "name": stream.name,
        "created": info["created"],
        "cluster": {"leader": stream.home.jetstream.server_name},
    }
    if config:
        page["config"] = info["config"]
    page["state"] = info["state"]
    for name in ("mirror", "sources"):
        if name in info:
            page[name] = info[name]
    if consumers and stream.consumers:
        page["consumer_detail"] = [_consumer(consumer, config) for consumer in stream.consumers.values()]
    return page


def _consumer(consumer: Any, config: bool) -> Document:
    page: Document = consumer_info(consumer, dynamic=False)
    if not config:
        page.pop("config", None)
    return page
