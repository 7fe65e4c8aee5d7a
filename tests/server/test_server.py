"""The server as a whole, on real sockets of the loopback interface."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import natsd
from natsd.base.clock import SystemClock
from natsd.base.errors import ListenError, OptionsError
from natsd.base.log import Log
from natsd.embed import new_loop
from natsd.server.options import Options
from natsd.server.server import Server
from tests.ports import HeldPort

CONNECT = b'CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n'
SYSTEM_USER = {"users": [{"user": "s", "password": "p"}]}


class Lines:
    def __init__(self) -> None:
        self.text = ""

    def write(self, line: bytes) -> None:
        self.text += line.decode()

    def close(self) -> None:
        pass


class Peer:
    """A client that speaks bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def dial(cls, server: Server) -> Peer:
        peer = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        peer.info = await peer.line()
        return peer

    info = b""

    async def line(self) -> bytes:
        return await asyncio.wait_for(self.reader.readline(), 60)

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), 60)

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def connect(self) -> None:
        self.say(CONNECT)
        assert await self.line() == b"PONG\r\n"
        assert b"connect_info" in await self.line()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass


def play(story: Callable[[Server, Lines], Awaitable[None]], **options: Any) -> Lines:
    """Run a story with a server; returns the log."""
    lines = Lines()
    options.setdefault("host", "127.0.0.1")
    debug, trace = options.get("debug", False), options.get("trace", False)
    log = Log(lines, SystemClock.wall_ns, logtime=False, debug=debug, trace=trace)

    async def run() -> None:
        server = Server(Options(port=-1, **options), log)
        await server.start()
        try:
            await asyncio.wait_for(story(server, lines), 120)
        finally:
            await server.stop()
        assert server.half_closed == 0
        assert server.connections == {}
        assert len(server.timers) == 0

    asyncio.run(run())
    return lines


def test_a_message_goes_from_one_client_to_another() -> None:
    async def story(server: Server, lines: Lines) -> None:
        one, two = await Peer.dial(server), await Peer.dial(server)
        await one.connect()
        one.say(b"SUB a.* 1\r\nPING\r\n")
        assert await one.line() == b"PONG\r\n"
        two.say(b"PUB a.b 5\r\nhello\r\n")
        assert await two.line() == b"+OK\r\n"
        assert [await one.line(), await one.line()] == [b"MSG a.b 1 5\r\n", b"hello\r\n"]
        assert (server.road.in_msgs, server.road.out_bytes) == (1, 5)
        await one.close()
        await two.close()

    play(story)


def test_clients_are_told_where_and_who_they_are() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        info = json.loads(peer.info[5:])
        assert (info["server_id"], info["server_name"]) == (server.id, "me")
        assert (info["host"], info["port"]) == ("127.0.0.1", server.port)
        assert (info["client_id"], info["client_ip"]) == (1, "127.0.0.1")
        assert server.client_url == f"nats://127.0.0.1:{server.port}"
        assert server.connections[1].port == peer.writer.get_extra_info("sockname")[1]
        assert server.started > 0
        assert server.uptime_s >= 0
        await peer.close()

    lines = play(story, server_name="me")
    assert "Listening for client connections on 127.0.0.1:" in lines.text
    assert lines.text.endswith("[INF] Initiating Shutdown...\n[INF] Server Exiting..\n")


def test_on_all_addresses_ipv4_clients_are_shown_as_such() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        info = json.loads(peer.info[5:])
        assert (info["host"], info["client_ip"]) == ("0.0.0.0", "127.0.0.1")
        assert server.client_url.startswith("nats://127.0.0.1:")
        await peer.close()

    play(story, host="0.0.0.0")


@pytest.mark.parametrize(
    ("given", "host", "port"), [("example.org", "example.org", 0), ("example.org:7", "example.org", 7)]
)
def test_clients_may_be_told_another_address(given: str, host: str, port: int) -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        info = json.loads(peer.info[5:])
        assert (info["host"], info["port"]) == (host, port or server.port)
        await peer.close()

    play(story, client_advertise=given)


def test_an_error_reaches_a_client_that_is_still_sending() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        peer.say(b"NONSENSE\r\n" + b"x" * 300_000)
        assert await peer.rest() == b"-ERR 'Unknown Protocol Operation'\r\n"
        peer.say(b"x" * 100_000)
        await peer.close()

    play(story)


