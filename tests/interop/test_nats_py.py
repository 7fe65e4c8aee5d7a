"""The official Python client against natsd: what its users do every day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

nats = pytest.importorskip("nats", reason="nats-py is not installed")
errors = pytest.importorskip("nats.errors", reason="nats-py is not installed")


pytestmark = pytest.mark.interop


@asynccontextmanager
async def clients(url: str, count: int) -> AsyncIterator[list[Any]]:
    """So many connected clients, closed at the end."""
    connected = [await nats.connect(url) for _ in range(count)]
    try:
        yield connected
    finally:
        for client in connected:
            await client.close()


def play(url: str, count: int, scene: Callable[..., Awaitable[None]]) -> None:
    """Run a scene with `count` clients."""

    async def run() -> None:
        async with clients(url, count) as connected:
            await scene(*connected)

    asyncio.run(asyncio.wait_for(run(), 120))


def test_a_message_reaches_literal_and_wildcard_subscribers(nats_server: Any) -> None:
    async def scene(publisher: Any, subscriber: Any) -> None:
        subs = [await subscriber.subscribe(subject) for subject in ("a.b", "a.*", ">", "b.*")]
        await subscriber.flush()
        await publisher.publish("a.b", b"hello", reply="r")
        await publisher.flush()
        for sub in subs[:3]:
            message = await sub.next_msg(60)
            assert (message.subject, message.data, message.reply) == ("a.b", b"hello", "r")
        with pytest.raises(errors.TimeoutError):
            await subs[3].next_msg(0.05)

    play(nats_server.client_url, 2, scene)


def test_ten_thousand_messages_arrive_in_order(nats_server: Any) -> None:
    async def scene(publisher: Any, subscriber: Any) -> None:
        sub = await subscriber.subscribe("n")
        await subscriber.flush()
        for number in range(10_000):
            await publisher.publish("n", b"%d" % number)
        await publisher.flush()
        assert [int((await sub.next_msg(60)).data) for _ in range(10_000)] == list(range(10_000))

    play(nats_server.client_url, 2, scene)


def test_headers_go_through(nats_server: Any) -> None:
    async def scene(publisher: Any, subscriber: Any) -> None:
        sub = await subscriber.subscribe("h")
        await subscriber.flush()
        await publisher.publish("h", b"", headers={"Key": "value", "Other": "x"})
        message = await sub.next_msg(60)
        assert (message.headers, message.data) == ({"Key": "value", "Other": "x"}, b"")

    play(nats_server.client_url, 2, scene)


def test_a_request_is_answered_by_one_of_a_group(nats_server: Any) -> None:
    async def scene(asker: Any, *workers: Any) -> None:
        answered = [0] * len(workers)

        async def serve(at: int) -> None:
            async def answer(message: Any) -> None:
                answered[at] += 1
                await message.respond(message.data.upper())

            await workers[at].subscribe("svc", queue="workers", cb=answer)
            await workers[at].flush()

        for at in range(len(workers)):
            await serve(at)
        for _ in range(60):
            assert (await asker.request("svc", b"hi", timeout=60)).data == b"HI"
        assert sum(answered) == 60
        assert min(answered) > 0

    play(nats_server.client_url, 4, scene)


def test_a_request_without_responders_fails_at_once(nats_server: Any) -> None:
    async def scene(asker: Any) -> None:
        with pytest.raises(errors.NoRespondersError):
            await asker.request("nobody", b"", timeout=20)

    play(nats_server.client_url, 1, scene)


def test_unsubscribe_after_a_number_of_messages(nats_server: Any) -> None:
    async def scene(publisher: Any, subscriber: Any) -> None:
        got: list[bytes] = []

        async def take(message: Any) -> None:
            got.append(message.data)

        sub = await subscriber.subscribe("u", cb=take)
        await sub.unsubscribe(3)
        await subscriber.flush()
        for number in range(10):
            await publisher.publish("u", b"%d" % number)
        await publisher.flush()
        await subscriber.flush()
        await asyncio.sleep(0)
        assert got == [b"0", b"1", b"2"]

    play(nats_server.client_url, 2, scene)


def test_a_payload_of_the_maximum_size_goes_through(nats_server: Any) -> None:
    async def scene(publisher: Any, subscriber: Any) -> None:
        sub = await subscriber.subscribe("big")
        await subscriber.flush()
        payload = bytes(range(256)) * 4096
        assert publisher.max_payload == len(payload)
        for _ in range(3):
            await publisher.publish("big", payload)
        for _ in range(3):
            assert (await sub.next_msg(10)).data == payload

    play(nats_server.client_url, 2, scene)


def test_drain_delivers_what_was_sent(nats_server: Any) -> None:
    async def scene(publisher: Any) -> None:
        subscriber = await nats.connect(nats_server.client_url)
        got: list[bytes] = []

        async def take(message: Any) -> None:
            got.append(message.data)

        await subscriber.subscribe("d", cb=take)
        await subscriber.flush()
        for number in range(500):
            await publisher.publish("d", b"%d" % number)
        await publisher.flush()
        await subscriber.drain()
        assert len(got) == 500

    play(nats_server.client_url, 1, scene)


def test_the_client_sees_the_server_it_expects(nats_server: Any) -> None:
    async def scene(client: Any) -> None:
        assert client.connected_server_version.major == 2
        assert client.connected_server_version.minor == 12
        assert client.client_id >= 1
        assert await client.rtt() > 0

    play(nats_server.client_url, 1, scene)
