"""What the server answers to each kind of request, by the builders of the monitoring pages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natsd.monitor.accounts import account_detail, account_stats, accountz
from natsd.monitor.connz import connz
from natsd.monitor.healthz import healthz
from natsd.monitor.jsz import account_jsz, jetstream_stats, jsz
from natsd.monitor.mesh import gatewayz, leafz, routez
from natsd.monitor.process import variables
from natsd.monitor.query import BadQuery, NotThere, Query
from natsd.monitor.queues import ipqueuesz, raftz
from natsd.monitor.subsz import subsz
from natsd.monitor.times import date
from natsd.monitor.usage import Usage
from natsd.monitor.varz import varz

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.monitor.document import Document, Steps
    from natsd.monitor.view import ServerView
    from natsd.system.request import Request

    Answer = Document | Steps | None
    Build = Callable[[ServerView, Query], Document | Steps]

PAGES: dict[str, Build] = {
    "SUBSZ": subsz,
    "CONNZ": connz,
    "ROUTEZ": routez,
    "GATEWAYZ": gatewayz,
    "LEAFZ": leafz,
    "ACCOUNTZ": accountz,
    "JSZ": jsz,
    "IPQUEUESZ": ipqueuesz,
    "RAFTZ": raftz,
}


def _account_jsz(server: ServerView, query: Query) -> Document | Steps:
    """The account itself, not a page with a list of one."""
    storage, name = server.storage, query.text("acc")
    if storage is None:
        raise BadQuery("jetstream not enabled")
    if name not in server.accounts:
        raise BadQuery(f'account "{name}" not found')
    home = storage.jetstream.homes.get(name)
    if home is None:
        raise BadQuery(f'account "{name}" not jetstream enabled')
    return account_jsz(home, query)


ACCOUNT_PAGES: dict[str, Build] = {"CONNZ": connz, "SUBSZ": subsz, "LEAFZ": leafz, "JSZ": _account_jsz}


class Answers:
    """Answers for one server. What a page refuses is raised as BadQuery."""

    __slots__ = ("_server", "_usage")

    def __init__(self, server: ServerView) -> None:
        self._server = server
        self._usage = Usage(server.clock)

    def of_server(self, kind: str, request: Request) -> Document | Steps:
        """What is asked of the server as a whole."""
        server, query = self._server, request.query
        build = PAGES.get(kind)
        if build is not None:
            try:
                return build(server, query)
            except NotThere:
                return {}
        if kind == "VARZ":
            options = server.options
            return varz(
                server,
                http_port=options.http_port,
                https_port=options.https_port,
                cpu=self._usage.cpu(),
                memory=self._usage.memory(),
                requests=server.http_requests,
            )
        if kind == "HEALTHZ":
            status, page = healthz(server, query)
            rest = dict(page)
            return {"status": rest.pop("status"), "status_code": status, **rest}
        if kind == "EXPVARZ":
            return variables(self._usage.memory())
        name = query.text("name")
        return {"profile": None, "error": f'Profile "{name}" not found' if name else "Profile name not specified"}

    def of_account(self, kind: str, account: str, request: Request) -> Answer:
        """What is asked about one account; None to say nothing."""
        server, query = self._server, request.query
        if kind == "INFO":
            return account_detail(server, account)
        if kind == "STATZ":
            unused = query.flag("unused")
            known = server.accounts.get(account)
            if not unused and (known is None or not known.connections):
                return None
            return account_stats(server, [] if known is None else [known], unused=unused)
        told = {"acc": account, "subs": "1"} if kind == "SUBSZ" else {"acc": account}
        return ACCOUNT_PAGES[kind](server, query.with_values(told))

    def of_accounts(self, request: Request) -> Answer:
        """The figures of the accounts asked for, or of all; None to say nothing."""
        server = self._server
        accounts = server.accounts
        names = request.values.get("accounts") or list(accounts)
        unused = request.query.flag("unused")
        found = [accounts[name] for name in names if name in accounts and (unused or accounts[name].connections)]
        return account_stats(server, found, unused=True) if found or unused else None

    def statsz(self) -> Document:
        """The server's figures at a glance."""
        server = self._server
        roster, road = server.roster, server.road
        sent = {"msgs": road.out_msgs, "bytes": road.out_bytes}
        received = {"msgs": road.in_msgs, "bytes": road.in_bytes}
        page: Document = {
            "start": date(server.started or server.clock.wall_ns()),
            "mem": self._usage.memory(),
            "cores": os.cpu_count() or 1,
            "cpu": self._usage.cpu(),
            "connections": len(roster.connections),
            "total_connections": roster.total_connections,
            "active_accounts": sum(account.connections > 0 for account in server.accounts.values()),
            "subscriptions": sum(len(account.sublist) for account in server.accounts.values()),
            "sent": sent,
            "sent_to_clients": sent,
            "received": received,
            "received_from_clients": received,
            "slow_consumers": roster.slow_consumers,
        }
        if roster.slow_consumers:
            page["slow_consumer_stats"] = _by_kind(roster.slow_consumers)
        if roster.stale_connections:
            page["stale_connections"] = roster.stale_connections
            page["stale_connection_stats"] = _by_kind(roster.stale_connections)
        if roster.stalls:
            page["stalled_clients"] = roster.stalls
        if server.storage is not None:
            page["jetstream"] = jetstream_stats(server.storage)
        page["active_servers"] = 1
        page["gomaxprocs"] = 1
        return page


def _by_kind(clients: int) -> dict[str, int]:
    return {"clients": clients, "routes": 0, "gateways": 0, "leafs": 0}