def test_what_a_client_asked_for_before_it_hung_up_is_answered() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        peer.say(
            b'CONNECT {"verbose":false}\r\nSUB a 1\r\n' + b"PUB a 1000\r\n%b\r\n" % bytes(1000) * 3000 + b"PING\r\n"
        )
        peer.writer.write_eof()
        heard = await peer.rest()
        assert heard.endswith(b"PONG\r\n")
        assert heard.count(b"MSG a 1 1000\r\n") == 3000
        await peer.close()

    play(story)


@pytest.mark.parametrize("factory", [new_loop, asyncio.new_event_loop])
def test_what_a_client_said_before_it_reset_the_connection_is_done_and_its_end_is_seen(
    factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def run() -> None:
        async with natsd.Server() as server:
            witness = await Peer.dial(server)
            witness.say(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPING\r\n')
            await witness.line()
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", server.port)) as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.sendall(b'CONNECT {"verbose":false}\r\n' + b"PUB a 5\r\nhello\r\n" * 1000)
            while len(server.connections) > 1:
                await asyncio.sleep(0.01)
            witness.say(b"PING\r\n")
            heard = b""
            while not heard.endswith(b"PONG\r\n"):
                heard += await witness.reader.read(1 << 20)
            assert heard.count(b"hello\r\n") % 1000 == 0
            await witness.close()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(run(), 120))


def test_a_port_in_use_is_one_clear_error() -> None:
    async def story(server: Server, lines: Lines) -> None:
        second = Server(Options(host="127.0.0.1", port=server.port))
        with pytest.raises(ListenError, match="address already in use"):
            await second.start()
        await second.stop()
        await second.wait_stopped()

    play(story)


def test_options_that_cannot_be_are_refused_before_anything_starts() -> None:
    with pytest.raises(OptionsError):
        Server(Options(port=70000))


def test_a_port_is_free_again_after_stop() -> None:
    async def run(port: int) -> None:
        first = Server(Options(host="127.0.0.1", port=port))
        await first.start()
        peer = await Peer.dial(first)
        await first.stop()
        await first.stop()
        assert await peer.rest() == b""
        await peer.close()
        second = Server(Options(host="127.0.0.1", port=port))
        await second.start()
        assert second.running
        await asyncio.gather(second.stop(), second.stop(), second.wait_stopped())
        assert not second.running

    with HeldPort(for_server=True) as port:
        asyncio.run(run(port))


def test_stopping_sends_what_is_pending_first() -> None:
    async def run() -> None:
        server = Server(Options(host="127.0.0.1", port=-1))
        await server.start()
        peer = await Peer.dial(server)
        await peer.connect()
        peer.say(b"SUB a 1\r\nPING\r\n")
        await peer.line()
        server.road.publish(server.accounts["$G"].sublist, b"a", None, None, b"x" * 500_000)
        stopping = asyncio.create_task(server.stop())
        assert len(await peer.rest()) > 500_000
        await stopping
        await peer.close()

    asyncio.run(run())


def test_stopping_does_not_wait_for_a_client_that_does_not_read() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        peer.say(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPING\r\n')
        await peer.line()
        for _ in range(40):
            server.road.publish(server.accounts["$G"].sublist, b"a", None, None, bytes(1 << 20))
        await asyncio.sleep(0)
        begun = asyncio.get_running_loop().time()
        await server.stop()
        assert asyncio.get_running_loop().time() - begun < 60
        peer.writer.transport.abort()

    play(story, write_deadline_s=200)


def test_a_lame_duck_refuses_newcomers_tells_the_others_and_ends() -> None:
    async def story(server: Server, lines: Lines) -> None:
        told, untold = await Peer.dial(server), await Peer.dial(server)
        await told.connect()
        server.start_lame_duck()
        server.start_lame_duck()
        assert json.loads((await told.line())[5:])["ldm"] is True
        with pytest.raises(ConnectionRefusedError):
            await Peer.dial(server)
        assert [await told.rest(), await untold.rest()] == [b"", b""]
        await server.wait_stopped()
        assert {closed.reason for closed in server.roster.closed} == {"Server Shutdown"}
        await told.close()
        await untold.close()

    lines = play(story, lame_duck_duration_s=0.3, lame_duck_grace_period_s=0.1)
    assert lines.text.count("Entering lame duck mode") == 1
    assert "Closing existing clients" in lines.text


def test_a_lame_duck_without_clients_ends_at_once() -> None:
    async def story(server: Server, lines: Lines) -> None:
        server.start_lame_duck()
        await server.wait_stopped()

    play(story)


def test_stopping_cuts_a_lame_duck_short() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        server.start_lame_duck()
        await asyncio.sleep(0)
        await server.stop()
        assert await peer.rest() == b""
        await peer.close()

    play(story)


def test_the_trace_shows_what_both_sides_said() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        peer.say(b'CONNECT {"verbose":false,"pass":"secret"}\r\nSUB a..b 1\r\nPUB a 5\r\nhello\r\nPING\r\n')
        await peer.line()
        await peer.line()
        await peer.close()

    text = play(story, trace=True, max_traced_msg_len=2).text
    assert "<<- [PUB a 5]" in text
    assert '<<- MSG_PAYLOAD: ["he..."]' in text
    assert "->> [-ERR 'Invalid Subject']" in text
    assert "secret" not in text


def test_what_the_server_says_unasked_is_traced_too() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        peer.say(b'CONNECT {"verbose":false}\r\n')
        assert await peer.line() == b"PING\r\n"
        await peer.close()

    assert "->> [PING]" in play(story, trace=True, ping_interval_s=0.05).text


def test_warnings_at_the_start() -> None:
    async def story(server: Server, lines: Lines) -> None:
        pass

    text = play(story, max_payload=9 << 20, user="u", password="p").text
    assert "[WRN] max_payload is 9437184" in text
    assert "[WRN] Plaintext passwords detected" in text


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"accounts": {"$SYS": SYSTEM_USER}}, True),
        ({"accounts": {"S": SYSTEM_USER, "A": {}}, "system_account": "S"}, True),
        ({"accounts": {"$SYS": SYSTEM_USER}, "no_auth_user": "s"}, False),
        ({"accounts": {"$SYS": SYSTEM_USER}, "user": "u", "password": "p"}, False),
        ({"accounts": {"$SYS": SYSTEM_USER, "A": {"users": [{"user": "a", "password": "a"}]}}}, False),
        ({"accounts": {"$SYS": {}}}, False),
        ({}, False),
    ],
)
def test_users_of_the_system_account_alone_are_warned_of(options: dict[str, Any], warned: bool) -> None:
    async def story(server: Server, lines: Lines) -> None:
        pass

    assert ("[WRN] Only the system account has users" in play(story, **options).text) == warned


