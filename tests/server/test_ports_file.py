"""The ports file, and the addresses in it."""

from __future__ import annotations

import builtins
import json
import os
import socket
from pathlib import Path

import pytest

from natsd.server.ports_file import PortsFile, own_addresses, urls


def test_the_file_is_named_for_the_process_and_appears_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = PortsFile(str(tmp_path))
    assert file.path == str(tmp_path / f"nats-server_{os.getpid()}.ports")
    replaced: list[str] = []
    replace = os.replace

    def look_and_replace(half: str, whole: str) -> None:
        assert not half.endswith(".ports") and json.loads(Path(half).read_text())
        replaced.append(whole)
        replace(half, whole)

    monkeypatch.setattr(os, "replace", look_and_replace)
    file.write({"nats": ["nats://127.0.0.1:4222"]})
    assert replaced == [file.path]
    assert Path(file.path).read_text() == '{"nats":["nats://127.0.0.1:4222"]}'
    file.remove()
    assert os.listdir(tmp_path) == []


def test_a_certain_host_has_one_url() -> None:
    assert urls("nats", "127.0.0.1", 4222) == ["nats://127.0.0.1:4222"]
    assert urls("http", "::1", 8222) == ["http://[::1]:8222"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_every_address_of_the_machine_has_a_url_when_all_are_listened_on(host: str) -> None:
    found = urls("nats", host, 4222)
    assert found[0] == "nats://127.0.0.1:4222"
    assert len(found) == len(set(found)) == len(own_addresses())


def test_addresses_are_addresses() -> None:
    for address in own_addresses():
        socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def test_a_machine_that_does_not_tell_its_addresses_has_the_loopback_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*args: object, **named: object) -> None:
        raise OSError

    monkeypatch.setattr(socket, "socket", nothing)
    monkeypatch.setattr(builtins, "open", nothing)
    assert own_addresses() == ["127.0.0.1"]
