"""The watch for connections that were reset."""

from __future__ import annotations

import select
import socket
import struct
from typing import Any

import pytest

from natsd.net.resets import Resets


class Loop:
    """An event loop that only remembers which descriptors it was asked to watch."""

    def __init__(self) -> None:
        self.readers: dict[int, Any] = {}

    def add_reader(self, fd: int, callback: Any) -> None:
        self.readers[fd] = callback

    def remove_reader(self, fd: int) -> bool:
        return self.readers.pop(fd, None) is not None


class Told:
    def __init__(self) -> None:
        self.times = 0

    def on_reset(self) -> None:
        self.times += 1


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        return listening.accept()[0], client


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="needs epoll")
def test_a_reset_is_told_once_and_nothing_else_is() -> None:
    loop: Any = Loop()
    resets = Resets(loop)
    (look,) = loop.readers.values()
    (ours, client), (other, leaving) = pair(), pair()
    told, spared = Told(), Told()
    resets.watch(ours.fileno(), told)
    resets.watch(other.fileno(), spared)
    client.sendall(b"last words")
    leaving.close()
    look()
    assert (told.times, spared.times) == (0, 0)
    reset(client)
    look()
    look()
    assert (told.times, spared.times) == (1, 0)
    assert ours.recv(100) == b"last words"
    ours.close()
    other.close()
    resets.close()
    resets.close()
    assert loop.readers == {}
    look()


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="needs epoll")
def test_a_descriptor_that_is_being_closed_is_forgotten() -> None:
    loop: Any = Loop()
    resets = Resets(loop)
    (look,) = loop.readers.values()
    ours, client = pair()
    told = Told()
    resets.watch(ours.fileno(), told)
    resets.forget(ours.fileno())
    reset(client)
    look()
    assert told.times == 0
    ours.close()
    resets.close()


def test_without_epoll_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll", raising=False)
    loop: Any = Loop()
    resets = Resets(loop)
    resets.watch(1, Told())
    resets.on_events()
    resets.forget(1)
    resets.close()
    assert loop.readers == {}