def test_without_a_log_nothing_is_said_and_the_uptime_begins_with_the_start() -> None:
    server = Server(Options())
    assert (server.uptime_s, server.running, server.half_closed) == (0.0, False, 0)
    server.start_lame_duck()
    assert not server.lame


@pytest.mark.parametrize(("verbose", "shown"), [(False, False), (True, True)])
def test_the_system_account_is_traced_where_that_is_wanted(verbose: bool, shown: bool) -> None:
    async def story(server: Server, lines: Lines) -> None:
        for user in (b"s", b"u"):
            peer = await Peer.dial(server)
            peer.say(b'CONNECT {"verbose":false,"user":"%b"}\r\nSUB by.%b 1\r\nPING\r\n' % (user, user))
            assert await peer.line() == b"PONG\r\n"
            await peer.close()

    users = [{"user": "s", "account": "$SYS"}, {"user": "u"}]
    text = play(story, trace=True, trace_verbose=verbose, users=users).text
    assert "SUB by.u 1" in text
    assert ("SUB by.s 1" in text) is shown


def test_the_trace_shows_a_connect_without_its_secrets_and_what_ends() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        peer.say(b'CONNECT {"verbose":false,"pass":"CANARY"}\r\nSUB a 7\r\nSUB b 8\r\nUNSUB 7\r\nPING\r\n')
        await peer.line()
        await peer.close()

    text = play(story, trace=True).text
    assert '<<- [CONNECT {"verbose":false,"pass":"[REDACTED]"}]' in text and "CANARY" not in text
    assert "<-> [DELSUB 7]" in text
