"""The server: makes the rooms known to each other, starts, goes lame, stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from natsd.accounts.account import GLOBAL
from natsd.accounts.border import Border
from natsd.auth.credentials import Credentials
from natsd.base.chance import SystemChance
from natsd.base.clock import SECOND_NS, SystemClock, Timers, to_ns
from natsd.base.errors import StorageError
from natsd.base.surprise import tell
from natsd.kernel import Road
from natsd.keys.nkey import KEY_BYTES, render_public
from natsd.net.alarm import Alarm
from natsd.net.connection import Connection, Network
from natsd.net.listener import ANY_HOSTS, Listener, bind, join_host_port
from natsd.net.resets import Resets
from natsd.protocol.errors import SERVER_SHUTDOWN
from natsd.protocol.info import Info
from natsd.server.options import MAX_PAYLOAD_WARNING, split_host_port
from natsd.server.tenancy import make_accounts, map_global, only_system_has_users, swap_accounts
from natsd.session.roster import Roster, Rules
from natsd.session.session import Session
from natsd.store.contract import StoreError
from natsd.system.service import Service

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from natsd.accounts.permissions import Rights
    from natsd.accounts.users import User
    from natsd.base.chance import Chance
    from natsd.base.clock import Clock
    from natsd.base.log import Log
    from natsd.base.tls_options import TlsOptions
    from natsd.jetstream.jetstream import JetStream
    from natsd.net.tls_connection import Buffers
    from natsd.net.tls_context import Security
    from natsd.server.apply import Surroundings
    from natsd.server.jetstream import Storage
    from natsd.server.options import Options

RESERVED_SUBJECTS = (b"_GR_.?", b"$NRG.")
RESERVED_REPLIES = (b"_R_.", b"_GR_.?", b"$JS.ACK.?")
STOP_FLUSH_S = 1.0
"""How long a stopping server goes on sending what its clients have pending."""
LONGEST_LAME_STEP_S = 1.0
DEFAULT_MAX_CONNECTIONS = 65536


class Server:
    """One NATS server on the running event loop. Several can live side by side; nothing is global.

    Public and stable for monitoring: options, id, name, host, port, client_url, started and loaded (when the options
    took effect; both wall clock nanoseconds), road, border, accounts, system_account, roster, connections, clock, lame,
    stopping.
    """

    def __init__(
        self, options: Options, log: Log | None = None, *, clock: Clock | None = None, chance: Chance | None = None
    ) -> None:
        options.check()
        if log is None:
            from natsd.base.log import silent

            log = silent()
        self.options = options
        self.log = log
        self.clock: Clock = clock or SystemClock()
        self.timers = Timers(self.clock)
        chance = chance or SystemChance()
        self.chance: Chance = chance
        self.id = render_public("server", chance.take(KEY_BYTES))
        self.name = options.server_name or self.id
        self.host = options.host or "0.0.0.0"
        self.port = options.port
        self.started = 0
        self.loaded = self.clock.wall_ns()
        self.lame = False
        self.stopping = False
        self.http_requests: dict[str, int] = {}
        """How often each monitoring page was asked for."""
        self.monitor_url = ""
        """Where the monitoring pages are; set by whoever serves them."""

        self.road = Road(int.from_bytes(chance.take(8), "little"))
        self.road.clock = self.clock.now_ns
        self.road.max_payload = options.max_payload
        self.road.max_control_line = options.max_control_line
        self.road.max_pending = options.max_pending
        self.road.stall_bytes = min(self.road.stall_bytes, options.max_pending // 2)
        self.road.reserved_subjects = RESERVED_SUBJECTS
        self.road.reserved_replies = RESERVED_REPLIES
        self.border = Border(self.road, self.clock, self.timers, chance, self.name)
        self.accounts, self.system_account = make_accounts(options, self.border)
        self.roster = self._make_roster()

        self.system: Service | None = None
        if self.roster.system_account is not None:
            self.system = Service(self, self.roster.system_account, log)
            self.roster.events = self.system.events

        self.security: Security | None = None
        """TLS for connections to come; those that are there keep what they have."""
        self._tls_buffers: Buffers | None = None
        self.use_security(self.make_security(options.tls))

        self._listener: Listener | None = None
        self._alarm: Alarm | None = None
        self._resets: Resets | None = None
        self._network: Network | None = None
        self._lame_duck: asyncio.Task[None] | None = None
        self.storage: Storage | None = None
        """JetStream and what it stands on, once the server has started with it."""
        self._stopped: asyncio.Event | None = None

    @staticmethod
    def make_security(options: TlsOptions | None) -> Security | None:
        """Read the files of TLS. Raises OptionsError."""
        if options is None:
            return None
        from natsd.net.tls_context import Security

        return Security(options)

    def use_security(self, security: Security | None) -> None:
        """Give connections to come this TLS, or none."""
        self.security = security
        if security is not None and self._tls_buffers is None:
            from natsd.net.tls_connection import Buffers

            self._tls_buffers = Buffers()
        options = self.options.tls
        info = self.roster.info
        info.tls_required = options is not None and not options.allow_non_tls
        info.tls_available = options is not None and options.allow_non_tls
        info.tls_verify = options is not None and options.verify
        self.roster.rules.map_certificates = options is not None and options.verify_and_map
        info.refresh()

    def reload(self, options: Options, around: Surroundings | None = None) -> None:
        """Take other options while running, as far as they can change then.

        around: what lives around the server and changes with it. Raises OptionsError, and then nothing has changed.
        """
        from natsd.server.apply import Surroundings, apply

        apply(self, options, around or Surroundings())

    def _make_roster(self) -> Roster:
        options = self.options
        rules = Rules()
        rules.headers = not options.no_header_support
        rules.max_connections = self.max_connections
        rules.max_subscriptions = options.max_subscriptions
        rules.max_sub_tokens = options.max_sub_tokens
        rules.max_closed = options.max_closed_clients
        rules.ping_interval_ns = to_ns(options.ping_interval_s)
        rules.ping_max = options.ping_max
        rules.auth_timeout_ns = to_ns(options.auth_timeout_s)
        credentials = self.make_credentials()
        info = Info(
            self.id,
            self.name,
            headers=rules.headers,
            auth_required=credentials.announced,
            max_payload=options.max_payload,
        )
        return Roster(
            road=self.road,
            account=self.accounts[GLOBAL],
            system_account=self.system_account,
            info=info,
            rules=rules,
            credentials=credentials,
            clock=self.clock,
            timers=self.timers,
            chance=self.chance,
            log=self.log,
            accounts=self.accounts,
        )

    def make_credentials(self, before: Credentials | None = None) -> Credentials:
        """What clients have to know by the options. Rights that stay as they were `before` keep their compiled form."""
        options = self.options
        users: list[tuple[User, Rights | None]] = []
        for user in options.check_users():
            rights = None
            if user.permissions is not None:
                from natsd.accounts.permissions import Rights

                rights = before.rights_of(user.name) if before is not None else None
                if rights is None or rights.permissions.key != user.permissions.key:
                    rights = Rights(user.permissions, self.road)
            users.append((user, rights))
        return Credentials(
            token=options.token,
            user=options.user,
            password=options.password,
            users=users,
            no_auth_user=options.no_auth_user,
            salt=self.chance.take(16),
        )

    def swap_accounts(self) -> list[Session]:
        """Make the accounts what the options say; returns sessions whose account is gone."""
        lost = swap_accounts(self.options, self.roster, self.border, self.accounts)
        self.system_account = self.roster.system_account
        map_global(self.options, self.border, self.accounts[GLOBAL])
        return lost

    @property
    def max_connections(self) -> int:
        """How many connections there may be; below 0 for none."""
        return self.options.max_connections or DEFAULT_MAX_CONNECTIONS

    @property
    def connections(self) -> dict[int, Session]:
        """The living connections by cid."""
        return self.roster.connections

    @property
    def running(self) -> bool:
        """Whether clients can be served."""
        return self._stopped is not None and not self.stopping

    @property
    def half_closed(self) -> int:
        """Sockets without a session any more that still flush or linger."""
        return len(self._network.closing) if self._network is not None else 0

    @property
    def answers_waiting(self) -> int:
        """Long answers of the system account that are being made."""
        return self.system.waiting if self.system is not None else 0

    @property
    def scheme(self) -> str:
        """How URLs of this server begin."""
        return "nats" if self.options.tls is None else "tls"

    @property
    def client_url(self) -> str:
        """A URL that a client on this machine can connect to."""
        host = "127.0.0.1" if self.host in ANY_HOSTS else self.host
        return f"{self.scheme}://{join_host_port(host, self.port)}"

    async def start(self) -> None:
        """Open JetStream where it is wanted, listen for clients.

        Raises ListenError when the port is not to be had, StorageError where streams cannot be kept.
        """
        options = self.options
        log = self.log
        loop = asyncio.get_running_loop()
        if options.max_payload > MAX_PAYLOAD_WARNING:
            log.warn(f"max_payload is {options.max_payload}: over {MAX_PAYLOAD_WARNING} bytes performance suffers")
        if self.roster.credentials.plaintext:
            log.warn("Plaintext passwords detected, use nkeys or bcrypt")
        self.warn_of_closed_door()
        sock = bind(self.host, max(options.port, 0))
        try:
            self._open_jetstream()
        except BaseException:
            sock.close()
            raise
        self.port = int(sock.getsockname()[1])
        self.started = self.clock.wall_ns()
        self._stopped = asyncio.Event()

        info = self.roster.info
        info.host, info.port = self.host, self.port
        if options.client_advertise:
            info.host, info.port = split_host_port(options.client_advertise, self.port)
        info.refresh()

        self._resets = Resets(loop)
        network = Network(loop, self._resets, self.clock, self.timers)
        network.stall_bytes = self.road.stall_bytes
        network.max_pending = options.max_pending
        self._network = network
        self.use_network()
        self.timers.on_failed = self._on_timer_failed
        self._alarm = Alarm(loop, self.timers, self.clock)
        if options.trace:
            self.road.trace = []

        def settle_soon() -> None:
            loop.call_soon(self.settle)

        self.road.on_work = settle_soon
        self.road.on_failed = self._on_failed
        if self.system is not None:
            self.system.events.start()
        self._listener = Listener(loop, self.timers, log, sock, self._on_accept)
        log.notice(f"Listening for client connections on {join_host_port(self.host, self.port)}")
        if options.tls is not None:
            log.notice(f"TLS {'required' if options.tls.required else 'available'} for client connections")
            if options.tls.handshake_first is True:
                log.warn('Clients that are not using "TLS Handshake First" option will fail to connect')

    def warn_of_closed_door(self) -> None:
        """Say so where only the system account has users."""
        if only_system_has_users(self.options):
            self.log.warn(
                "Only the system account has users: clients without credentials are refused."
                " Name one of your users as no_auth_user to let them in"
            )

    def use_network(self) -> None:
        """Have the connections go by the options."""
        network = self._network
        if network is not None:
            network.write_deadline_ns = to_ns(self.options.write_deadline_s)
            network.stalling = not self.options.no_fast_producer_stall
            limit = self.options.tls.connection_rate_limit if self.options.tls is not None else 0
            if limit != (network.throttle.limit if network.throttle is not None else 0):
                from natsd.net.throttle import Throttle

                network.throttle = Throttle(limit, self.clock, self.timers, self.log) if limit else None

    def _open_jetstream(self) -> None:
        wanted = self.options.check_jetstream()
        if wanted is None:
            return
        from natsd.server.jetstream import Storage

        self.log.notice("Starting JetStream")
        self.storage = Storage(self, wanted)
        info = self.roster.info
        info.jetstream, info.domain = True, wanted.domain

    def use_jetstream(self) -> None:
        """Have JetStream go by the options: start it, end it, or give it other limits."""
        wanted = self.options.check_jetstream()
        if self.storage is not None and wanted is not None:
            self.storage.use_options(wanted)
        elif self.storage is not None:
            self.log.notice("Initiating JetStream Shutdown...")
            self.storage.close()
            self.storage = None
            self.roster.info.jetstream = False
            self.log.notice("JetStream Shutdown")
        elif self.running:
            try:
                self._open_jetstream()
            except StorageError as error:
                self.log.warn(f"Can't start JetStream: {error}")
        self.roster.info.refresh()

    @property
    def jetstream(self) -> JetStream | None:
        """JetStream, None without it."""
        return self.storage.jetstream if self.storage is not None else None

    def _on_accept(self, sock: socket.socket, ip: str, port: int) -> None:
        assert self._network is not None
        if self.security is not None:
            self._accept_tls(sock, ip, port)
            return
        connection = Connection(self._network, sock)
        session = Session(self.roster, connection, ip, port, connection.fd)
        connection.start(session.outbound, session, self._ways_in(session)[0])
        session.open()

    def _accept_tls(self, sock: socket.socket, ip: str, port: int) -> None:
        from natsd.net.tls_connection import TlsConnection

        assert self._network is not None and self.security is not None and self._tls_buffers is not None
        connection = TlsConnection(self._network, sock, self.security, self._tls_buffers)
        session = Session(self.roster, connection, ip, port)
        connection.open(session.outbound, session, *self._ways_in(session))

    def _ways_in(self, session: Session) -> tuple[Callable[[Any], None], Callable[[Any], None]]:
        """What reads from a descriptor, and what takes in what was read."""
        inbound = session.inbound
        if self.road.trace is None:
            return inbound.on_readable, inbound.take_in
        return self._tracing(inbound.on_readable), self._tracing(inbound.take_in)

    def trace(self, *, on: bool) -> None:
        """Begin to write protocol lines to the log, or end it."""
        if on == (self.road.trace is not None):
            return
        self._write_trace()
        self.road.trace = [] if on else None
        for session in self.connections.values():
            if isinstance(session.wire, Connection):
                session.wire.read_by(*self._ways_in(session))

    def _on_failed(self, work: object, error: Exception) -> None:
        """A service of the server's own could not deal with a batch of messages."""
        subject: bytes | None = getattr(work, "subject", None)
        what = type(work).__name__ if subject is None else f"what takes {subject.decode('utf-8', 'replace')}"
        tell(self.log, what, error)

    def _on_timer_failed(self, error: Exception) -> None:
        """What was due could not be done. That a failed disk stores nothing any more has been said."""
        if not (isinstance(error, StoreError) and self.storage is not None and self.storage.jetstream.failed):
            tell(self.log, "what was due", error)

    def settle(self) -> None:
        """Send what waits to be sent."""
        self.road.settle()
        if self.road.trace:
            self._write_trace()

    def _tracing(self, read: Callable[[Any], None]) -> Callable[[Any], None]:
        def read_and_trace(source: Any) -> None:
            read(source)
            self._write_trace()

        return read_and_trace

    def _write_trace(self) -> None:
        from natsd.server.trace import take

        notes = self.road.trace
        if notes:
            options = self.options
            if not options.trace_verbose:
                system = self.roster.system_account
                notes[:] = [note for note in notes if note[0].account is not system]
            for line in take(notes, options.max_traced_msg_len, headers_only=options.trace_headers):
                self.log.trace(line)

    # The end.

    def start_lame_duck(self) -> None:
        """Accept nobody any more, tell the clients to go elsewhere, close them little by little, then stop."""
        if self.lame or not self.running:
            return
        self.lame = True
        self.log.notice("Entering lame duck mode, stop accepting new clients")
        self._stop_listening()
        if self.system is not None:
            self.system.events.on_lame()
        self._lame_duck = asyncio.get_running_loop().create_task(self._go_lame())

    async def _go_lame(self) -> None:
        roster = self.roster
        if roster.connections:
            options = self.options
            grace_s = abs(options.lame_duck_grace_period_s)
            # Without the time to spread the closing over, a second has to do.
            spread_s = options.lame_duck_duration_s - grace_s
            step_s = min((spread_s if spread_s > 0 else 1.0) / len(roster.connections), LONGEST_LAME_STEP_S)
            sessions = list(roster.connections.values())
            roster.info.connect_urls = ()
            roster.info.ldm = True
            roster.send_info()
            roster.info.ldm = False  # said once; a later INFO need not repeat it
            await asyncio.sleep(grace_s)
            self.log.notice("Closing existing clients")
            loop = asyncio.get_running_loop()
            next_at = loop.time()
            for session in sessions:
                session.close(SERVER_SHUTDOWN)
                # Between half a step and a whole one, at random. Steps too short to be slept are made up for together.
                next_at += step_s * (500 + self.chance.below(500)) / 1000
                if session is not sessions[-1] and next_at - loop.time() > 0.001:
                    await asyncio.sleep(next_at - loop.time())
        self._lame_duck = None
        await self.stop()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def stop(self) -> None:
        """Send what is pending as far as clients take it at once, close every connection, free the port."""
        if self._stopped is None:
            return
        if self.stopping:
            await self._stopped.wait()
            return
        self.stopping = True
        self.log.notice("Initiating Shutdown...")
        if self._lame_duck is not None:
            self._lame_duck.cancel()
            self._lame_duck = None
        self._stop_listening()
        if self.system is not None:
            self.system.events.on_stop()
            self.system.events.stop()
        self.road.settle()
        if self.storage is not None:
            # What was taken is written and acknowledged while those who sent it are still there.
            try:
                self.storage.close()
            except Exception as error:  # noqa: BLE001 - the clients have to be closed all the same
                tell(self.log, "the end of JetStream", error)
            self.road.settle()
        for session in list(self.roster.connections.values()):
            session.close(SERVER_SHUTDOWN)
        network = self._network
        assert network is not None and self._alarm is not None and self._resets is not None
        deadline = self.clock.now_ns() + to_ns(STOP_FLUSH_S)
        while network.closing and self.clock.now_ns() < deadline:
            await asyncio.sleep(0.005)
        for connection in list(network.closing):
            connection.close(flush=False, linger=False)
        # The loop learns of freed descriptors one turn later.
        await asyncio.sleep(0)
        self._alarm.stop()
        self._resets.close()
        self.road.on_work = None
        self._write_trace()
        self.log.notice("Server Exiting..")
        self._stopped.set()

    async def wait_stopped(self) -> None:
        """Return once the server has stopped, of its own accord or not."""
        if self._stopped is not None:
            await self._stopped.wait()

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return (self.clock.wall_ns() - self.started) / SECOND_NS if self.started else 0.0
