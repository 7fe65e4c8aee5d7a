"""JetStream of one account: its streams, what it uses of its limits, and what the streams stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.jetstream.advisories import Advisories
from natsd.jetstream.api.api import Api
from natsd.jetstream.consumers.consumers import Consumers
from natsd.jetstream.errors import ApiError
from natsd.jetstream.subject_index import SubjectIndex

if TYPE_CHECKING:
    from natsd.accounts.account import Account
    from natsd.base.chance import Chance
    from natsd.base.clock import Clock, Timers
    from natsd.base.log import Log
    from natsd.jetstream.backups.restore import Restore
    from natsd.jetstream.commits import Commits
    from natsd.jetstream.jetstream import JetStream
    from natsd.jetstream.limits import AccountLimits
    from natsd.jetstream.streams.sourcing import Inflow
    from natsd.jetstream.streams.stream import Stream
    from natsd.jetstream.streams.stream_config import StreamConfig
    from natsd.kernel import Sublist


class Home:
    """What every stream and consumer of an account is handed: time, subjects, store, voice.

    inflows: mirrors and sources by the name of the stream they are filled from. restoring: streams that come back
    from a backup, by their names. used: bytes by kind of storage, kept by the streams. api_total, api_errors: requests
    so far.
    """

    __slots__ = (
        "_reserved",
        "account",
        "advisories",
        "api",
        "api_errors",
        "api_total",
        "chance",
        "clock",
        "consumers",
        "inflows",
        "jetstream",
        "limits",
        "log",
        "name",
        "restoring",
        "streams",
        "subjects",
        "sublist",
        "timers",
        "used",
    )

    def __init__(self, jetstream: JetStream, account: Account, limits: AccountLimits) -> None:
        self.jetstream = jetstream
        self.account = account
        self.name = account.name
        self.sublist: Sublist = account.sublist
        self.limits = limits
        self.clock: Clock = jetstream.clock
        self.timers: Timers = jetstream.timers
        self.chance: Chance = jetstream.chance
        self.log: Log = jetstream.log
        self.streams: dict[str, Stream] = {}
        self.subjects = SubjectIndex()
        self.restoring: dict[str, Restore] = {}
        self.inflows: dict[str, list[Inflow]] = {}
        self._reserved = {"file": 0, "memory": 0}
        self.used = {"file": 0, "memory": 0}
        self.api_total = 0
        self.api_errors = 0
        self.advisories = Advisories(self)
        self.api = Api(self)
        self.consumers = Consumers(self)

    @property
    def domain(self) -> str:
        """The JetStream domain of the server, empty for none."""
        return self.jetstream.domain

    @property
    def strict(self) -> bool:
        """Whether unknown keys of requests are refused."""
        return self.jetstream.strict

    def open(self) -> None:
        """Answer requests from now on."""
        self.api.open()
        self.consumers.open()

    def close(self) -> None:
        """Answer nothing any more and stop everything; nothing is deleted."""
        self.api.close()
        self.consumers.close()
        for restore in self.restoring.values():
            restore.close()
        self.restoring.clear()
        for stream in list(self.streams.values()):
            stream.close()
            self.on_config(stream.config, None)
            self.use(stream.config.storage, -stream.counted_bytes)
            stream.counted_bytes = 0
            stream.store.on_removed = stream.store.on_purged = None
        self.streams.clear()

    def key_of(self, stream: str) -> str:
        """The name of a stream in the store."""
        return f"{self.name}/{stream}"

    def commits(self, storage: str) -> Commits:
        """The queue, and with it the store, of a kind of storage."""
        return self.jetstream.commits(storage)

    def publish(self, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes) -> int:
        """Send a message of the server's own into the account; returns how many took it."""
        return self.sublist.publish(subject, reply, header, payload)

    def send(self, subject: bytes, payload: bytes) -> None:
        """The same, of a payload alone."""
        self.sublist.publish(subject, None, None, payload)

    def advise(self, subject: str, kind: str, event: dict[str, Any]) -> None:
        """Publish an advisory, where somebody listens; see Advisories.publish."""
        self.advisories.publish(subject, kind, event)

    # Usage.

    def add_stream(self, stream: Stream) -> None:
        """A stream is there."""
        self.streams[stream.name] = stream
        self.on_config(None, stream.config)

    def discard_stream(self, stream: Stream) -> None:
        """A stream is gone."""
        del self.streams[stream.name]
        self.on_config(stream.config, None)

    def on_config(self, old: StreamConfig | None, new: StreamConfig | None) -> None:
        """A stream's configuration came, changed or went."""
        if old is not None:
            self.subjects.remove(old.subjects)
            self._reserved[old.storage] -= max(old.max_bytes, 0)
        if new is not None:
            self.subjects.add(new.name, new.subjects)
            self._reserved[new.storage] += max(new.max_bytes, 0)

    def reserved(self, storage: str, *, without: str = "") -> int:
        """The bytes that streams of a kind of storage ask to have kept for them."""
        other = self.streams.get(without)
        held = max(other.config.max_bytes, 0) if other is not None and other.config.storage == storage else 0
        return self._reserved[storage] - held

    def use(self, storage: str, more: int) -> None:
        """A stream holds so many bytes more, or fewer."""
        self.used[storage] += more
        self.jetstream.used[storage] += more

    def check_room(self, config: StreamConfig, *, held: int = 0, without: str = "") -> None:
        """Whether the limits allow a stream to reserve its max_bytes, of which `held` are its own already.

        Raises ApiError.
        """
        limits, server = self.limits, self.jetstream
        if config.max_consumers > 0 and 0 < limits.max_consumers < config.max_consumers:
            raise ApiError("MAXIMUM_CONSUMERS_LIMIT")
        wanted = config.max_bytes if config.max_bytes >= 0 else (0 if held or without else 1)
        memory = config.storage == "memory"
        most = limits.max_memory if memory else limits.max_storage
        error = "MEMORY_RESOURCES_EXCEEDED" if memory else "STORAGE_RESOURCES_EXCEEDED"
        if most >= 0 and self.reserved(config.storage, without=without) + wanted > most:
            raise ApiError(error)
        more = max(wanted - held, 0)
        if server.reserved(config.storage) + more > server.max_bytes(config.storage):
            raise ApiError(error)

    def has_room_for(self, storage: str, more: int) -> bool:
        """Whether the account's limit allows so many bytes more."""
        most = self.limits.max_memory if storage == "memory" else self.limits.max_storage
        return most < 0 or self.used[storage] + more <= most

    def usage(self) -> dict[str, Any]:
        """What INFO answers."""
        page: dict[str, Any] = {
            "memory": self.used["memory"],
            "storage": self.used["file"],
            "reserved_memory": self.reserved("memory"),
            "reserved_storage": self.reserved("file"),
            "streams": len(self.streams),
            "consumers": sum(len(stream.consumers) for stream in self.streams.values()),
            "limits": self.limits.as_dict(),
        }
        if self.domain:
            page["domain"] = self.domain
        page["api"] = {"level": self.jetstream.api_level, "total": self.api_total, "errors": self.api_errors}
        return page
