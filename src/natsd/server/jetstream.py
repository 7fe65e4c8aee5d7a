"""JetStream in a server: opens the stores, gives it to the accounts, says in the log what is promised.

Imported only where JetStream is on.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from typing import TYPE_CHECKING

from natsd.accounts.account import GLOBAL
from natsd.base.clock import MS_NS
from natsd.base.errors import StorageError
from natsd.base.units import friendly_bytes, render_duration
from natsd.base.version import API_LEVEL
from natsd.jetstream.jetstream import JetStream
from natsd.jetstream.limits import AccountLimits, ServerLimits
from natsd.net.connection import Backlog
from natsd.server.sql_process import SqlProcesses
from natsd.store.contract import StoreError
from natsd.store.file import FileStore
from natsd.store.memory import MemoryStore

if TYPE_CHECKING:
    from natsd.accounts.account import Account
    from natsd.base.log import Log
    from natsd.server.jetstream_options import JetStreamOptions
    from natsd.server.server import Server

LIMIT_NAMES = {
    "max_memory": "max_memory",
    "max_store": "max_storage",
    "max_streams": "max_streams",
    "max_consumers": "max_consumers",
    "max_ack_pending": "max_ack_pending",
    "mem_max_stream_bytes": "memory_max_stream_bytes",
    "disk_max_stream_bytes": "storage_max_stream_bytes",
    "max_bytes_required": "max_bytes_required",
}
"""Limits in the jetstream block of an account, with the names that answers give them."""
PROBES = 5
PROBE = b"\0" * 4096


class Storage:
    """The open JetStream of a server and what belongs to the loop."""

    def __init__(self, server: Server, options: JetStreamOptions) -> None:
        """Raises StorageError where the directory cannot be used."""
        self.options = options
        self._log: Log = server.log
        self._loop = asyncio.get_running_loop()
        try:
            os.makedirs(options.store_dir, mode=0o750, exist_ok=True)
            self.sync_ns = measure_sync(options.store_dir)
            self.max_file = options.max_file or free_bytes(options.store_dir)
            started = time.monotonic_ns()
            self._file = FileStore(options.store_dir, sync_interval_s=options.sync_interval_s)
        except (NotADirectoryError, FileExistsError):
            raise StorageError(f"storage directory is not a directory: {options.store_dir}") from None
        except OSError as error:
            raise StorageError(f"could not create storage directory - {error}") from None
        except StoreError as error:
            raise StorageError(f"JetStream cannot use {options.store_dir}: {error}") from None
        backlog = Backlog()
        self._file.on_congested = lambda: server.road.congested.append(backlog)
        self._file.on_relieved = backlog.release
        self._file.on_damage = lambda text: server.log.warn(f"JetStream found damage: {text}")
        self._introduce()
        limits = ServerLimits(
            max_memory=options.max_memory,
            max_file=self.max_file,
            max_ack_pending=options.max_ack_pending,
            max_request_batch=options.max_request_batch,
            duplicate_window_ns=options.duplicate_window_ns,
            **options.batch,
        )
        self._processes = SqlProcesses(self._loop, server.timers)
        self._server = server
        self.jetstream = JetStream(
            MemoryStore(),
            self._file,
            clock=server.clock,
            timers=server.timers,
            chance=server.chance,
            log=server.log,
            server_name=server.name,
            domain=options.domain,
            strict=options.strict,
            limits=limits,
            workers=self._processes,
        )
        self.jetstream.turns.make_backlog = Backlog
        trouble = self._follow()
        if trouble:
            self.jetstream.close()
            raise StorageError(f"Error enabling jetstream on configured accounts: {trouble}")
        self._tell_recovery(started)
        self._file.postpone = server.road.add_work
        self._road = server.road
        self._settle_road = server.settle
        self._loop.add_reader(self._file.fileno(), self._on_disk)

    def follow_accounts(self) -> None:
        """The accounts of the server have changed: serve those that there are now."""
        trouble = self._follow()
        if trouble:
            self._log.error(f"Error enabling jetstream on configured accounts: {trouble}")

    def _follow(self) -> str:
        """Without accounts of one's own, the global one has JetStream; else those that say so."""
        server = self._server
        system = server.system_account
        wanted: dict[Account, AccountLimits | None] = {
            account: None for account in server.accounts.values() if account is not system
        }
        if set(wanted) == {server.accounts[GLOBAL]}:
            wanted[server.accounts[GLOBAL]] = AccountLimits()
        for record in server.options.accounts:
            account = server.accounts.get(record.name)
            if account in wanted and record.jetstream is not None:
                wanted[account] = account_limits(record.jetstream)
        return self.jetstream.follow(wanted)

    def use_options(self, options: JetStreamOptions) -> None:
        """Go by other options, of which reload.py has let through what can change."""
        limits = self.jetstream.limits
        if options.asked_memory > 0:
            limits.max_memory = options.max_memory
        if options.asked_file > 0:
            limits.max_file = self.max_file = options.max_file
        limits.max_ack_pending = options.max_ack_pending
        limits.max_request_batch = options.max_request_batch
        limits.duplicate_window_ns = options.duplicate_window_ns
        for name in ("batch_per_stream", "batch_total", "batch_msgs", "batch_timeout_ns"):
            setattr(limits, name, options.batch.get(name, getattr(ServerLimits(), name)))
        self.options = options

    def _introduce(self) -> None:
        log, options = self._log, self.options
        log.notice("---------------- JETSTREAM ----------------")
        if options.strict:
            log.notice("  Strict:          true")
        log.notice(f"  Max Memory:      {friendly_bytes(options.max_memory)}")
        log.notice(f"  Max Storage:     {friendly_bytes(self.max_file)}")
        log.notice(f'  Store Directory: "{options.store_dir}"')
        if options.domain:
            log.notice(f"  Domain:          {options.domain}")
        log.notice(f"  API Level:       {API_LEVEL}")
        log.notice(f"  Promise:         {options.promise}")
        log.notice(f"  Sync time:       {render_duration(self.sync_ns)} on this disk")
        log.notice("-------------------------------------------")

    def _tell_recovery(self, started: int) -> None:
        log = self._log
        for damage in self._file.damage:
            log.warn(f"JetStream found damage: {damage.text}")
        streams = sum(len(home.streams) for home in self.jetstream.homes.values())
        if streams:
            took = (time.monotonic_ns() - started) // MS_NS * MS_NS
            log.notice(f"  Recovered {streams} streams in {render_duration(took)}")

    def _on_disk(self) -> None:
        """The disk has come further: answer whoever waits for it, all in this turn."""
        road = self._road
        road.busy = True  # nobody need be woken for what is settled below
        try:
            self._file.look()
        finally:
            road.busy = False
            self._settle_road()
        self._file.tidy()

    def close(self) -> None:
        """Write everything; then nothing is served any more."""
        self._loop.remove_reader(self._file.fileno())
        self.jetstream.close()
        self._processes.close()


def account_limits(block: dict[str, object]) -> AccountLimits:
    """The limits of an account's `jetstream` block."""
    limits = AccountLimits()
    for key, name in LIMIT_NAMES.items():
        value = block.get(key)
        if isinstance(value, int):
            setattr(limits, name, value)
    return limits


def measure_sync(directory: str) -> int:
    """How long this disk takes to write a block and say that it is safe, in nanoseconds: the median of a few."""
    path = os.path.join(directory, f".sync-{os.getpid()}")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        times = []
        for _ in range(PROBES):
            begun = time.monotonic_ns()
            os.write(fd, PROBE)
            os.fdatasync(fd)
            times.append(time.monotonic_ns() - begun)
        return sorted(times)[PROBES // 2]
    finally:
        os.close(fd)
        os.unlink(path)


def free_bytes(directory: str) -> int:
    """What the disk has left."""
    return shutil.disk_usage(directory).free
