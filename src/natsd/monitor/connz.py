"""/connz: the connections of a server, open and closed, filtered, sorted and paged."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from natsd.accounts.account import GLOBAL
from natsd.monitor.document import Rows
from natsd.monitor.query import BadQuery
from natsd.monitor.times import date, round_trip, uptime
from natsd.monitor.view import DEFAULT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.kernel import Subscription
    from natsd.monitor.document import Document
    from natsd.monitor.query import Query
    from natsd.monitor.view import ClosedView, ConnectionView, OpenView, ServerView

    SortKey = Callable[[OpenView | ClosedView], int | str]


def _stop_ns(connection: ConnectionView) -> int:
    stop: int = getattr(connection, "stop_wall_ns", 0)
    return stop


def _sort_keys(now_ns: int) -> dict[str, tuple[SortKey, bool]]:
    """What each value of `sort` sorts by, and whether the greatest comes first."""
    by_cid: SortKey = attrgetter("cid")
    by_last: SortKey = attrgetter("last_wall_ns")
    return {
        "": (by_cid, False),
        "cid": (by_cid, False),
        "start": (by_cid, False),
        "subs": (attrgetter("subscriptions"), True),
        "pending": (attrgetter("pending"), True),
        "msgs_to": (attrgetter("out_msgs"), True),
        "msgs_from": (attrgetter("in_msgs"), True),
        "bytes_to": (attrgetter("out_bytes"), True),
        "bytes_from": (attrgetter("in_bytes"), True),
        "last": (by_last, True),
        "idle": (by_last, False),
        "uptime": (lambda connection: (_stop_ns(connection) or now_ns) - connection.start_wall_ns, False),
        "stop": (attrgetter("stop_wall_ns"), True),
        "reason": (attrgetter("reason"), False),
        "rtt": (attrgetter("rtt_ns"), True),
    }


def connz(server: ServerView, query: Query) -> Document:
    """The page. Options: sort, auth, subs (1 or detail), offset, limit, cid, state (open, closed, all), user, acc.

    Raises BadQuery.
    """
    order = query.text("sort")
    auth = query.flag("auth")
    names, details = query.subscriptions()
    offset = max(query.integer("offset"), 0)
    limit = query.integer("limit")
    cid = query.unsigned("cid")
    wants_open, wants_closed = _states(query.text("state"))
    now_ns = server.clock.wall_ns()
    sort_keys = _sort_keys(now_ns)
    if order not in sort_keys:
        raise BadQuery(f"invalid sorting option: {order}")
    if order in ("stop", "reason") and wants_open:
        raise BadQuery(f"sort by {order} only valid on closed connections")
    limit = 1 if cid else limit if limit > 0 else DEFAULT_LIMIT

    found: list[OpenView | ClosedView] = []
    if wants_open:
        found += server.roster.connections.values()
    if wants_closed:
        found += server.roster.closed
    if account := query.text("acc"):
        found = [connection for connection in found if connection.account_name == account]
    total = len(found)
    if user := query.text("user"):
        found = [connection for connection in found if connection.user == user]
    if cid:
        found = [connection for connection in found if connection.cid == cid]
    key, downwards = sort_keys[order]
    found.sort(key=key, reverse=downwards)
    shown = found[offset : offset + limit]
    return {
        "server_id": server.roster.info.server_id,
        "now": date(now_ns),
        "num_connections": len(shown),
        "total": total,
        "offset": offset,
        "limit": limit,
        "connections": Rows(shown, lambda connection: _row(connection, now_ns, auth, names, details)),
    }


def _states(text: str) -> tuple[bool, bool]:
    """Whether open and whether closed connections are wanted."""
    match text.lower():
        case "" | "open":
            return True, False
        case "closed":
            return False, True
        case "any" | "all":
            return True, True
    raise BadQuery(f"Error decoding state for {text}")


def _row(connection: OpenView | ClosedView, now_ns: int, auth: bool, names: bool, details: bool) -> Document:
    stop_ns = _stop_ns(connection)
    until_ns = stop_ns or now_ns
    start_ns, last_ns = connection.start_wall_ns, connection.last_wall_ns
    row: Document = {
        "cid": connection.cid,
        "kind": connection.kind,
        "type": connection.type,
        "ip": connection.ip,
        "port": connection.port,
        "start": date(start_ns),
        "last_activity": date(last_ns),
    }
    if stop_ns:
        row["stop"] = date(stop_ns)
        row["reason"] = getattr(connection, "reason", "")
    row["rtt"] = round_trip(connection.rtt_ns)
    row["uptime"] = uptime(until_ns - start_ns)
    row["idle"] = uptime(until_ns - last_ns)
    row["pending_bytes"] = connection.pending
    row["in_msgs"] = connection.in_msgs
    row["out_msgs"] = connection.out_msgs
    row["in_bytes"] = connection.in_bytes
    row["out_bytes"] = connection.out_bytes
    row["subscriptions"] = connection.subscriptions
    for key, text in (("name", connection.name), ("lang", connection.lang), ("version", connection.version)):
        if text:
            row[key] = text
    account = connection.account_name
    tls = connection.tls
    if tls is not None:
        row["tls_version"] = tls.version
        row["tls_cipher_suite"] = tls.cipher
        if auth and tls.certificate:
            row["tls_peer_certs"] = [_peer_certificate(tls.certificate)]
        if tls.first:
            row["tls_first"] = True
    if auth:
        if connection.user:
            row["authorized_user"] = connection.user
        if account != GLOBAL:
            row["account"] = account
    # Closed connections keep the number of their subscriptions, not the list.
    subs = getattr(connection, "subs", None)
    if subs and names:
        row["subscriptions_list"] = Rows(list(subs.values()), _subject)
    elif subs and details:
        cid = connection.cid
        row["subscriptions_list_detail"] = Rows(list(subs.values()), lambda sub: subscription_detail(sub, cid, ""))
    if auth and (account != GLOBAL or not stop_ns):
        row["name_tag"] = account
    return row


def _peer_certificate(certificate: bytes) -> Document:
    from hashlib import sha256

    from natsd.base.der import public_key

    return {
        "spki_sha256": sha256(public_key(certificate)).hexdigest(),
        "cert_sha256": sha256(certificate).hexdigest(),
    }


def _subject(sub: Subscription) -> str:
    return sub.subject.decode("utf-8", "replace")


def subscription_detail(sub: Subscription, cid: int, account: str) -> Document:
    """One subscription, as /connz and /subsz list it; with an empty `account` none is named."""
    detail: Document = {}
    if account:
        detail["account"] = account
        detail["account_tag"] = account
    detail["subject"] = _subject(sub)
    if sub.queue:
        detail["qgroup"] = sub.queue.decode("utf-8", "replace")
    detail["sid"] = sub.sid.decode("utf-8", "replace")
    detail["msgs"] = sub.delivered
    if sub.max > 0:
        detail["max"] = sub.max
    detail["cid"] = cid
    return detail
