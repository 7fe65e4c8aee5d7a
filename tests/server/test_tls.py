"""A listening server under TLS: every phase of a connection, and every way one can fail."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

import natsd
from tests.certificates import Authority
from tests.server.tls_peers import CONNECT, Client, options, run, until


def test_tls_follows_info_on_the_same_socket(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        await client.secure()
        assert client.info["tls_required"] is True
        assert "tls_verify" not in client.info and "tls_available" not in client.info
        said = await client.ask(CONNECT + b"SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n")
        assert said == b"MSG a 1 2\r\nhi\r\nPONG\r\n"
        (session,) = server.connections.values()
        assert session.tls is not None
        assert (session.tls.version, session.tls.certificate) == ("1.3", None)
        assert session.tls.cipher.startswith("TLS_")
        assert server.client_url.startswith("tls://")
        client.close()
        await until(lambda: not server.connections)

    run(options(pair), dialogue)


@pytest.mark.parametrize("size", [1, 16_000, 40_000, 700_000])
def test_large_messages_pass_both_ways(authority: Authority, pair: tuple[str, str], size: int) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await (await Client(server, authority).open()).secure()
        payload = bytes(range(256)) * (size // 256 + 1)
        payload = payload[:size]
        frame = b"a 1 %d\r\n%b\r\n" % (size, payload)
        client.writer.write(CONNECT + b"SUB a 1\r\n" + b"".join([b"PUB a %d\r\n%b\r\n" % (size, payload)] * 5))
        expected = (b"MSG " + frame) * 5
        assert await asyncio.wait_for(client.reader.readexactly(len(expected)), 60) == expected
        client.close()

    run(options(pair), dialogue)


def test_tls_1_2_has_its_cipher_by_its_common_name(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        client.context.maximum_version = ssl.TLSVersion.TLSv1_2
        await client.secure()
        await client.ask()
        (session,) = server.connections.values()
        assert session.tls is not None
        assert (session.tls.version, session.tls.cipher) == ("1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
        client.close()

    run(options(pair, ciphers=["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]), dialogue)


def test_an_older_version_than_the_least_is_refused(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        client.context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await client.secure()
        await until(lambda: not server.connections)
        assert server.roster.closed[-1].reason == "TLS Handshake Failure"

    run(options(pair, min_version="1.3"), dialogue)


def test_a_silent_peer_is_cut_at_the_time_out(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        await client.greeting()
        assert await client.rest() == b"-ERR 'Secure Connection - TLS Required'\r\n"
        assert server.roster.closed[-1].reason == "TLS Handshake Failure"

    run(options(pair, timeout_s=0.1), dialogue)


@pytest.mark.parametrize("size", [1, 5, 40, 120])
def test_half_a_hello_is_cut_at_the_time_out(authority: Authority, pair: tuple[str, str], size: int) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = ssl.create_default_context(cafile=authority.file).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        talk.do_handshake()
    hello = outgoing.read()

    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        await client.greeting()
        client.writer.write(hello[:size])
        assert await client.rest() == b""
        assert server.roster.closed[-1].reason == "TLS Handshake Failure"
        assert not server.connections

    run(options(pair, timeout_s=0.1), dialogue)


def test_a_dribbling_peer_gets_no_more_time(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        await client.greeting()
        client.writer.write(b"\x16\x03\x01\x02\x00\x01")
        for _ in range(100):
            if not server.connections:
                break
            client.writer.write(b"\x00")
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("it is still there")
        client.close()

    run(options(pair, timeout_s=0.2), dialogue)


@pytest.mark.parametrize("words", [CONNECT, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05\xff\xff\xff\xff\xff"])
def test_who_speaks_no_tls_is_closed(authority: Authority, pair: tuple[str, str], words: bytes) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        await client.greeting()
        client.writer.write(words)
        assert b"PONG" not in await client.rest()
        assert server.roster.closed[-1].reason == "TLS Handshake Failure"

    run(options(pair), dialogue)


def test_a_client_that_hangs_up_within_the_handshake_leaves_nothing(
    authority: Authority, pair: tuple[str, str]
) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        await client.greeting()
        client.writer.write(b"\x16\x03")
        client.writer.close()
        await until(lambda: not server.connections)
        await until(lambda: server.half_closed == 0)
        assert server.roster.closed[-1].reason == "TLS Handshake Failure"

    run(options(pair), dialogue)


def test_whoever_may_do_without_tls_is_told_apart_by_the_first_byte(
    authority: Authority, pair: tuple[str, str]
) -> None:
    async def dialogue(server: natsd.Server) -> None:
        plain = await Client(server, authority).open()
        info = await plain.greeting()
        assert info["tls_available"] is True and "tls_required" not in info
        assert await plain.ask() == b"PONG\r\n"
        secret = await (await Client(server, authority).open()).secure()
        assert await secret.ask() == b"PONG\r\n"
        one, other = server.connections.values()
        assert one.tls is None and other.tls is not None
        await secret.ask(b"SUB a 1\r\nPING\r\n")
        await plain.ask(b"PUB a 2\r\nhi\r\nPING\r\n")
        assert await secret.ask(b"PING\r\n", b"PONG\r\n") == b"MSG a 1 2\r\nhi\r\nPONG\r\n"
        plain.close()
        secret.close()

    run(options(pair, allow_non_tls=True), dialogue)


def test_silence_where_tls_is_a_choice_means_plain_text(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        await client.greeting()
        await asyncio.sleep(0.15)
        assert await client.ask() == b"PONG\r\n"
        client.close()

    run(options(pair, allow_non_tls=True, timeout_s=0.05), dialogue)


def test_the_handshake_may_come_before_info(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open(first=True)
        assert (await client.greeting())["tls_required"] is True
        assert await client.ask() == b"PONG\r\n"
        (session,) = server.connections.values()
        assert session.tls is not None and session.tls.first
        client.close()

    run(options(pair, handshake_first=True), dialogue)


def test_with_the_handshake_first_nothing_is_said_in_plain_text(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        assert b"INFO" not in await client.rest()

    run(options(pair, handshake_first=True, timeout_s=0.1), dialogue)


@pytest.mark.parametrize("first", [False, True])
def test_with_a_delay_both_orders_are_served(authority: Authority, pair: tuple[str, str], first: bool) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open(first=first)
        if first:
            await client.greeting()
        else:
            await client.secure()
        assert client.info["tls_required"] is True
        assert await client.ask() == b"PONG\r\n"
        (session,) = server.connections.values()
        assert session.tls is not None and session.tls.first is first
        client.close()

    # Who begins at once has time for it; who waits for INFO waits no longer than it must.
    run(options(pair, handshake_first=1.5 if first else 0.05), dialogue)


def test_with_a_delay_and_a_choice_tls_is_required_only_of_who_has_it(
    authority: Authority, pair: tuple[str, str]
) -> None:
    async def dialogue(server: natsd.Server) -> None:
        secret = await Client(server, authority).open(first=True)
        info = await secret.greeting()
        assert (info["tls_required"], info["tls_available"]) == (True, True)
        plain = await Client(server, authority).open()
        info = await plain.greeting()
        assert "tls_required" not in info and info["tls_available"] is True
        assert await plain.ask() == b"PONG\r\n"
        plain.close()
        secret.close()

    run(options(pair, handshake_first=0.5, allow_non_tls=True), dialogue)


def test_a_full_server_says_so_before_the_handshake(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        first = await (await Client(server, authority).open()).secure()
        second = await Client(server, authority).open()
        await second.greeting()
        assert await second.rest() == b"-ERR 'maximum connections exceeded'\r\n"
        first.close()

    run(options(pair), dialogue, max_connections=1)


def test_the_time_to_authenticate_begins_after_the_handshake(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await Client(server, authority).open()
        await asyncio.sleep(0.3)
        await client.secure()
        assert await client.rest() == b"-ERR 'Authentication Timeout'\r\n"

    run(options(pair), dialogue, token="secret", auth_timeout_s=0.2)


def test_what_is_pending_is_sent_before_the_server_stops(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await (await Client(server, authority).open()).secure()
        await client.ask(CONNECT + b"SUB a 1\r\nPING\r\n")
        await client.ask(b"PUB a 300000\r\n" + bytes(300000) + b"\r\n", b"MSG a 1 300000\r\n")
        stopping = asyncio.ensure_future(server.stop())
        data = await client.reader.readexactly(300002)
        assert data == bytes(300000) + b"\r\n"
        assert await client.rest() == b""
        await stopping

    run(options(pair), dialogue)


def test_a_slow_consumer_is_cut_and_costs_no_more_than_max_pending(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        slow = await (await Client(server, authority).open()).secure()
        await slow.ask(CONNECT + b"SUB a 1\r\nPING\r\n")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        producer = await (await Client(server, authority).open()).secure()
        await producer.ask()
        for _ in range(400):
            await producer.ask(b"PUB a 100000\r\n" + bytes(100000) + b"\r\nPING\r\n")
            if server.roster.slow_consumers_pending:
                break
        assert server.roster.slow_consumers_pending == 1
        assert server.roster.closed[-1].reason == "Slow Consumer (Pending Bytes)"
        producer.close()
        slow.close()

    run(options(pair), dialogue, max_pending=2 << 20)


def test_the_write_deadline_holds_under_tls(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        slow = await (await Client(server, authority).open()).secure()
        await slow.ask(CONNECT + b"SUB a 1\r\nPING\r\n")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        producer = await (await Client(server, authority).open()).secure()
        for _ in range(200):
            producer.writer.write(b"PUB a 100000\r\n" + bytes(100000) + b"\r\n")
        await until(lambda: server.roster.slow_consumers_deadline == 1)
        producer.close()
        slow.close()

    run(options(pair), dialogue, write_deadline_s=0.3)


def test_a_slow_reader_gets_everything_in_the_end(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        slow = await (await Client(server, authority).open()).secure()
        await slow.ask(CONNECT + b"SUB a 1\r\nPING\r\n")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        producer = await (await Client(server, authority).open()).secure()
        frame = b"PUB a 100000\r\n" + bytes(100000) + b"\r\n"
        await producer.ask(CONNECT + frame * 150 + b"PING\r\n")
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        size = len(b"MSG a 1 100000\r\n") + 100002
        assert len(await asyncio.wait_for(slow.reader.readexactly(150 * size), 60)) == 150 * size
        producer.close()
        slow.close()

    run(options(pair), dialogue)


def test_a_peer_that_breaks_the_records_is_cut_off(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        loop = asyncio.get_running_loop()
        sock = socket.create_connection((server.host, server.port))
        sock.setblocking(False)
        assert (await loop.sock_recv(sock, 4096)).startswith(b"INFO")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=authority.file)
        talk = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                talk.do_handshake()
                break
            except ssl.SSLWantReadError:
                await loop.sock_sendall(sock, outgoing.read())
                incoming.write(await loop.sock_recv(sock, 65536))
        await loop.sock_sendall(sock, outgoing.read())
        await until(lambda: any(session.tls for session in server.connections.values()))
        await loop.sock_sendall(sock, b"\x17\x03\x03\x00\x20" + bytes(32))
        await until(lambda: not server.connections)
        assert server.roster.closed[-1].reason == "Read Error"
        sock.close()

    run(options(pair), dialogue)


def test_nats_py_connects_under_tls(authority: Authority, pair: tuple[str, str]) -> None:
    nats = pytest.importorskip("nats")

    async def dialogue(server: natsd.Server) -> None:
        context = ssl.create_default_context(cafile=authority.file)
        client = await nats.connect(f"tls://localhost:{server.port}", tls=context)
        sub = await client.subscribe("a")
        await client.publish("a", b"x" * 100000)
        message = await sub.next_msg(60)
        assert message.data == b"x" * 100000
        await client.close()

    run(options(pair), dialogue)


def test_handshakes_above_the_rate_are_told_to_come_later(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        clients = [await (await Client(server, authority).open()).secure() for _ in range(2)]
        late = await Client(server, authority).open()
        await late.greeting()
        assert await late.rest() == b"-ERR 'Connection throttling is active. Please try again later.'\r\n"
        for client in clients:
            assert await client.ask() == b"PONG\r\n"
            client.close()
        late.close()
        assert server.roster.closed[0].reason == "Maximum Connections Exceeded"

    run(options(pair, connection_rate_limit=2), dialogue)
