"""The store in memory: what it is given is safe at once, and gone with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.store import MemoryIndex
from natsd.store.contract import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.store.contract import Limits, StreamStore


class MemoryStream(MemoryIndex):
    """The messages of one stream and the saved state of its consumers."""

    def __init__(self, first_seq: int = 1) -> None:
        super().__init__(first_seq)
        self.packs = False  # there is no disk to take less of
        self.headed = True  # nothing is found at opening that would be long to look at
        self._records: dict[str, list[bytes]] = {}

    def begin(self) -> None:
        """Nothing is left after a crash."""

    def end(self) -> None:
        """See begin."""

    def save_consumer(self, name: str, record: bytes, *, checkpoint: bool, removed: list[int] | None = None) -> None:
        if checkpoint:
            self._records[name] = [record]
        else:
            self._records.setdefault(name, []).append(record)
        if removed:
            self.remove(removed)

    def consumer_records(self, name: str) -> list[bytes]:
        return list(self._records.get(name, ()))

    def forget_consumer(self, name: str) -> None:
        self._records.pop(name, None)

    def consumers(self) -> list[str]:
        return list(self._records)

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryStore:
    """All streams of a server that are kept in memory. `on_durable` and `on_failed` are never called: nothing waits."""

    position = 0
    durable = 0
    failure = ""

    def __init__(self) -> None:
        self.on_durable: Callable[[], None] | None = None
        self.on_failed: Callable[[str], None] | None = None
        self._configs: dict[str, bytes] = {}
        self._streams: dict[str, MemoryStream] = {}
        self._consumers: dict[str, dict[str, bytes]] = {}

    def create(self, key: str, config: bytes, limits: Limits, first_seq: int = 1) -> StreamStore:
        if key in self._streams:
            raise StoreError(f"there is a stream {key!r} already")
        stream = MemoryStream(first_seq)
        stream.set_limits(limits)
        self._streams[key] = stream
        self._configs[key] = config
        self._consumers[key] = {}
        return stream

    def configure(self, key: str, config: bytes) -> None:
        self._known(key)
        self._configs[key] = config

    def delete(self, key: str) -> None:
        self.disown(key)

    def disown(self, key: str) -> None:
        self._known(key).close()
        del self._streams[key], self._configs[key], self._consumers[key]

    def streams(self) -> dict[str, tuple[bytes, StreamStore]]:
        return {key: (self._configs[key], stream) for key, stream in self._streams.items()}

    def configure_consumer(self, key: str, name: str, config: bytes) -> None:
        self._known(key)
        self._consumers[key][name] = config

    def consumer_configs(self, key: str) -> dict[str, bytes]:
        self._known(key)
        return dict(self._consumers[key])

    def delete_consumer(self, key: str, name: str) -> None:
        self._known(key).forget_consumer(name)
        self._consumers[key].pop(name, None)

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()

    def _known(self, key: str) -> MemoryStream:
        stream = self._streams.get(key)
        if stream is None:
            raise StoreError(f"there is no stream {key!r}")
        return stream
