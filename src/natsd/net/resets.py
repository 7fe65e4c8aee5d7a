"""Notices connections that were reset.

libuv gives up a descriptor at its first error event, after one last call to the reader: what a peer said before it
reset the connection would be read in part, and its end never be seen. Where there is epoll, a set of our own beside
the loop therefore watches for errors only; it costs nothing while there are none.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from typing import Protocol

    class Endangered(Protocol):
        """Who is told."""

        def on_reset(self) -> None: ...


EVENTS_PER_WAKE = 256


class Resets:
    """The watch over the connections of one server. Each is told of its reset once."""

    __slots__ = ("_by_fd", "_epoll", "_loop")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._by_fd: dict[int, Endangered] = {}
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        if self._epoll is not None:
            loop.add_reader(self._epoll.fileno(), self.on_events)

    def watch(self, fd: int, who: Endangered) -> None:
        """Tell `who` when the connection behind `fd` is reset."""
        if self._epoll is not None:
            self._by_fd[fd] = who
            self._epoll.register(fd, select.EPOLLET)

    def forget(self, fd: int) -> None:
        """The descriptor is about to be closed."""
        # Closing takes it out of the set; until then nothing more is said of it.
        self._by_fd.pop(fd, None)

    def on_events(self) -> None:
        """Some were reset: tell each, at most EVENTS_PER_WAKE of them."""
        if self._epoll is not None:
            for fd, _ in self._epoll.poll(0, EVENTS_PER_WAKE):
                who = self._by_fd.get(fd)
                if who is not None:
                    who.on_reset()

    def close(self) -> None:
        """Watch nothing any more."""
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
            self._by_fd.clear()
