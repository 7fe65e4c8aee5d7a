"""Clients and servers for tests of TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import natsd
from natsd.base.tls_options import TlsOptions
from tests.certificates import Authority

CONNECT = b'CONNECT {"verbose":false,"pedantic":false}\r\n'


class Client:
    """A client that decides by itself when the handshake begins."""

    def __init__(self, server: natsd.Server, authority: Authority, pair: tuple[str, str] | None = None) -> None:
        self.server = server
        self.context = ssl.create_default_context(cafile=authority.file)
        if pair:
            self.context.load_cert_chain(*pair)
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.info: dict[str, Any] = {}

    async def open(self, *, first: bool = False) -> Client:
        context = self.context if first else None
        name = "localhost" if first else None
        self.reader, self.writer = await asyncio.open_connection(
            self.server.host, self.server.port, ssl=context, server_hostname=name
        )
        return self

    async def greeting(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.reader.readline(), 60)
        assert line.startswith(b"INFO "), line
        self.info = json.loads(line[5:])
        return self.info

    async def secure(self, name: str = "localhost") -> Client:
        await self.greeting()
        await self.writer.start_tls(self.context, server_hostname=name)
        return self

    async def ask(self, data: bytes = CONNECT + b"PING\r\n", answer: bytes = b"PONG\r\n") -> bytes:
        """Send, and read until the answer has come; all that was read."""
        self.writer.write(data)
        return await asyncio.wait_for(self.reader.readuntil(answer), 60)

    async def rest(self) -> bytes:
        try:
            return await asyncio.wait_for(self.reader.read(), 60)
        except (ConnectionError, ssl.SSLError):
            return b""

    def close(self) -> None:
        self.writer.transport.abort()


def run(options: TlsOptions, dialogue: Callable[[natsd.Server], Awaitable[None]], **more: Any) -> None:
    async def whole() -> None:
        async with natsd.Server(tls=options, **more) as server:
            await dialogue(server)

    asyncio.run(whole())


def options(pair: tuple[str, str], **more: Any) -> TlsOptions:
    return TlsOptions(cert_file=pair[0], key_file=pair[1], **more)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(6000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")
