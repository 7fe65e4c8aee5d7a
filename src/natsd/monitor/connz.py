"""/connz: the connections of a server, open and closed, filtered, sorted and paged."""

from __future__ import annotations

from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from natsd.accounts.account import GLOBAL
from natsd.accounts.permissions import overlaps
from natsd.monitor.document import CHUNK, PAUSE, Rows
from natsd.monitor.query import BadQuery
from natsd.monitor.times import date, round_trip, uptime
from natsd.monitor.view import DEFAULT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.kernel import Subscription
    from natsd.monitor.document import Document, Steps
    from natsd.monitor.query import Query
    from natsd.monitor.view import ClosedView, ConnectionView, OpenView, ServerView

    SortKey = Callable[[OpenView | ClosedView], int | str]
    Test = Callable[[OpenView | ClosedView], bool]


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


def connz(server: ServerView, query: Query) -> Steps:
    """The page. Options: sort, auth, subs (1 or detail), offset, limit, cid, state (open, closed, all), user, acc,
    mqtt_client; filter_subject only with acc.

    Raises BadQuery at once; the rest is done step by step, since ten thousand connections take a while to sort.
    """
    order = query.text("sort")
    wants_open, wants_closed = _states(query.text("state"))
    if order not in _sort_keys(0):
        raise BadQuery(f"invalid sorting option: {order}")
    if order in ("stop", "reason") and wants_open:
        raise BadQuery(f"sort by {order} only valid on closed connections")
    subject = query.text("filter_subject")
    subject = "" if subject == ">" else subject
    if subject and not query.text("acc"):
        raise BadQuery("filter by subject only valid with account filtering")
    limit, cid = query.integer("limit"), query.unsigned("cid")
    show = Show(query.flag("auth"), *query.subscriptions())
    page = Page(max(query.integer("offset"), 0), 1 if cid else limit if limit > 0 else DEFAULT_LIMIT)
    candidates: list[OpenView | ClosedView] = []
    if wants_open:
        candidates += server.roster.connections.values()
    if wants_closed:
        candidates += server.roster.closed
    return _build(server, candidates, _filters(query, subject, cid), order, page, show)


class Show:
    """What is told of each connection beside its figures: who it is, subjects, subscriptions in detail."""

    __slots__ = ("auth", "details", "names")

    def __init__(self, auth: bool, names: bool, details: bool) -> None:
        self.auth = auth
        self.names = names
        self.details = details


class Page:
    """Which of the connections found are shown."""

    __slots__ = ("limit", "offset")

    def __init__(self, offset: int, limit: int) -> None:
        self.offset = offset
        self.limit = limit


def _filters(query: Query, subject: str, cid: int) -> tuple[Test | None, Test | None]:
    """Whether a connection is counted, and whether a counted one is shown; None for all of them."""
    account, user = query.text("acc"), query.text("user")
    pattern = subject.encode().split(b".") if subject else []
    counted: Test | None = (lambda connection: connection.account_name == account) if account else None
    tests: list[Test] = []
    if user:
        tests.append(lambda connection: connection.user == user)
    if query.text("mqtt_client"):
        tests.append(lambda connection: False)
    if cid:
        tests.append(lambda connection: connection.cid == cid)
    if pattern:
        tests.append(lambda connection: _has_interest(connection, pattern))
    if len(tests) < 2:
        return counted, tests[0] if tests else None
    return counted, lambda connection: all(test(connection) for test in tests)


def _has_interest(connection: OpenView | ClosedView, pattern: list[bytes]) -> bool:
    """Of closed connections nobody knows any more, so they are kept."""
    subs = getattr(connection, "subs", None)
    return subs is None or any(overlaps(pattern, sub.subject.split(b".")) for sub in subs.values())


def _build(
    server: ServerView,
    candidates: list[OpenView | ClosedView],
    filters: tuple[Test | None, Test | None],
    order: str,
    page: Page,
    show: Show,
) -> Steps:
    now_ns = server.clock.wall_ns()
    counted, wanted = filters
    key, downwards = _sort_keys(now_ns)[order]
    sign = -1 if downwards else 1
    total = found = 0
    # Each run is in order; they are merged only as far as the page goes.
    runs: list[list[tuple[int | str, int, OpenView | ClosedView]]] = []
    for start in range(0, len(candidates), CHUNK):
        chunk = candidates[start : start + CHUNK]
        if counted is not None:
            chunk = [connection for connection in chunk if counted(connection)]
        total += len(chunk)
        if wanted is not None:
            chunk = [connection for connection in chunk if wanted(connection)]
        # The number breaks ties, so that connections are never compared.
        run = [(key(connection), sign * (found + at), connection) for at, connection in enumerate(chunk)]
        run.sort(reverse=downwards)
        found += len(run)
        runs.append(run)
        yield PAUSE
    shown = max(min(page.limit, found - page.offset), 0)
    merged = islice(merge(*runs, reverse=downwards), page.offset, page.offset + shown)
    return {
        "server_id": server.roster.info.server_id,
        "now": date(now_ns),
        "num_connections": shown,
        "total": total,
        "offset": page.offset,
        "limit": page.limit,
        "connections": Rows(merged, lambda entry: _row(entry[2], now_ns, show)),
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


def _row(connection: OpenView | ClosedView, now_ns: int, show: Show) -> Document:
    auth = show.auth
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
    if subs and show.names:
        row["subscriptions_list"] = Rows(list(subs.values()), _subject)
    elif subs and show.details:
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
