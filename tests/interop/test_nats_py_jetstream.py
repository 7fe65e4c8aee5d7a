"""Streams, key-value buckets and objects of the official Python client."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import natsd

nats = pytest.importorskip("nats")


def run(use: Callable[[Any], Awaitable[None]]) -> None:
    async def main() -> None:
        async with natsd.Server(jetstream=True) as server:
            connection = await nats.connect(server.client_url)
            try:
                await use(connection.jetstream())
            finally:
                await connection.close()

    asyncio.run(asyncio.wait_for(main(), 120))


def test_publish_and_fetch() -> None:
    async def use(js: Any) -> None:
        await js.add_stream(name="ORDERS", subjects=["orders.>"])
        acks = [await js.publish("orders.eu", b"%d" % number) for number in range(20)]
        assert [ack.seq for ack in acks] == list(range(1, 21))
        sub = await js.pull_subscribe("orders.>", "worker")
        messages = await sub.fetch(20, timeout=60)
        assert [message.data for message in messages] == [b"%d" % number for number in range(20)]
        for message in messages:
            await message.ack_sync()
        info = await sub.consumer_info()
        assert (info.num_pending, info.num_ack_pending, info.ack_floor.stream_seq) == (0, 0, 20)

    run(use)


def test_a_bucket_of_keys() -> None:
    async def use(js: Any) -> None:
        bucket = await js.create_key_value(bucket="settings", history=3)
        await bucket.put("color", b"red")
        revision = await bucket.put("color", b"blue")
        assert (await bucket.get("color")).value == b"blue"
        await bucket.update("color", b"green", last=revision)
        with pytest.raises(nats.js.errors.KeyWrongLastSequenceError):
            await bucket.update("color", b"black", last=revision)
        with pytest.raises(nats.js.errors.KeyWrongLastSequenceError):
            await bucket.create("color", b"black")
        assert [entry.value for entry in await bucket.history("color")] == [b"red", b"blue", b"green"]
        watcher = await bucket.watchall()
        entry = await watcher.updates(timeout=60)
        assert (entry.key, entry.value) == ("color", b"green")
        assert await watcher.updates(timeout=60) is None
        await bucket.purge("color")
        assert (await watcher.updates(timeout=60)).operation == "PURGE"
        await watcher.stop()
        with pytest.raises(nats.js.errors.KeyNotFoundError):
            await bucket.get("color")

    run(use)


def test_an_object_in_chunks() -> None:
    async def use(js: Any) -> None:
        store = await js.create_object_store("files")
        data = os.urandom(1 << 20)
        await store.put("big", data)
        found = await store.get("big")
        assert hashlib.sha256(found.data).digest() == hashlib.sha256(data).digest()
        await store.put("big", b"small")
        assert (await store.get("big")).data == b"small"
        await store.delete("big")
        with pytest.raises(nats.js.errors.ObjectNotFoundError):
            await store.get("big")

    run(use)


def test_a_mirror_of_a_bucket_and_what_is_there_after_a_restart(tmp_path: Path) -> None:
    async def once(first: bool) -> None:
        async with natsd.Server(jetstream=True, store_dir=str(tmp_path)) as server:
            connection = await nats.connect(server.client_url)
            js = connection.jetstream()
            if first:
                await js.add_stream(name="A", subjects=["a"])
                await js.add_stream(name="M", mirror=nats.js.api.StreamSource(name="A"))
                await js.publish("a", b"one")
            info = await js.stream_info("M")
            for _ in range(3000):
                if info.state.messages:
                    break
                await asyncio.sleep(0.02)
                info = await js.stream_info("M")
            assert info.state.messages == 1
            await connection.close()

    asyncio.run(once(True))
    asyncio.run(once(False))
