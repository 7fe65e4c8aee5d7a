"""/metrics: the server's figures in Prometheus' text format.

Names and labels are those of the community's prometheus-nats-exporter where it has the figure, so that its dashboards
fit: `gnatsd_varz_...` and `gnatsd_subsz_...` are the numbers of these pages, `gnatsd_connz_...` sums over connections,
`gnatsd_accstatz_...` is by account, `jetstream_...` from /jsz. What it does not have begins with `natsd_`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.version import VERSION
from natsd.kernel import FORM
from natsd.monitor.accounts import account_stat
from natsd.monitor.document import CHUNK, PAUSE, finish
from natsd.monitor.healthz import healthz
from natsd.monitor.jsz import jsz
from natsd.monitor.metrics_jetstream import jetstream_metrics
from natsd.monitor.metrics_text import render_metric, render_sample
from natsd.monitor.query import Query
from natsd.monitor.subsz import subsz

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from natsd.monitor.document import Document
    from natsd.monitor.view import ServerView

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TEXTS = ("server_id", "server_name", "version")
"""Keys of /varz that are told although they are no numbers, as a label of a gauge that is 1."""
SUMS = (
    ("pending_bytes", "gauge"),
    ("subscriptions", "gauge"),
    ("in_bytes", "counter"),
    ("out_bytes", "counter"),
    ("in_msgs", "counter"),
    ("out_msgs", "counter"),
)
ACCOUNT = (
    # The exporter's name, the key in /accstatz.
    ("current_connections", "conns"),
    ("total_connections", "total_conns"),
    ("subscriptions", "num_subscriptions"),
    ("leaf_nodes", "leafnodes"),
    ("sent_messages", "sent.msgs"),
    ("sent_bytes", "sent.bytes"),
    ("received_messages", "received.msgs"),
    ("received_bytes", "received.bytes"),
    ("slow_consumers", "slow_consumers"),
)
JETSTREAM = (
    ("jetstream_disabled", "disabled"),
    ("total_streams", "streams"),
    ("total_consumers", "consumers"),
    ("total_messages", "messages"),
    ("total_message_bytes", "bytes"),
    ("max_memory", "config.max_memory"),
    ("max_storage", "config.max_storage"),
)


def metrics(server: ServerView, varz: Document) -> Iterator[str]:
    """The page in pieces of bounded work. varz: that page of the same server."""
    info = server.roster.info
    server_id = {"server_id": info.server_id}
    for key, value in varz.items():
        if key in TEXTS:
            yield render_metric(f"gnatsd_varz_{key}", "gauge", [({**server_id, "value": str(value)}, 1)])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield render_metric(f"gnatsd_varz_{key}", "gauge", [(server_id, value)])
    yield from _connections(server, server_id)
    for key, value in finish(subsz(server, Query())).items():
        if isinstance(value, int | float):
            yield render_metric(f"gnatsd_subsz_{key}", "gauge", [(server_id, value)])
    status, _ = healthz(server, Query())
    yield render_metric("gnatsd_healthz_status", "gauge", [(server_id, int(status != 200))])
    yield from _accounts(server, server_id)
    page = jsz(server, Query())
    labels = {**server_id, "server_name": info.server_name}
    for name, key in JETSTREAM:
        yield render_metric(f"jetstream_server_{name}", "gauge", [(labels, _find(page, key))])
    if server.storage is not None:
        yield from jetstream_metrics(server.storage, labels)
    yield render_metric("natsd_info", "gauge", [({**server_id, "version": VERSION, "kernel": FORM}, 1)])
    yield render_metric("natsd_accounts", "gauge", [(server_id, len(server.accounts))])
    yield render_metric("natsd_timers", "gauge", [(server_id, len(server.timers))])
    yield render_metric("natsd_half_closed_connections", "gauge", [(server_id, server.half_closed)])


def _connections(server: ServerView, labels: Mapping[str, str]) -> Iterator[str]:
    connections = list(server.roster.connections.values())
    sums = dict.fromkeys((name for name, _ in SUMS), 0)
    for start in range(0, len(connections), CHUNK):
        for connection in connections[start : start + CHUNK]:
            sums["pending_bytes"] += connection.pending
            sums["subscriptions"] += connection.subscriptions
            sums["in_bytes"] += connection.in_bytes
            sums["out_bytes"] += connection.out_bytes
            sums["in_msgs"] += connection.in_msgs
            sums["out_msgs"] += connection.out_msgs
        yield PAUSE
    for name in ("num_connections", "total"):
        yield render_metric(f"gnatsd_connz_{name}", "gauge", [(labels, len(connections))])
    for name, kind in SUMS:
        yield render_metric(f"gnatsd_connz_{name}", kind, [(labels, sums[name])])


def _accounts(server: ServerView, labels: Mapping[str, str]) -> Iterator[str]:
    stats = []
    for at, account in enumerate(list(server.accounts.values())):
        name = account.name
        stats.append(({**labels, "account": name, "account_id": name, "account_name": name}, account_stat(account)))
        if at % CHUNK == CHUNK - 1:
            yield PAUSE
    for name, key in ACCOUNT:
        yield f"# TYPE gnatsd_accstatz_{name} gauge\n"
        for start in range(0, len(stats), CHUNK):
            some = stats[start : start + CHUNK]
            yield "".join(render_sample(f"gnatsd_accstatz_{name}", mine, _find(stat, key)) for mine, stat in some)


def _find(page: Any, path: str) -> float:
    for key in path.split("."):
        page = page.get(key, 0)
    return float(page)
