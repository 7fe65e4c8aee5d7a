"""Listening sockets."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from natsd.base.clock import HandClock, Timers
from natsd.base.errors import ListenError
from natsd.net import listener
from natsd.net.listener import Listener, bind, join_host_port


class Loop:
    """An event loop that only remembers which descriptors it was asked to watch."""

    def __init__(self) -> None:
        self.readers: dict[int, Any] = {}

    def add_reader(self, fd: int, callback: Any, *args: Any) -> None:
        self.readers[fd] = callback

    def remove_reader(self, fd: int) -> bool:
        return self.readers.pop(fd, None) is not None


class Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, text: str) -> None:
        self.lines.append(text)


class Setting:
    """A listener on a loop that is turned by hand."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.loop: Any = Loop()
        self.clock = HandClock()
        self.timers = self.clock.timers = Timers(self.clock)
        self.log = Lines()
        self.accepted: list[tuple[socket.socket, str, int]] = []
        self.sock: Any = bind(host, 0)
        self.listener = Listener(self.loop, self.timers, self.log, self.sock, self.on_accept)

    def on_accept(self, sock: socket.socket, ip: str, port: int) -> None:
        self.accepted.append((sock, ip, port))
        sock.close()

    def dial(self, host: str) -> None:
        with socket.create_connection((host, self.listener.port)) as client:
            self.listener.on_acceptable()
            self.address = client.getsockname()[:2]


def test_an_ipv6_address_gets_brackets() -> None:
    assert join_host_port("::1", 4222) == "[::1]:4222"
    assert join_host_port("localhost", 4222) == "localhost:4222"


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])
def test_every_address_means_both_kinds(host: str) -> None:
    setting = Setting(host)
    setting.dial("127.0.0.1")
    assert setting.accepted[0][1:] == setting.address
    if socket.has_dualstack_ipv6():
        setting.dial("::1")
        assert setting.accepted[1][1] == "::1"
    setting.listener.close()


def test_a_name_is_looked_up() -> None:
    setting = Setting("localhost")
    setting.dial("127.0.0.1")
    assert len(setting.accepted) == 1
    setting.listener.close()


def test_where_there_is_no_ipv6_every_address_means_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = listener._bind

    def only_ipv4(family: socket.AddressFamily, address: str, port: int, *, dual: bool) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6")
        return real(family, address, port, dual=dual)

    monkeypatch.setattr(listener, "_bind", only_ipv4)
    with bind("0.0.0.0", 0) as sock:
        assert sock.family == socket.AF_INET
    with pytest.raises(ListenError):
        bind("::", 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_told_as_go_tells_it(host: str) -> None:
    with bind(host, 0) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ListenError, match=f"^listen tcp {host}:{port}: address already in use$"):
            bind(host, port)


def test_a_name_that_nobody_knows_is_told() -> None:
    with pytest.raises(ListenError, match=r"^listen tcp no\.such\.name\.invalid:1: "):
        bind("no.such.name.invalid", 1)


def test_a_port_out_of_range_is_told() -> None:
    with pytest.raises(ListenError, match=r"^listen tcp 127\.0\.0\.1:70000: "):
        bind("127.0.0.1", 70000)


def test_all_that_wait_are_taken_in_bounded_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "ACCEPTS_PER_WAKE", 2)
    setting = Setting()
    clients = [socket.create_connection(("127.0.0.1", setting.listener.port)) for _ in range(3)]
    setting.listener.on_acceptable()
    assert len(setting.accepted) == 2
    setting.listener.on_acceptable()
    assert len(setting.accepted) == 3
    for client in clients:
        client.close()
    setting.listener.close()


class Broken:
    """A listening socket whose accept fails."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def accept(self) -> None:
        code = self.codes.pop(0) if self.codes else errno.EAGAIN
        raise OSError(code, "x")

    def fileno(self) -> int:
        return 99

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 4222

    def close(self) -> None:
        pass


def broken(setting: Setting, *codes: int) -> Listener:
    setting.listener.close()
    sock: Any = Broken(*codes)
    return Listener(setting.loop, setting.timers, setting.log, sock, setting.on_accept)


def test_a_connection_that_is_gone_already_does_not_stop_the_others() -> None:
    setting = Setting()
    broken(setting, errno.ECONNABORTED, errno.ECONNABORTED).on_acceptable()
    assert setting.log.lines == []
    assert 99 in setting.loop.readers


def test_without_descriptors_accepting_rests_longer_and_longer_and_says_so_once() -> None:
    setting = Setting()
    tired = broken(setting, *[errno.EMFILE] * 9)
    rests = []
    for _ in range(9):
        tired.on_acceptable()
        assert 99 not in setting.loop.readers
        rest = 0
        while 99 not in setting.loop.readers:
            setting.clock.move(0.01)
            rest += 10
        rests.append(rest)
    assert rests == [10, 20, 40, 80, 160, 320, 640, 1000, 1000]
    assert setting.log.lines == ["Temporary Client Accept Error(too many open files), sleeping 10ms"]


def test_a_listener_closed_while_it_rests_stays_closed() -> None:
    setting = Setting()
    tired = broken(setting, errno.EMFILE)
    tired.on_acceptable()
    tired.close()
    tired.close()
    setting.clock.move(1)
    assert setting.loop.readers == {}
    tired.on_acceptable()
    assert setting.accepted == []
