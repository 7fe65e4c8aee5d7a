"""/routez, /gatewayz and /leafz: connections to other servers, of which there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.monitor.times import date

if TYPE_CHECKING:
    from natsd.monitor.document import Document
    from natsd.monitor.query import Query
    from natsd.monitor.view import ServerView


def routez(server: ServerView, query: Query) -> Document:
    """The page. Option: subs. Raises BadQuery."""
    query.subscriptions()
    info = server.roster.info
    return {
        "server_id": info.server_id,
        "server_name": info.server_name,
        "now": date(server.clock.wall_ns()),
        "num_routes": 0,
        "routes": [],
    }


def gatewayz(server: ServerView, query: Query) -> Document:
    """The page. Options: gw_name, acc_name, accs, subs. Raises BadQuery."""
    query.flag("accs")
    query.subscriptions()
    return {
        "server_id": server.roster.info.server_id,
        "now": date(server.clock.wall_ns()),
        "outbound_gateways": {},
        "inbound_gateways": {},
    }


def leafz(server: ServerView, query: Query) -> Document:
    """The page. Options: subs, acc. Raises BadQuery."""
    query.flag("subs")
    return {
        "server_id": server.roster.info.server_id,
        "now": date(server.clock.wall_ns()),
        "leafnodes": 0,
        "leafs": [],
    }
