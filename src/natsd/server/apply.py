"""A reload: other options take the place of a running server's.

The order, which the log shows:
1. everything that can fail is made ready: files of TLS are read, the log is opened, options are compared; a failure
   leaves the server as it was;
2. the options are the new ones, and each that changed takes effect, with its line;
3. the log is set up anew; who may be here is decided anew: sessions are closed, get other rights, lose subscriptions;
4. "Reloaded server configuration"; then clients with certificates that are not pinned any more are closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import to_ns
from natsd.protocol import errors
from natsd.server.options import split_host_port
from natsd.server.reload import ACCESS, JETSTREAM, LOGGING, compare
from natsd.session.recheck import Recheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.accounts.account import Account
    from natsd.server.options import Options
    from natsd.server.server import Server


class Surroundings:
    """What lives around a server and changes with its options: log, files, monitoring. These do nothing."""

    def prepare(self, options: Options, changed: set[str]) -> None:
        """Make ready what can fail. Raises OptionsError."""

    def on_change(self, name: str, old: Options) -> None:
        """An option has changed; the server has the new ones already."""

    def on_log_change(self) -> None:
        """Some option of the log has changed."""


def apply(server: Server, options: Options, around: Surroundings) -> None:
    """Raises OptionsError, and then nothing has changed."""
    options.check()
    old = server.options
    security = server.make_security(options.tls)
    before = server.security
    changed_files = security is not None and before is not None and security.stamp != before.stamp
    changes = compare(old, options, port=server.port, tls_files_changed=changed_files)
    names = {change.name for change in changes}
    around.prepare(options, names)

    if options.port <= 0:
        options.port = old.port
    server.options = options
    if "tls" in names:
        server.use_security(security)
        server.use_network()
    acted = set()
    for change in changes:
        if change.name in ACTS and change.name not in acted:
            ACTS[change.name](server)
        around.on_change(change.name, old)
        acted.add(change.name)
        if change.line:
            server.log.notice(change.line)
    if names & LOGGING:
        around.on_log_change()
        server.trace(on=options.trace)
    if names & ACCESS:
        apply_access(server)
    if names & JETSTREAM:
        server.use_jetstream()
    server.loaded = server.clock.wall_ns()
    server.log.notice(f"Reloaded server configuration {f'({options.config_digest})' if options.config_digest else ''}")
    if old.tls is not None and options.tls is not None and old.tls.pinned_certs != options.tls.pinned_certs:
        close_unpinned(server)
    server.road.settle()


def apply_access(server: Server) -> None:
    """Decide anew which accounts there are, who may be here, and with which rights."""
    roster = server.roster
    before = roster.credentials
    lost = server.swap_accounts()
    if server.storage is not None:
        server.storage.follow_accounts()
    roster.credentials = server.make_credentials(before)
    server.warn_of_closed_door()
    roster.info.auth_required = roster.credentials.announced
    roster.info.refresh()
    recheck = Recheck(before, roster.credentials)
    for session in list(roster.connections.values()):
        recheck.take(session)
    for session in lost:
        session.close(errors.CLIENT_CLOSED)
    places: dict[Account, int] = {}
    for session in list(roster.connections.values()):
        account = session.account
        places[account] = places.get(account, 0) + 1
        if 0 <= account.max_connections < places[account]:
            # As everywhere: who came last goes.
            roster.complaints.seldom(session.label, errors.MAX_ACCOUNT_CONNECTIONS.text)
            session.refuse(errors.MAX_ACCOUNT_CONNECTIONS)


def close_unpinned(server: Server) -> None:
    """Close the clients whose certificates may not come in any more."""
    security = server.security
    sessions = [
        session
        for session in server.connections.values()
        if security is not None and session.tls is not None and not security.admits(session.tls.certificate)
    ]
    if sessions:
        server.log.notice(f"Disconnect {len(sessions)} clients due to pinned certs reload")
    for session in sessions:
        session.close(errors.TLS_HANDSHAKE_FAILURE)


def _use_advertised(server: Server) -> None:
    info = server.roster.info
    info.host, info.port = server.host, server.port
    if server.options.client_advertise:
        info.host, info.port = split_host_port(server.options.client_advertise, server.port)
    info.refresh()


def _use_max_connections(server: Server) -> None:
    limit = server.roster.rules.max_connections = server.max_connections
    # Who came last goes first, as if the limit had been there before.
    surplus = list(server.connections.values())[max(limit, 0) :]
    for session in surplus:
        session.refuse(errors.MAX_CONNECTIONS)
    if surplus:
        server.log.error(f"{surplus[0].label} - {errors.MAX_CONNECTIONS.text}")
        server.log.notice(f"Closed {len(surplus)} connections to fall within max_connections")


def _use_max_payload(server: Server) -> None:
    server.road.max_payload = server.roster.info.max_payload = server.options.max_payload
    server.roster.info.refresh()


def _use_max_control_line(server: Server) -> None:
    server.road.max_control_line = server.options.max_control_line


def _use_rules(server: Server) -> None:
    rules, options = server.roster.rules, server.options
    rules.ping_interval_ns = to_ns(options.ping_interval_s)
    rules.ping_max = options.ping_max
    rules.auth_timeout_ns = to_ns(options.auth_timeout_s)


def _use_network(server: Server) -> None:
    server.use_network()


ACTS: dict[str, Callable[[Server], None]] = {
    "auth_timeout_s": _use_rules,
    "client_advertise": _use_advertised,
    "max_connections": _use_max_connections,
    "max_control_line": _use_max_control_line,
    "max_payload": _use_max_payload,
    "no_fast_producer_stall": _use_network,
    "ping_interval_s": _use_rules,
    "ping_max": _use_rules,
    "write_deadline_s": _use_network,
}
