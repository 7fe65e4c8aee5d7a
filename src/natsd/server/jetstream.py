"""JetStream in a server: opens the stores, gives it to the accounts, says in the log what is promised.

Imported only where JetStream is on.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from typing import TYPE_CHECKING

from natsd.accounts.account import GLOBAL, SYSTEM
from natsd.base.clock import MS_NS
from natsd.base.errors import StorageError
from natsd.base.units import render_duration
from natsd.jetstream.jetstream import JetStream
from natsd.jetstream.limits import AccountLimits, ServerLimits
from natsd.net.connection import Backlog
from natsd.store.contract import StoreError
from natsd.store.file import FileStore
from natsd.store.memory import MemoryStore

if TYPE_CHECKING:
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
        except (OSError, StoreError) as error:
            raise StorageError(f"JetStream cannot use {options.store_dir}: {error}") from None
        backlog = Backlog()
        self._file.on_congested = lambda: server.road.congested.append(backlog)
        self._file.on_relieved = backlog.release
        self._introduce()
        limits = ServerLimits(
            max_memory=options.max_memory,
            max_file=self.max_file,
            max_ack_pending=options.max_ack_pending,
            max_request_batch=options.max_request_batch,
            duplicate_window_ns=options.duplicate_window_ns,
        )
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
        )
        self._enable(server)
        self._tell_recovery(started)
        self._file.postpone = server.road.add_work
        self._road = server.road
        self._settle_road = server.settle
        self._loop.add_reader(self._file.fileno(), self._on_disk)

    def _enable(self, server: Server) -> None:
        """Without accounts of one's own, the global one has JetStream; else those that say so."""
        if set(server.accounts) <= {GLOBAL, SYSTEM}:
            self.jetstream.enable(server.accounts[GLOBAL])
            return
        for record in server.options.accounts:
            account = server.accounts.get(record.name)
            if account is not None and record.jetstream is not None:
                self.jetstream.enable(account, account_limits(record.jetstream))
        for account in server.accounts.values():
            if account.name != SYSTEM and account.name not in self.jetstream.homes:
                self.jetstream.decline(account)

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
        log.notice(f"  Promise:         {options.promise}")
        log.notice(f"  Sync time:       {render_duration(self.sync_ns)} on this disk")
        log.notice("-------------------------------------------")

    def _tell_recovery(self, started: int) -> None:
        log = self._log
        for damage in self._file.damage:
            log.warn(f"JetStream found damage: {damage}")
        streams = sum(len(home.streams) for home in self.jetstream.homes.values())
        if streams:
            took = (time.monotonic_ns() - started) // MS_NS * MS_NS
            log.notice(f"  Recovered {streams} streams in {render_duration(took)}")

    def _on_disk(self) -> None:
        """The disk has come further: answer whoever waits for it, all in this turn."""
        road = self._road
        road.busy = True  # nobody need be woken for what is settled below
        try:
            self._file.settle()
        finally:
            road.busy = False
            self._settle_road()

    def close(self) -> None:
        """Write everything; then nothing is served any more."""
        self._loop.remove_reader(self._file.fileno())
        self.jetstream.close()


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


def friendly_bytes(size: int) -> str:
    """A size as the Go server writes it: `1.50 GB`."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in "KMGTPE":
        value /= 1024
        if value < 1024:
            return f"{value:.2f} {unit}B"
    return f"{value:.2f} EB"
