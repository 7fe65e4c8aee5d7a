"""What a reload may change of JetStream, and what it then does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from natsd.base.errors import OptionsError, StorageError
from natsd.config.records import AccountRecord
from natsd.server.jetstream_options import JetStreamOptions
from natsd.server.options import Options
from natsd.server.reload_jetstream import compare_jetstream
from natsd.server.server import Server
from tests.server.test_jetstream import ask
from tests.session.memory import Lines

M = 1 << 20
GIVEN = {"max_memory_store": 10 * M, "max_file_store": 20 * M, "store_dir": "/x"}


def compared(old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[str]:
    before, after = (None if block is None else JetStreamOptions(block) for block in (old, new))
    return [change.line for change in compare_jetstream(before, after)]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({}, []),
        ({"max_file_store": 30 * M}, ["Reloaded: JetStream max_file_store = 30.00 MB"]),
        ({"max_memory_store": 15 * M}, ["Reloaded: JetStream max_mem_store = 15.00 MB"]),
        ({"limits": {"max_ack_pending": 5}}, ["Reloaded: JetStream limits"]),
        ({"limits": {"batch": {"max_msgs": 5}}}, ["Reloaded: JetStream limits"]),
    ],
)
def test_limits_may_grow(change: dict[str, Any], lines: list[str]) -> None:
    assert compared(GIVEN, GIVEN | change) == lines


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"max_file_store": 15 * M}, "decreasing jetstream max memory and store"),
        ({"max_memory_store": 5 * M}, "decreasing jetstream max memory and store"),
        ({"max_file_store": 0}, "jetstream max memory and max store"),
        ({"store_dir": "/y"}, "jetstream storage directory"),
        ({"store_dir": ""}, "jetstream storage dir"),
        ({"domain": "hub"}, "JetStreamDomain: old=, new=hub"),
        ({"sync_interval_s": 5.0}, "SyncInterval: old=always, new=5s"),
        ({"strict": False}, "NoJetStreamStrict: old=false, new=true"),
    ],
)
def test_everything_else_is_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionsError) as caught:
        compared(GIVEN, GIVEN | change)
    assert str(caught.value) == f"config reload not supported for {text}"


def test_a_limit_that_was_found_out_cannot_be_given() -> None:
    with pytest.raises(OptionsError, match="dynamic max memory and store"):
        compared({"store_dir": "/x"}, GIVEN)


def test_it_can_be_switched_on_and_off() -> None:
    assert compared(None, GIVEN) == compared(GIVEN, None) == ["Reloaded: JetStream"]
    assert compared(None, None) == []


def options(folder: Path, accounts: dict[str, dict[str, Any] | None] | None = None, **more: Any) -> Options:
    block = {"enabled": True, "max_memory_store": 10 * M, "max_file_store": 20 * M, "store_dir": str(folder)}
    records = []
    for name, limits in (accounts or {}).items():
        records.append(AccountRecord(name))
        records[-1].jetstream = limits
    users = [{"user": name, "password": "x", "account": name} for name in accounts or {}]
    given = {"jetstream": block, "accounts": records, "users": users, **more}
    return Options(host="127.0.0.1", port=-1, **given)


ON: dict[str, Any] = {"enabled": True}


def test_jetstream_comes_and_goes_and_keeps_its_streams(tmp_path: Path) -> None:
    async def run() -> None:
        log = Lines()
        server = Server(options(tmp_path), log)
        await server.start()
        await ask(server, "$JS.API.STREAM.CREATE.S", {"name": "S"})
        assert (await ask(server, "S", "x"))[0]["seq"] == 1
        server.reload(options(tmp_path, jetstream=False))
        assert server.jetstream is None
        assert not server.roster.info.jetstream
        server.reload(options(tmp_path))
        assert (await ask(server, "S", "x"))[0]["seq"] == 2
        assert server.roster.info.jetstream
        await server.stop()
        assert "INF JetStream Shutdown" in log.lines

    asyncio.run(run())


def test_a_larger_limit_holds_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        server = Server(options(tmp_path), Lines())
        await server.start()
        stream = {"name": "S", "max_bytes": 25 * M}
        assert (await ask(server, "$JS.API.STREAM.CREATE.S", stream))[0]["error"]["err_code"] == 10047
        grown = {"enabled": True, "max_memory_store": 10 * M, "max_file_store": 30 * M, "store_dir": str(tmp_path)}
        server.reload(options(tmp_path, jetstream=grown))
        assert "error" not in (await ask(server, "$JS.API.STREAM.CREATE.S", stream))[0]
        await server.stop()

    asyncio.run(run())


def test_accounts_get_and_lose_jetstream(tmp_path: Path) -> None:
    async def run() -> None:
        server = Server(options(tmp_path, {"A": ON, "B": None}), Lines())
        await server.start()

        async def asks(user: str, subject: str, body: object = None) -> dict[str, Any]:
            return (await ask(server, subject, body, user=user))[0]

        await asks("A", "$JS.API.STREAM.CREATE.F", {"name": "F"})
        await asks("A", "$JS.API.STREAM.CREATE.M", {"name": "M", "storage": "memory"})
        await asks("A", "$JS.API.CONSUMER.DURABLE.CREATE.F.c", {"stream_name": "F", "config": {"durable_name": "c"}})
        assert (await asks("A", "F", "x"))["seq"] == 1
        assert (await asks("B", "$JS.API.INFO"))["error"]["err_code"] == 10039

        server.reload(options(tmp_path, {"A": None, "B": {"enabled": True, "max_streams": 3}}))
        assert (await asks("A", "$JS.API.INFO"))["error"]["err_code"] == 10039
        assert (await asks("B", "$JS.API.INFO"))["limits"]["max_streams"] == 3
        assert server.jetstream is not None
        assert server.jetstream.used == {"file": 0, "memory": 0}

        server.reload(options(tmp_path, {"A": {"enabled": True, "max_streams": 1}, "B": None}))
        info = await asks("A", "$JS.API.INFO")
        assert (info["streams"], info["consumers"], info["limits"]["max_streams"]) == (1, 1, 1)
        assert (await asks("A", "F", "x"))["seq"] == 2
        error = (await asks("A", "$JS.API.STREAM.CREATE.G", {"name": "G"}))["error"]
        assert error["err_code"] == 10027
        await server.stop()

    asyncio.run(run())


def test_more_than_there_is_cannot_be_promised(tmp_path: Path) -> None:
    big = {"enabled": True, "max_memory": 100 * M}

    async def start() -> None:
        with pytest.raises(StorageError, match=r"insufficient memory resources available \(10028\)"):
            await Server(options(tmp_path, {"A": big}), Lines()).start()

    async def reload() -> None:
        log = Lines()
        server = Server(options(tmp_path, {"A": ON, "B": ON}), log)
        await server.start()
        server.reload(options(tmp_path, {"A": big, "B": {"enabled": True, "max_consumers": 7}}))
        text = "insufficient memory resources available (10028)"
        assert f"ERR Error enabling jetstream on configured accounts: {text}" in log.lines
        assert (await ask(server, "$JS.API.INFO", user="B"))[0]["limits"]["max_consumers"] == 7
        await server.stop()

    asyncio.run(start())
    asyncio.run(reload())


def test_the_system_account_has_none(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="Not allowed to enable JetStream on the system account"):
        options(tmp_path, {"SYS": ON}, system_account="SYS").check()
