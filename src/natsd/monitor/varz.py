"""/varz: the server itself, its options, and what it has counted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natsd.base.clock import SECOND_NS, to_ns
from natsd.base.version import NATS_VERSION, PROTO
from natsd.monitor.times import date, uptime
from natsd.protocol.info import FLAVOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from natsd.monitor.document import Document
    from natsd.monitor.view import ServerView


def varz(
    server: ServerView, *, http_port: int, https_port: int = 0, cpu: float, memory: int, requests: Mapping[str, int]
) -> Document:
    """The page. `requests` counts the requests by path; `cpu` is in percent, `memory` in bytes.

    Parts the server does not have yet stand as empty objects, as they do in the Go server when they are off.
    """
    options, roster, road = server.options, server.roster, server.road
    info = roster.info
    now_ns = server.clock.wall_ns()
    started_ns = server.started or now_ns
    page: Document = {
        "server_id": info.server_id,
        "server_name": info.server_name,
        "version": NATS_VERSION,
        "proto": PROTO,
        "go": FLAVOUR,
        "host": info.host,
        "port": info.port,
    }
    if info.auth_required:
        page["auth_required"] = True
    if info.tls_required:
        page["tls_required"] = True
    if info.tls_verify:
        page["tls_verify"] = True
    if info.connect_urls:
        page["connect_urls"] = list(info.connect_urls)
    page["max_connections"] = options.max_connections
    if options.max_subscriptions:
        page["max_subscriptions"] = options.max_subscriptions
    page |= {
        "ping_interval": to_ns(options.ping_interval_s),
        "ping_max": options.ping_max,
        "http_host": options.http_host,
        "http_port": http_port,
        "http_base_path": options.http_base_path,
        "https_port": https_port,
        "auth_timeout": options.auth_timeout_s,
        "max_control_line": options.max_control_line,
        "max_payload": options.max_payload,
        "max_pending": options.max_pending,
        "cluster": {},
        "gateway": {},
        "leaf": {},
        "mqtt": {},
        "websocket": {},
        "jetstream": _jetstream(server),
        "tls_timeout": options.tls.timeout_s if options.tls is not None else 2.0,
        "write_deadline": to_ns(options.write_deadline_s),
        "start": date(started_ns),
        "now": date(now_ns),
        "uptime": uptime(now_ns - started_ns),
        "mem": memory,
        "cores": os.cpu_count() or 1,
        "gomaxprocs": 1,  # one thread owns the state
        "cpu": cpu,
        "connections": len(roster.connections),
        "total_connections": roster.total_connections,
        "routes": 0,
        "remotes": 0,
        "leafnodes": 0,
        "in_msgs": road.in_msgs,
        "in_bytes": road.in_bytes,
        "in_client_msgs": road.in_msgs,
        "in_client_bytes": road.in_bytes,
        "out_msgs": road.out_msgs,
        "out_bytes": road.out_bytes,
        "out_client_msgs": road.out_msgs,
        "out_client_bytes": road.out_bytes,
        "slow_consumers": roster.slow_consumers,
        "stale_connections": roster.stale_connections,
        "stalled_clients": roster.stalls,
        "subscriptions": sum(len(account.sublist) for account in server.accounts.values()),
        "http_req_stats": dict(sorted(requests.items())),
        "config_load_time": date(server.loaded),
        "config_digest": options.config_digest,
    }
    if options.server_tags:
        page["tags"] = list(options.server_tags)
    if options.server_metadata:
        page["metadata"] = dict(options.server_metadata)
    if roster.system_account is not None:
        page["system_account"] = roster.system_account.name
    page |= {
        "slow_consumer_stats": {"clients": roster.slow_consumers, "routes": 0, "gateways": 0, "leafs": 0},
        "stale_connection_stats": {"clients": roster.stale_connections, "routes": 0, "gateways": 0, "leafs": 0},
        "disk_io_wait_stats": {"waiters": 0, "waits": 0, "wait_time": 0, "max_wait_time": 0},
    }
    if server.security is not None and server.security.not_after_s:
        page["tls_cert_not_after"] = date(server.security.not_after_s * SECOND_NS)
    return page


def _jetstream(server: ServerView) -> Document:
    if server.storage is None:
        return {}
    from natsd.monitor.jsz import jetstream_part

    part = jetstream_part(server.storage)
    return {"config": part.pop("config"), "stats": server.storage.jetstream.stats(), **part}
