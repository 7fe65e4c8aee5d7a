"""Certificates of a listening server and of its clients: who is let in, what is chosen, what changes at a reload."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest

import natsd
from natsd.base.errors import OptionsError
from natsd.base.tls_options import TlsOptions
from natsd.server.options import Options
from tests.certificates import Authority, pin_of
from tests.server.tls_peers import CONNECT, Client, options, run, until


def test_a_client_without_a_certificate_stays_outside_where_one_is_asked_for(
    authority: Authority, pair: tuple[str, str], client_pair: tuple[str, str]
) -> None:
    async def dialogue(server: natsd.Server) -> None:
        good = await (await Client(server, authority, client_pair).open()).secure()
        assert good.info["tls_verify"] is True
        assert await good.ask() == b"PONG\r\n"
        good.close()
        await until(lambda: not server.connections)
        bad = await Client(server, authority).open()
        try:
            await bad.secure()
            assert await bad.rest() == b""
        except (ssl.SSLError, ConnectionError):
            pass
        await until(lambda: not server.connections)
        assert server.roster.closed[-1].reason == "TLS Handshake Failure"

    run(options(pair, verify=True, ca_file=authority.file), dialogue)


def test_a_certificate_of_another_authority_does_not_count(
    authority: Authority, pair: tuple[str, str], folder: Path
) -> None:
    stranger = Authority(folder, "stranger").sign("nobody")

    async def dialogue(server: natsd.Server) -> None:
        bad = await Client(server, authority, stranger).open()
        try:
            await bad.secure()
            assert await bad.rest() == b""
        except (ssl.SSLError, ConnectionError):
            pass
        await until(lambda: not server.connections)
        assert server.roster.closed[-1].reason == "TLS Handshake Failure"

    run(options(pair, verify=True, ca_file=authority.file), dialogue)


def test_only_pinned_keys_come_in(authority: Authority, pair: tuple[str, str], client_pair: tuple[str, str]) -> None:
    other = authority.sign("other")

    async def dialogue(server: natsd.Server) -> None:
        good = await (await Client(server, authority, client_pair).open()).secure()
        assert await good.ask() == b"PONG\r\n"
        bad = await Client(server, authority, other).open()
        try:
            await bad.secure()
            assert await bad.rest() == b""
        except (ssl.SSLError, ConnectionError):
            pass
        await until(lambda: len(server.connections) == 1)
        good.close()

    pins = [pin_of(client_pair[0]).upper()]
    run(options(pair, verify=True, ca_file=authority.file, pinned_certs=pins), dialogue)


def test_the_certificate_is_chosen_by_the_name_asked_for(authority: Authority) -> None:
    pairs = [authority.sign("one", "one.test", "localhost"), authority.sign("two", "two.test", "*.two.test")]

    async def dialogue(server: natsd.Server) -> None:
        for name, expected in (("one.test", "one"), ("two.test", "two"), ("x.two.test", "two"), ("localhost", "one")):
            client = await (await Client(server, authority).open()).secure(name)
            certificate = client.writer.get_extra_info("peercert")
            assert certificate["subject"] == ((("commonName", expected),),)
            client.close()

    run(TlsOptions(certs=pairs), dialogue)


def test_a_new_certificate_is_for_new_connections(authority: Authority, folder: Path) -> None:
    live = folder / "live"
    live.mkdir()
    files = (str(live / "c.pem"), str(live / "c.key"))

    def install(pair: tuple[str, str]) -> None:
        for source, target in zip(pair, files, strict=True):
            shutil.copyfile(source, target)

    def subject(client: Client) -> str:
        name: str = client.writer.get_extra_info("peercert")["subject"][0][0][1]
        return name

    install(authority.sign("before"))

    async def dialogue(server: natsd.Server) -> None:
        old = await (await Client(server, authority).open()).secure()
        assert await old.ask() == b"PONG\r\n"
        install(authority.sign("after"))
        server.reload(server.options)
        new = await (await Client(server, authority).open()).secure()
        assert (subject(old), subject(new)) == ("before", "after")
        Path(files[0]).write_text("rubbish")
        with pytest.raises(OptionsError, match="cert_file"):
            server.reload(server.options)
        third = await (await Client(server, authority).open()).secure()
        assert subject(third) == "after"
        for client in (old, new, third):
            assert await client.ask() == b"PONG\r\n"
            client.close()

    run(options(files), dialogue)


def test_new_options_of_tls_are_for_new_connections(authority: Authority, pair: tuple[str, str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        plain, writer = await asyncio.open_connection(server.host, server.port)
        assert b"tls_required" not in await plain.readline()
        server.reload(Options(host="127.0.0.1", port=-1, tls=options(pair)))
        writer.write(CONNECT + b"PING\r\n")
        assert await plain.readline() == b"PONG\r\n"
        client = await (await Client(server, authority).open()).secure()
        assert client.info["tls_required"] is True
        server.reload(Options(host="127.0.0.1", port=-1))
        assert await client.ask() == b"PONG\r\n"
        last, other = await asyncio.open_connection(server.host, server.port)
        assert b"tls_required" not in await last.readline()
        for each in (writer, other):
            each.close()
        client.close()

    async def whole() -> None:
        async with natsd.Server() as server:
            await dialogue(server)

    asyncio.run(whole())


def test_clients_whose_certificates_are_not_pinned_any_more_are_closed(
    authority: Authority, pair: tuple[str, str], client_pair: tuple[str, str]
) -> None:
    other_pair = authority.sign("other")

    def pinned(*pairs: tuple[str, str]) -> TlsOptions:
        pins = [pin_of(certificate) for certificate, _ in pairs]
        return options(pair, ca_file=authority.file, verify=True, pinned_certs=pins)

    async def dialogue(server: natsd.Server) -> None:
        stays = await (await Client(server, authority, client_pair).open()).secure()
        goes = await (await Client(server, authority, other_pair).open()).secure()
        for client in (stays, goes):
            assert await client.ask() == b"PONG\r\n"
        server.reload(Options(host="127.0.0.1", port=-1, tls=pinned(client_pair)))
        assert await goes.rest() == b""
        assert await stays.ask(b"PING\r\n") == b"PONG\r\n"
        (closed,) = server.roster.closed
        assert closed.reason == "TLS Handshake Failure"
        stays.close()

    run(pinned(client_pair, other_pair), dialogue)


@pytest.mark.parametrize("curves", [["X25519"], ["CurveP384", "CurveP256"], ["X25519MLKEM768", "CurveP521"]])
def test_one_preferred_curve_is_used(authority: Authority, pair: tuple[str, str], curves: list[str]) -> None:
    async def dialogue(server: natsd.Server) -> None:
        client = await (await Client(server, authority).open()).secure()
        assert await client.ask() == b"PONG\r\n"
        client.close()
        stranger = Client(server, authority)
        stranger.context.set_ecdh_curve("secp521r1" if curves[-1] != "CurveP521" else "X25519")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await (await stranger.open()).secure()

    run(options(pair, curves=curves), dialogue)


def test_varz_says_when_the_certificate_ends(pair: tuple[str, str]) -> None:
    from natsd.net.tls_context import ends_at_s

    shown = ssl._ssl._test_decode_cert(pair[0])["notAfter"]  # type: ignore[attr-defined]
    assert ends_at_s(pair[0]) == ssl.cert_time_to_seconds(shown)
    assert ends_at_s(pair[1]) == 0


def test_a_certificate_says_who_its_owner_is(authority: Authority, pair: tuple[str, str]) -> None:
    anna = authority.sign("anna", also="email:anna@x.test")
    stranger = authority.sign("stranger", also="email:nobody@x.test")
    connect = b'CONNECT {"verbose":false,"user":"admin"}\r\nPING\r\n'

    async def dialogue(server: natsd.Server) -> None:
        client = await (await Client(server, authority, anna).open()).secure()
        await client.ask(connect)
        (session,) = server.connections.values()
        assert (session.user, session.account_name) == ("anna@x.test", "A")
        client.close()
        other = await (await Client(server, authority, stranger).open()).secure()
        other.writer.write(connect)
        assert await other.rest() == b"-ERR 'Authorization Violation'\r\n"
        other.close()

    users = [{"user": "anna@x.test", "account": "A"}, {"user": "admin", "password": "secret"}]
    run(options(pair, ca_file=authority.file, verify_and_map=True), dialogue, users=users)
