"""/accountz and /accstatz: the accounts of a server, one of them in detail, and what went through each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.monitor.account_borders import exports, imports, mappings
from natsd.monitor.document import Rows
from natsd.monitor.query import BadQuery
from natsd.monitor.times import date

if TYPE_CHECKING:
    from collections.abc import Iterable

    from natsd.accounts.account import Account
    from natsd.monitor.document import Document
    from natsd.monitor.query import Query
    from natsd.monitor.view import ServerView

SYSTEM_SERVICES = (
    # What every account asks, the subject it is answered as (with the account for `*`), whether who asks is told.
    ("$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.ACCOUNT.*.CONNZ", False),
    ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.*.CONNZ", False),
    ("$SYS.REQ.ACCOUNT.PING.STATZ", "$SYS.REQ.ACCOUNT.*.STATZ", False),
    ("$SYS.REQ.USER.INFO", "$SYS.REQ.USER.*.INFO", True),
)
"""The services of the system account that every account has without asking for them."""
SYSTEM_EXPORTS = (
    ("$SYS.REQ.ACCOUNT.*.CONNZ", "Streamed"),
    ("$SYS.REQ.ACCOUNT.*.STATZ", "Streamed"),
    ("$SYS.DEBUG.SUBSCRIBERS", "Singleton"),
    ("$SYS.REQ.USER.*.INFO", "Singleton"),
)


def accountz(server: ServerView, query: Query) -> Document:
    """The page. Option: acc, an account to tell all about. Raises BadQuery."""
    system = server.roster.system_account
    page: Document = {"server_id": server.roster.info.server_id, "now": date(server.clock.wall_ns())}
    if system is not None:
        page["system_account"] = system.name
    wanted = query.text("acc")
    if wanted:
        page["account_detail"] = account_detail(server, wanted)
    else:
        page["accounts"] = list(server.accounts)
    return page


def account_detail(server: ServerView, name: str) -> Document:
    """All about one account. Raises BadQuery."""
    account = server.accounts.get(name)
    if account is None:
        raise BadQuery(f"Account {name} does not exist")
    system = server.roster.system_account
    detail: Document = {"account_name": name, "update_time": date(server.started or server.clock.wall_ns())}
    if account is system:
        detail["is_system"] = True
    detail |= {
        "expired": False,
        "complete": True,
        "jetstream_enabled": server.storage is not None and name in server.storage.jetstream.homes,
        "leafnode_connections": 0,
        "client_connections": account.connections,
        "subscriptions": len(account.sublist),
    }
    if mapped := mappings(account):
        detail["mappings"] = mapped
    exported = exports(account)
    if account is system:
        exported += [
            {"subject": subject, "type": "service", "response_type": answers} for subject, answers in SYSTEM_EXPORTS
        ]
    if exported:
        detail["exports"] = exported
    imported = imports(server.accounts, account)
    if system is not None:
        imported += [
            {
                "subject": service.replace("*", name),
                "account": system.name,
                "to": subject,
                "local_subject": subject,
                "type": "service",
                "invalid": False,
                "share": shared,
                "tracking": False,
            }
            for subject, service, shared in SYSTEM_SERVICES
            if shared or account is not system
        ]
    if imported:
        detail["imports"] = imported
    detail["name_tag"] = name
    detail["sublist_stats"] = account.sublist.stats()
    return detail


def accstatz(server: ServerView, query: Query) -> Document:
    """The page. Option: unused, for the accounts without connections too. Raises BadQuery."""
    return account_stats(server, server.accounts.values(), unused=query.flag("unused"))


def account_stats(server: ServerView, accounts: Iterable[Account], *, unused: bool) -> Document:
    """What went through some accounts; those without connections only where they are wanted."""
    shown = [account for account in accounts if unused or account.connections]
    return {
        "server_id": server.roster.info.server_id,
        "now": date(server.clock.wall_ns()),
        "account_statz": Rows(shown, account_stat),
    }


def account_stat(account: Account) -> Document:
    """One account's figures."""
    sublist = account.sublist
    return {
        "acc": account.name,
        "name": account.name,
        "conns": account.connections,
        "leafnodes": 0,
        "total_conns": account.connections,
        "num_subscriptions": len(sublist),
        "sent": _traffic(sublist.out_msgs, sublist.out_bytes),
        "received": _traffic(sublist.in_msgs, sublist.in_bytes),
        "slow_consumers": account.slow_consumers,
    }


def _traffic(messages: int, size: int) -> Document:
    none = {"msgs": 0, "bytes": 0}
    return {"msgs": messages, "bytes": size, "gateways": none, "routes": none, "leafs": none}
