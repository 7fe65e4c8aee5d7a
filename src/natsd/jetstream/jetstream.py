"""JetStream of a server: its stores, its limits, and the accounts that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.base.surprise import tell
from natsd.base.version import API_LEVEL
from natsd.jetstream.commits import Commits
from natsd.jetstream.consumers.consumer_create import restore_consumers
from natsd.jetstream.errors import ApiError
from natsd.jetstream.home import Home
from natsd.jetstream.limits import AccountLimits, ServerLimits
from natsd.jetstream.sql.sql_api import SqlQueue
from natsd.jetstream.streams.stream import Stream
from natsd.jetstream.streams.stream_check import dynamic_metadata
from natsd.jetstream.streams.stream_config import is_unfinished, load_config
from natsd.jetstream.turns import Turns

if TYPE_CHECKING:
    from natsd.accounts.account import Account
    from natsd.base.chance import Chance
    from natsd.base.clock import Clock, Timers
    from natsd.base.log import Log
    from natsd.jetstream.sql.sql_query import Workers
    from natsd.store.contract import Store


class JetStream:
    """All of it. `memory` and `file` are open stores; `enable` gives it to an account.

    workers: who starts processes for SQL. declined: accounts that are told that they have none.
    open_batches, staged_bytes: of unfinished atomic batches.
    used: bytes by kind of storage over all accounts. failed: why nothing is stored any more, empty while all is well.
    """

    def __init__(
        self,
        memory: Store,
        file: Store,
        *,
        clock: Clock,
        timers: Timers,
        chance: Chance,
        log: Log,
        server_name: str = "",
        domain: str = "",
        strict: bool = True,
        limits: ServerLimits | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.clock = clock
        self.timers = timers
        self.chance = chance
        self.log = log
        self.server_name = server_name
        self.domain = domain
        self.strict = strict
        self.limits = limits or ServerLimits()
        self.queries = SqlQueue(workers)
        self.turns = Turns(clock, timers)
        self.api_level = API_LEVEL
        self.dynamic_metadata = dynamic_metadata(API_LEVEL)
        self.api_total = 0
        self.api_errors = 0
        self.homes: dict[str, Home] = {}
        self.declined: dict[str, Home] = {}
        self.used = {"file": 0, "memory": 0}
        self.failed = ""
        self.open_batches = self.staged_bytes = 0
        self._commits = {"memory": Commits(memory, log), "file": Commits(file, log)}
        self._found = file.streams()
        file.on_failed = self._on_failed

    def commits(self, storage: str) -> Commits:
        """The queue, and with it the store, of a kind of storage."""
        return self._commits[storage]

    def follow(self, wanted: dict[Account, AccountLimits | None]) -> str:
        """Serve these accounts and no others; None: tell it that it has no JetStream. Safe to repeat.

        Returns why one or more could not be served as they should, or nothing.
        """
        named = {account.name: account for account in wanted}
        for homes in (self.homes, self.declined):
            for name, home in list(homes.items()):
                if named.get(name) is not home.account:
                    self.disable(home.account)
        trouble = ""
        for account, limits in wanted.items():
            if limits is None:
                self.decline(account)
                continue
            try:
                self._check_resources(account.name, limits)
            except ApiError as error:
                trouble = f"{error.description} ({error.err_code})"
                if account.name not in self.homes:
                    self.decline(account)
                continue
            if account.name in self.homes:
                self.homes[account.name].limits = limits
            else:
                self.enable(account, limits)
        return trouble

    def _check_resources(self, name: str, limits: AccountLimits) -> None:
        """Whether the server has what all accounts together are promised. Raises ApiError."""
        others = [home.limits for home in self.homes.values() if home.name != name]
        for kind, what in (("memory", "max_memory"), ("file", "max_storage")):
            own = max(getattr(limits, what), 0)
            if own + sum(max(getattr(other, what), 0) for other in others) > self.max_bytes(kind):
                raise ApiError(f"{'MEMORY' if kind == 'memory' else 'STORAGE'}_RESOURCES_EXCEEDED")

    def enable(self, account: Account, limits: AccountLimits | None = None) -> Home:
        """Give JetStream to an account: open what the store has of it, then answer its requests."""
        self.disable(account)
        home = self.homes[account.name] = Home(self, account, limits or AccountLimits())
        self._recover(home)
        home.open()
        return home

    def decline(self, account: Account) -> None:
        """Tell an account that asks that it has no JetStream."""
        self.disable(account)
        home = self.declined[account.name] = Home(self, account, AccountLimits())
        home.api.decline()

    def disable(self, account: Account) -> None:
        """Take it away again; what is stored on disk stays, and comes back with it."""
        declined = self.declined.pop(account.name, None)
        if declined is not None:
            declined.api.close()
        home = self.homes.pop(account.name, None)
        if home is None:
            return
        in_memory = [stream.key for stream in home.streams.values() if stream.config.storage == "memory"]
        home.close()
        for key in in_memory:
            self._commits["memory"].store.delete(key)
        found = self._commits["file"].store.streams()
        self._found.update({key: stream for key, stream in found.items() if key.rpartition("/")[0] == home.name})

    def _recover(self, home: Home) -> None:
        names = [key for key in self._found if key.rpartition("/")[0] == home.name]
        for key in names:
            saved, store = self._found.pop(key)
            if is_unfinished(saved):
                self.log.warn(f"The restore of stream {key!r} was never finished: it is thrown away")
                self._commits["file"].store.delete(key)
                continue
            config, created_ns = load_config(saved)
            stream = Stream(home, config, store, created_ns)
            home.add_stream(stream)
        for stream in list(home.streams.values()):
            # Those that are filled from it come first or later: either way they see what it has.
            stream.open(recovering=True)
            for reader in list(stream.inflow_readers):
                reader.pump()
            restore_consumers(stream)
            state = stream.store.state
            self.log.notice(f"  Restored {state.msgs:,} messages for stream '{home.name} > {stream.name}'")

    def max_bytes(self, storage: str) -> int:
        """What the server has of a kind of storage; a very large number where that is not limited."""
        most = self.limits.max_memory if storage == "memory" else self.limits.max_file
        return most or 1 << 62

    def reserved(self, storage: str) -> int:
        """What all accounts' streams ask to have kept for them."""
        return sum(home.reserved(storage) for home in self.homes.values())

    def _on_failed(self, text: str) -> None:
        self.failed = text
        self._commits["file"].fail(text)
        self.log.error(f"JetStream stores nothing any more: {text}")

    def close(self) -> None:
        """Stop everything, write what has to be written."""
        self.queries.close()
        for home in list(self.declined.values()):
            home.api.close()
        for home in list(self.homes.values()):
            try:
                home.close()
            except Exception as error:  # noqa: BLE001
                # What is stored has to be written all the same.
                tell(self.log, f"the end of JetStream of account {home.name}", error)
        self.homes.clear()
        self.declined.clear()
        for commits in self._commits.values():
            commits.store.close()

    def stats(self) -> dict[str, Any]:
        """The figures of /varz and /jsz."""
        return {
            "memory": self.used["memory"],
            "storage": self.used["file"],
            "reserved_memory": self.reserved("memory"),
            "reserved_storage": self.reserved("file"),
            "accounts": len(self.homes),
            "ha_assets": 0,
            "api": {"level": self.api_level, "total": self.api_total, "errors": self.api_errors},
        }
