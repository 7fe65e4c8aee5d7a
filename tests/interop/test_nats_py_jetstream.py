"""The official Python client and JetStream: pull, push and ordered consumers, key-value and object stores."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import natsd

nats = pytest.importorskip("nats", reason="nats-py is not installed")
api = pytest.importorskip("nats.js.api", reason="nats-py is not installed")
js_errors = pytest.importorskip("nats.js.errors", reason="nats-py is not installed")

pytestmark = pytest.mark.interop


def play(scene: Callable[[Any], Awaitable[None]]) -> None:
    """Run a scene with the JetStream of a client of a server of its own."""

    async def run(url: str) -> None:
        client = await nats.connect(url)
        try:
            await scene(client.jetstream())
        finally:
            await client.close()

    with natsd.run_in_thread(port=-1, jetstream=True) as server:
        asyncio.run(asyncio.wait_for(run(server.client_url), 30))


def test_messages_are_pulled_and_acknowledged() -> None:
    async def scene(js: Any) -> None:
        await js.add_stream(name="S", subjects=["s.>"])
        for number in range(50):
            await js.publish("s.a", b"%d" % number)
        sub = await js.pull_subscribe("s.>", "worker")
        got = []
        while len(got) < 50:
            for message in await sub.fetch(20, timeout=5):
                await message.ack_sync()
                got.append(int(message.data))
        assert got == list(range(50))
        info = await js.consumer_info("S", "worker")
        assert (info.num_ack_pending, info.num_pending, info.ack_floor.stream_seq) == (0, 0, 50)
        with pytest.raises(nats.errors.TimeoutError):
            await sub.fetch(1, timeout=0.2)

    play(scene)


def test_a_refused_message_comes_again() -> None:
    async def scene(js: Any) -> None:
        await js.add_stream(name="S", subjects=["s.>"])
        await js.publish("s.a", b"x")
        sub = await js.pull_subscribe("s.>", "worker")
        (first,) = await sub.fetch(1)
        await first.nak()
        (again,) = await sub.fetch(1)
        assert again.metadata.num_delivered == 2
        await again.term()
        assert (await js.consumer_info("S", "worker")).num_ack_pending == 0

    play(scene)


def test_a_queue_group_shares_a_push_consumer() -> None:
    async def scene(js: Any) -> None:
        await js.add_stream(name="S", subjects=["s.>"])
        got: list[int] = []

        async def take(message: Any) -> None:
            got.append(int(message.data))
            await message.ack()

        for _ in range(3):
            await js.subscribe("s.>", "workers", cb=take)
        for number in range(60):
            await js.publish("s.a", b"%d" % number)
        while len(got) < 60:
            await asyncio.sleep(0.01)
        assert sorted(got) == list(range(60))

    play(scene)


def test_an_ordered_consumer_sees_everything_under_flow_control() -> None:
    async def scene(js: Any) -> None:
        await js.add_stream(name="S", subjects=["s.>"], storage=api.StorageType.MEMORY)
        payload = bytes(16 * 1024)
        for _ in range(500):
            await js.publish("s.a", payload)
        sub = await js.subscribe("s.>", ordered_consumer=True)
        seqs = [(await sub.next_msg(5)).metadata.sequence.stream for _ in range(500)]
        assert seqs == list(range(1, 501))

    play(scene)


def test_a_bucket_is_written_and_watched() -> None:
    async def scene(js: Any) -> None:
        bucket = await js.create_key_value(bucket="B", history=3)
        for number in range(5):
            await bucket.put("a", b"%d" % number)
            await bucket.put(f"k.{number}", b"v")
        assert (await bucket.get("a")).value == b"4"
        assert [entry.value for entry in await bucket.history("a")] == [b"2", b"3", b"4"]
        watcher = await bucket.watch("k.*")
        seen = []
        while (entry := await watcher.updates(timeout=5)) is not None:
            seen.append(entry.key)
        assert seen == [f"k.{number}" for number in range(5)]
        await bucket.put("k.9", b"new")
        assert (await watcher.updates(timeout=5)).key == "k.9"
        await bucket.delete("a")
        with pytest.raises(js_errors.KeyNotFoundError):
            await bucket.get("a")

    play(scene)


def test_an_object_comes_back_as_it_was() -> None:
    async def scene(js: Any) -> None:
        store = await js.create_object_store("O")
        data = bytes(range(256)) * 4096
        await store.put("blob", io.BytesIO(data))
        found = await store.get("blob")
        assert found.data == data
        await store.delete("blob")
        with pytest.raises(js_errors.ObjectNotFoundError):
            await store.get("blob")

    play(scene)
