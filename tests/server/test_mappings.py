"""Subject mappings as an option of the server."""

from __future__ import annotations

import asyncio

import pytest

import natsd
from natsd.accounts.account import GLOBAL, SYSTEM
from natsd.base.errors import OptionsError
from natsd.server.options import Options
from natsd.server.server import Server


def test_mappings_are_those_of_the_global_account() -> None:
    server = Server(Options(mappings={"old.*": "new.$1"}))
    mapper = server.accounts[GLOBAL].sublist.mapper
    assert mapper is not None
    assert mapper(b"old.a") == (b"new.a", True)
    assert server.accounts[SYSTEM].sublist.mapper is None


def test_a_server_without_mappings_asks_nobody_for_them() -> None:
    assert Server(Options()).accounts[GLOBAL].sublist.mapper is None


def test_a_server_with_wrong_mappings_is_not_made() -> None:
    with pytest.raises(OptionsError, match="there is no wildcard 2, the source has 1"):
        natsd.Server(mappings={"old.*": "new.$2"})


def test_an_embedding_program_can_have_mappings() -> None:
    async def run() -> None:
        async with natsd.Server(mappings={"old.*": "new.$1"}) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(b'CONNECT {"verbose":false}\r\nSUB > 1\r\nPUB old.a 2\r\nhi\r\n')
            assert (await reader.readline()).startswith(b"INFO ")
            assert await asyncio.wait_for(reader.readexactly(19), 60) == b"MSG new.a 1 2\r\nhi\r\n"
            writer.close()
            await writer.wait_closed()

    asyncio.run(run())
