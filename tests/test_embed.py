"""The server inside another program."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

import natsd
from natsd.base.errors import ListenError, OptionsError
from natsd.embed import ThreadedServer
from tests.ports import HeldPort


def greeting(port: int) -> dict[str, object]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock, sock.makefile("rb") as file:
        info = json.loads(file.readline()[5:])
        assert isinstance(info, dict)
        return info


def test_in_an_asyncio_program() -> None:
    async def run() -> None:
        async with natsd.Server(port=-1, server_name="one") as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            assert b'"server_name":"one"' in await reader.readline()
            writer.close()
            await writer.wait_closed()
            assert server.client_url == f"nats://127.0.0.1:{server.port}"

    asyncio.run(run())


def test_in_any_other_program() -> None:
    with HeldPort(for_server=True) as port:
        with natsd.run_in_thread(port=port, server_name="two") as server:
            assert server.port == port
            assert greeting(port)["server_name"] == "two"
            assert server.client_url == f"nats://{server.host}:{port}"
            assert server.running
            assert server.call(lambda inner: inner.name) == "two"
        assert not server.running
        with pytest.raises(ConnectionRefusedError):
            greeting(port)


def test_several_servers_in_one_process_know_nothing_of_each_other() -> None:
    with natsd.run_in_thread() as one, natsd.run_in_thread() as two:
        assert greeting(one.port)["server_id"] != greeting(two.port)["server_id"]


def test_a_stopped_server_can_be_started_again() -> None:
    server = ThreadedServer()
    for _ in range(2):
        with server:
            greeting(server.port)
    server.stop()
    with pytest.raises(RuntimeError, match="not running"):
        server.call(lambda inner: inner.name)


def test_a_running_server_is_not_started_twice() -> None:
    with natsd.run_in_thread() as server, pytest.raises(RuntimeError, match="running already"):
        server.start()


def test_a_server_that_cannot_start_says_so_where_it_was_asked_for() -> None:
    with natsd.run_in_thread() as server:
        with pytest.raises(ListenError, match="address already in use"):
            natsd.run_in_thread(port=server.port).start()
        with pytest.raises(OptionsError):
            natsd.run_in_thread(port=70000).start()
        with pytest.raises(TypeError):
            natsd.run_in_thread(no_such_option=1).start()


def test_a_server_that_went_lame_has_stopped_by_itself() -> None:
    with natsd.run_in_thread() as server:
        server.call(lambda inner: inner.start_lame_duck())
        thread = server._thread
        assert thread is not None
        thread.join(60)
        assert not server.running


def test_monitoring_pages_and_ports_file_come_with_it(tmp_path: Path) -> None:
    with natsd.run_in_thread(http_port=-1, ports_file_dir=str(tmp_path)) as server:
        with urlopen(server.monitor_url + "/varz", timeout=60) as answer:
            assert json.load(answer)["port"] == server.port
        listing = json.loads(next(tmp_path.glob("*.ports")).read_text())
        assert listing == {"nats": [server.client_url], "monitoring": [server.monitor_url]}
    assert list(tmp_path.iterdir()) == []


def test_a_ports_file_that_cannot_be_written_leaves_nothing_running(tmp_path: Path) -> None:
    async def run(port: int) -> None:
        server = natsd.Server(port=port, ports_file_dir=str(tmp_path / "missing"))
        with pytest.raises(OSError, match="No such file"):
            await server.start()
        assert not server.running
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    with HeldPort(for_server=True) as port:
        asyncio.run(run(port))


def test_where_there_is_no_uvloop_asyncio_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    with natsd.run_in_thread() as server:
        assert greeting(server.port)["server_id"]


def test_the_package_offers_what_it_says_and_nothing_else() -> None:
    assert natsd.__version__
    assert natsd.Server is natsd.embed.Server
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        natsd.nothing  # type: ignore[attr-defined]  # noqa: B018
