"""What the monitoring pages see of a server: the shapes that whatever is handed in has to have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from natsd.accounts.account import Account
    from natsd.base.clock import Clock, Timers
    from natsd.base.tls_options import TlsOptions
    from natsd.jetstream.jetstream import JetStream
    from natsd.kernel import Road, Subscription
    from natsd.protocol.info import Info

DEFAULT_LIMIT = 1024
"""How many connections or subscriptions a page lists when the query does not say."""


class TlsView(Protocol):
    """What a connection under TLS agreed on; the certificate is the client's, in DER."""

    @property
    def version(self) -> str: ...

    @property
    def cipher(self) -> str: ...

    @property
    def certificate(self) -> bytes | None: ...

    @property
    def first(self) -> bool: ...


class ConnectionView(Protocol):
    """A connection, open or closed. Dates are wall clock nanoseconds."""

    @property
    def cid(self) -> int: ...

    @property
    def kind(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def ip(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def start_wall_ns(self) -> int: ...

    @property
    def last_wall_ns(self) -> int: ...

    @property
    def rtt_ns(self) -> int: ...

    @property
    def pending(self) -> int: ...

    @property
    def in_msgs(self) -> int: ...

    @property
    def in_bytes(self) -> int: ...

    @property
    def out_msgs(self) -> int: ...

    @property
    def out_bytes(self) -> int: ...

    @property
    def subscriptions(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def lang(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def user(self) -> str: ...

    @property
    def account_name(self) -> str: ...

    @property
    def tls(self) -> TlsView | None: ...


class OpenView(ConnectionView, Protocol):
    """A connection that lives: it can also list its subscriptions."""

    @property
    def subs(self) -> Mapping[bytes, Subscription]: ...


class ClosedView(ConnectionView, Protocol):
    """A connection that ended."""

    @property
    def stop_wall_ns(self) -> int: ...

    @property
    def reason(self) -> str: ...


class RosterView(Protocol):
    """The connections of a server and what was counted over all of them."""

    @property
    def connections(self) -> Mapping[int, OpenView]: ...

    @property
    def closed(self) -> Collection[ClosedView]: ...

    @property
    def total_connections(self) -> int: ...

    @property
    def slow_consumers(self) -> int: ...

    @property
    def stale_connections(self) -> int: ...

    @property
    def stalls(self) -> int: ...

    @property
    def info(self) -> Info: ...

    @property
    def system_account(self) -> Account | None: ...


class OptionsView(Protocol):
    """The options that /varz shows."""

    @property
    def config_digest(self) -> str: ...

    @property
    def http_base_path(self) -> str: ...

    @property
    def server_tags(self) -> Sequence[str]: ...

    @property
    def server_metadata(self) -> Mapping[str, str]: ...

    @property
    def http_host(self) -> str: ...

    @property
    def http_port(self) -> int: ...

    @property
    def https_port(self) -> int: ...

    @property
    def max_connections(self) -> int: ...

    @property
    def max_subscriptions(self) -> int: ...

    @property
    def ping_interval_s(self) -> float: ...

    @property
    def ping_max(self) -> int: ...

    @property
    def auth_timeout_s(self) -> float: ...

    @property
    def max_control_line(self) -> int: ...

    @property
    def max_payload(self) -> int: ...

    @property
    def max_pending(self) -> int: ...

    @property
    def write_deadline_s(self) -> float: ...

    @property
    def tls(self) -> TlsOptions | None: ...


class SecurityView(Protocol):
    """The certificates in use; when the first one ends, in seconds since the epoch, 0 where that is not known."""

    @property
    def not_after_s(self) -> int: ...


class StorageOptionsView(Protocol):
    """What JetStream was told. sync_interval_s: 0 for a sync before every acknowledgement."""

    @property
    def max_memory(self) -> int: ...

    @property
    def store_dir(self) -> str: ...

    @property
    def sync_interval_s(self) -> float: ...

    @property
    def domain(self) -> str: ...

    @property
    def strict(self) -> bool: ...

    @property
    def max_ack_pending(self) -> int: ...

    @property
    def max_request_batch(self) -> int: ...

    @property
    def duplicate_window_ns(self) -> int: ...

    @property
    def batch(self) -> Mapping[str, int]: ...

    @property
    def promise(self) -> str: ...


class StorageView(Protocol):
    """JetStream of a server. sync_ns: how long its disk takes for a sync."""

    @property
    def jetstream(self) -> JetStream: ...

    @property
    def options(self) -> StorageOptionsView: ...

    @property
    def max_file(self) -> int: ...

    @property
    def sync_ns(self) -> int: ...


class ServerView(Protocol):
    """A server. `started` (0 before the start) and `loaded`, when its options took effect, are wall clock dates.

    A lame one takes no new connections.
    """

    @property
    def options(self) -> OptionsView: ...

    @property
    def roster(self) -> RosterView: ...

    @property
    def road(self) -> Road: ...

    @property
    def accounts(self) -> Mapping[str, Account]: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def timers(self) -> Timers: ...

    @property
    def half_closed(self) -> int: ...

    @property
    def answers_waiting(self) -> int: ...

    @property
    def http_requests(self) -> dict[str, int]: ...

    @property
    def started(self) -> int: ...

    @property
    def loaded(self) -> int: ...

    @property
    def security(self) -> SecurityView | None: ...

    @property
    def running(self) -> bool: ...

    @property
    def lame(self) -> bool: ...

    @property
    def storage(self) -> StorageView | None: ...
