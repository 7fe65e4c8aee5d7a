"""What waits for the disk: acknowledgements and whatever else may be said only when its record is safe.

One queue per store, in the order of the calls; so nobody hears of his second message before his first. Where the disk
fails, whoever waits hears of that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from natsd.base.surprise import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.base.log import Log
    from natsd.jetstream.streams.stream import Stream
    from natsd.store.contract import Store


class Commits:
    """The queue of one store. What one of those that wait fails at does not hold up the others."""

    __slots__ = ("_failure", "_log", "_queue", "_running", "_visible", "store")

    def __init__(self, store: Store, log: Log) -> None:
        self.store = store
        self._log = log
        self._queue: deque[tuple[int, Callable[[], None], Callable[[str], None] | None]] = deque()
        self._failure = ""
        self._visible: dict[Stream, None] = {}
        self._running = False
        store.on_durable = self.run

    def __len__(self) -> int:
        return len(self._queue)

    def after(self, callback: Callable[[], None], refuse: Callable[[str], None] | None = None) -> None:
        """Have `callback` called when everything that was handed to the store so far is safe; at once if it is.

        refuse: called in its place, with the reason, where the store has failed before.
        """
        store, queue = self.store, self._queue
        position = store.position
        if self._failure and position > store.durable:
            if refuse is not None:
                refuse(self._failure)
            return
        queue.append((position, callback, refuse))
        # What waits in front of it waits for less: with nothing due the queue need not be looked through.
        if not self._running and (queue[0][0] <= store.durable or self._visible):
            self.run()

    def show(self, stream: Stream) -> None:
        """Messages of a stream became visible: its consumers are told once the queue is worked off."""
        self._visible[stream] = None
        if not self._running:
            self.run()

    def fail(self, text: str) -> None:
        """The store stores nothing any more: what waits for it waits in vain."""
        self._failure = text
        waiting = list(self._queue)
        self._queue.clear()
        for _, _, refuse in waiting:
            if refuse is not None:
                try:
                    refuse(text)
                except Exception as error:  # noqa: BLE001 - the others have to hear of it too
                    tell(self._log, "JetStream after a failed write", error)

    def run(self) -> None:
        """Call what is due."""
        if self._running:
            return
        self._running = True
        queue = self._queue
        try:
            while queue or self._visible:
                while queue and queue[0][0] <= self.store.durable:
                    callback = queue.popleft()[1]
                    try:
                        callback()
                    except Exception as error:  # noqa: BLE001 - the others behind it wait for the same write
                        tell(self._log, "JetStream after a write", error)
                if not self._visible:
                    break
                visible, self._visible = self._visible, {}
                for stream in visible:
                    try:
                        stream.tell_consumers()
                    except Exception as error:  # noqa: BLE001 - other streams have consumers too
                        tell(self._log, f"the consumers of stream '{stream.home.name} > {stream.name}'", error)
        finally:
            self._running = False
