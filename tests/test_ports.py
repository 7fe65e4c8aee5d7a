"""A port that is held for a test."""

from __future__ import annotations

import socket

import pytest

from natsd.base.errors import ListenError
from natsd.net.listener import bind
from tests.ports import HeldPort


def test_nobody_listens_on_a_held_port_and_nobody_can() -> None:
    with HeldPort() as port:
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            for host in ("127.0.0.1", "0.0.0.0"):
                with pytest.raises(ListenError, match="address already in use"):
                    bind(host, port)


def test_a_port_held_for_a_server_refuses_between_its_lives() -> None:
    with HeldPort(for_server=True) as port:
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            with bind("127.0.0.1", port):
                socket.create_connection(("127.0.0.1", port)).close()
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            assert stranger.getsockname()[1] != port
