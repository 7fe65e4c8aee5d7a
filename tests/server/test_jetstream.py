"""JetStream in a server: where it keeps streams, what it says of itself, what is there after a restart."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import natsd
from natsd.base.errors import OptionsError, StorageError
from natsd.base.units import friendly_bytes
from natsd.server.jetstream_options import JetStreamOptions, as_jetstream
from natsd.server.server import Server
from natsd.store import FORM, Log
from natsd.store.file import FileStore
from tests.session.memory import Lines


async def ask(
    server: natsd.Server | Server, subject: str, body: object = None, *, count: int = 1, user: str = ""
) -> list[dict[str, Any]]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    payload = b"" if body is None else json.dumps(body).encode()
    line = b"PUB %b in %d\r\n%b\r\n" % (subject.encode(), len(payload), payload)
    connect = {"verbose": False} | ({"user": user, "pass": "x"} if user else {})
    writer.write(b"CONNECT %b\r\nSUB in 1\r\n" % json.dumps(connect).encode() + line * count)
    answers = []
    while len(answers) < count:
        words = (await reader.readline()).split()
        if words[:1] == [b"MSG"]:
            answers.append(json.loads((await reader.readexactly(int(words[-1]) + 2))[:-2]))
    writer.close()
    return answers


def serve(folder: Path, log: Lines | None = None, **options: Any) -> natsd.Server:
    return natsd.Server(jetstream=options.pop("jetstream", True), store_dir=str(folder), log=log, **options)


def test_streams_and_messages_are_there_after_a_restart(tmp_path: Path) -> None:
    async def first() -> None:
        async with serve(tmp_path) as server:
            await ask(server, "$JS.API.STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
            answers = await ask(server, "s.a", {"x": 1}, count=100)
            assert [answer["seq"] for answer in answers] == list(range(1, 101))

    async def second() -> None:
        log = Lines()
        async with serve(tmp_path, log) as server:
            (info,) = await ask(server, "$JS.API.STREAM.INFO.S")
            assert (info["state"]["messages"], info["state"]["last_seq"]) == (100, 100)
            assert (await ask(server, "s.a"))[0]["seq"] == 101
        assert "INF   Restored 100 messages for stream '$G > S'" in log.lines
        assert any(line.startswith("INF   Recovered 1 streams in ") for line in log.lines)

    asyncio.run(first())
    asyncio.run(second())


def test_of_a_failed_disk_the_log_speaks_once(tmp_path: Path) -> None:
    log = Lines()

    async def run() -> None:
        async with serve(tmp_path, log) as server:
            (made,) = await ask(server, "$JS.API.STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
            assert "error" not in made
            assert server.storage is not None
            jetstream = server.storage.jetstream
            store = jetstream.homes["$G"].streams["S"].store
            directory: Any = jetstream.commits("file").store
            directory.stop(MemoryError("all of it is gone"))
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            server.timers.schedule(0, lambda: store.skip(9))
            server.timers.schedule(0, lambda: 1 // 0 and None)
            server.timers.schedule(0, lambda: done.set_result(None))
            await asyncio.wait_for(done, 60)
            (refused,) = await ask(server, "s.a")
            assert refused["error"]["code"] == 503

    asyncio.run(run())
    errors = [line for line in log.lines if line.startswith("ERR")]
    assert len(errors) == 2, errors
    assert "JetStream stores nothing any more" in errors[0]
    assert "Unexpected error in what was due: ZeroDivisionError" in errors[1]


def test_the_log_says_what_is_promised(tmp_path: Path) -> None:
    async def run(block: object) -> list[str]:
        log = Lines()
        async with serve(tmp_path, log, jetstream=block) as server:
            assert server.roster.info.jetstream
        return log.lines

    lines = asyncio.run(run({"max_memory_store": 1 << 30, "max_file_store": 10 << 30, "domain": "hub"}))
    assert "INF   Max Memory:      1.00 GB" in lines
    assert "INF   Max Storage:     10.00 GB" in lines
    assert f'INF   Store Directory: "{tmp_path}/jetstream"' in lines
    assert "INF   Domain:          hub" in lines
    assert "INF   Promise:         an acknowledged message is on disk" in lines
    assert any(line.startswith("INF   Sync time:       ") for line in lines)
    lines = asyncio.run(run({"sync_interval_s": 120.0}))
    assert any("on disk within 120 s" in line for line in lines)


def test_a_server_that_is_stopped_acknowledges_what_it_took(tmp_path: Path) -> None:
    async def run() -> None:
        server = serve(tmp_path)
        await server.start()
        await ask(server, "$JS.API.STREAM.CREATE.S", {"name": "S"})
        before = server.road.in_msgs
        asking = asyncio.create_task(ask(server, "S", count=50))
        while server.road.in_msgs < before + 50:
            await asyncio.sleep(0)
        await server.stop()
        assert [answer["seq"] for answer in await asking] == list(range(1, 51))

    asyncio.run(run())


def test_an_embedded_server_has_a_folder_that_goes_with_it() -> None:
    async def run() -> str:
        async with natsd.Server(jetstream=True) as server:
            assert server.storage is not None
            folder = server.storage.options.store_dir
            assert os.path.isdir(folder)
        return folder

    assert not os.path.exists(asyncio.run(run()))


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("no folder")

    async def run() -> None:
        with pytest.raises(StorageError, match="storage directory is not a directory"):
            await serve(place).start()

    asyncio.run(run())


def test_without_jetstream_nobody_answers() -> None:
    async def run() -> None:
        async with natsd.Server() as server:
            assert server.jetstream is None
            assert not server.roster.info.jetstream

    asyncio.run(run())


@pytest.mark.parametrize(
    ("value", "wanted"), [(False, False), (None, False), ({"enabled": False}, False), (True, True), ({}, False)]
)
def test_it_is_on_or_off(value: object, wanted: bool) -> None:
    assert (as_jetstream(value) is not None) is wanted


@pytest.mark.parametrize("block", [{"key": "secret"}, {"cipher": "aes"}, {"tpm": {"pcr": 1}}])
def test_encryption_is_refused_and_not_ignored(block: dict[str, Any]) -> None:
    with pytest.raises(OptionsError, match="is not supported yet"):
        JetStreamOptions(block)


@pytest.mark.parametrize("domain", ["a.b", "a b", "*", ">"])
def test_a_domain_is_one_token(domain: str) -> None:
    with pytest.raises(OptionsError, match="the domain"):
        JetStreamOptions({"domain": domain})


def test_limits_are_taken_over() -> None:
    block = {"limits": {"max_ack_pending": 5, "duplicate_window_s": 2.0}, "sync_interval_s": "always"}
    options = JetStreamOptions(block, "/data")
    assert (options.max_ack_pending, options.duplicate_window_ns, options.sync_interval_s) == (5, 2 * 10**9, 0)
    assert options.store_dir == "/data/jetstream"


@pytest.mark.parametrize(
    ("size", "text"), [(5, "5 B"), (1536, "1.50 KB"), (3 << 30, "3.00 GB"), (1 << 60, "1.00 EB"), (1 << 63, "8.00 EB")]
)
def test_sizes_are_written_as_go_does(size: int, text: str) -> None:
    assert friendly_bytes(size) == text


def test_whoever_publishes_faster_than_the_disk_takes_it_is_not_read_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, count, size = 100_000, 4000, 500
    seen: list[int] = []

    class Slow(FileStore):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, most_unsynced=most, **options)

        def hand_over(self) -> None:
            super().hand_over()
            seen.append(self.log.unwritten)

    monkeypatch.setattr("natsd.server.jetstream.FileStore", Slow)
    if FORM == "native":
        monkeypatch.setattr("natsd.store.file.Log", partial(Log, slow_ns=20_000_000))

    async def run() -> None:
        async with serve(tmp_path) as server:
            await ask(server, "$JS.API.STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(b'CONNECT {"verbose":false}\r\n' + b"PUB s.a %d\r\n%b\r\n" % (size, b"x" * size) * count)
            writer.write(b"PING\r\n")
            while (await reader.readline()) != b"PONG\r\n":
                pass
            assert (await ask(server, "s.a"))[0]["seq"] == count + 1
            assert server.roster.stalls > 3
            writer.close()

    asyncio.run(run())
    # What one read brings may come on top.
    assert most < max(seen) < most + (1 << 20)


def test_a_batch_larger_than_what_may_wait_for_a_client_reaches_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with serve(tmp_path, max_pending=4 << 20) as server:
            stream = {"name": "S", "subjects": ["s"], "storage": "memory"}
            consumer = {"durable_name": "C", "ack_policy": "none"}
            await ask(server, "$JS.API.STREAM.CREATE.S", stream)
            await ask(server, "$JS.API.CONSUMER.CREATE.S.C", {"stream_name": "S", "config": consumer})
            reader, writer = await asyncio.open_connection(server.host, server.port)
            payload = bytes(1 << 16)
            writer.write(b'CONNECT {"verbose":false}\r\nSUB in 1\r\n')
            writer.write(b"PUB s %d\r\n%b\r\n" % (len(payload), payload) * 400)
            request = json.dumps({"batch": 400, "no_wait": True}).encode()
            writer.write(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C in %d\r\n%b\r\n" % (len(request), request))
            seen = 0
            while seen < 400:
                words = (await reader.readline()).split()
                assert words, f"the server hung up after {seen} messages"
                if words[0] == b"MSG":
                    seen += len(await reader.readexactly(int(words[-1]) + 2)) > len(payload)
            writer.close()

    asyncio.run(run())
