"""Ports of 127.0.0.1 that no stranger gets while a test needs them, not even where tests run beside each other."""

from __future__ import annotations

import socket


class HeldPort:
    """A port that stays taken while nobody listens on it: whoever connects is refused.

    A socket is bound to it and does not listen, so the system gives the number to nobody who asks for any free port.
    for_server: a server that is told this number may listen on it all the same, as often as it likes.
    """

    def __init__(self, *, for_server: bool = False) -> None:
        self._holder = socket.socket()
        # Both have to set it: natsd and the Go server do, and so does socket.create_server.
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(for_server))
        self._holder.bind(("127.0.0.1", 0))
        self.number: int = self._holder.getsockname()[1]

    def close(self) -> None:
        self._holder.close()

    def __enter__(self) -> int:
        return self.number

    def __exit__(self, *_: object) -> None:
        self.close()
