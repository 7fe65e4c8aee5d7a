"""TLS that is weaker than it was asked to be: by another listener's session, by another source of the options."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from natsd.base.tls_options import TlsOptions
from natsd.cli.server_flags import parse
from natsd.net.tls_context import Security
from natsd.server.configure import load_file, make_options
from tests.certificates import Authority
from tests.places import PATIENCE_S, ServerProcess, Servers

CONNECT = b'CONNECT {"verbose":false}\r\nPING\r\n'


@pytest.fixture(scope="module")
def servers() -> Any:
    servers = Servers()
    yield servers
    servers.stop()


class World:
    """Two authorities: clients of the first may come in at first, those of the second after a reload."""

    def __init__(self, folder: Path) -> None:
        self.one, self.two = Authority(folder, "one"), Authority(folder, "two")
        self.server = self.one.sign("server")
        self.client = self.one.sign("client")
        self.file = folder / "server.conf"

    def write(self, authority: Authority, verify: bool = True) -> None:
        certificate, key = self.server
        self.file.write_text(
            f"tls {{cert_file: '{certificate}', key_file: '{key}', ca_file: '{authority.file}', "
            f"verify: {str(verify).lower()}, timeout: 5}}\n"
        )

    def context(self, version: ssl.TLSVersion, certificate: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.one.file)
        context.minimum_version = context.maximum_version = version
        if certificate:
            context.load_cert_chain(*self.client)
        return context


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("certificates"))


def enter(
    server: ServerProcess, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[bool, bool, ssl.SSLSession | None]:
    """Whether somebody gets in, whether an old session was taken up, and the session for the next time."""
    with closing(socket.create_connection((server.host, server.port), timeout=PATIENCE_S)) as plain:
        while not plain.recv(65536).endswith(b"\r\n"):
            pass
        try:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as line:
                line.sendall(CONNECT)
                said = b""
                while b"PONG\r\n" not in said:
                    data = line.recv(65536)
                    if not data:
                        return False, bool(line.session_reused), None
                    said += data
                return True, bool(line.session_reused), line.session
        except (ssl.SSLError, ConnectionError):
            return False, False, None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_session_of_another_listener_opens_nothing(servers: Servers, world: World, version: ssl.TLSVersion) -> None:
    """2026-01: a ticket from where no certificate was asked for, or another authority counted, is worth nothing."""
    world.write(world.one, verify=False)
    lax = servers.start("natsd", ["-c", str(world.file)], {}, fresh=True)
    world.write(world.two)
    strict = servers.start("natsd", ["-c", str(world.file)], {}, fresh=True)
    for certificate in (False, True):
        context = world.context(version, certificate)
        assert enter(strict, context)[0] is False
        came_in, _, session = enter(lax, context)
        assert came_in and session is not None
        assert enter(strict, context, session) == (False, False, None)
        assert enter(lax, context, session)[0]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_session_from_before_a_reload_is_worth_nothing_after_it(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Who was trusted before the authority changed has to show a certificate anew, and is not trusted."""
    world = World(tmp_path)
    world.write(world.one)
    options = make_options(load_file(str(world.file)), {})
    assert options.tls is not None
    before = Security(options.tls)
    world.write(world.two)
    after_options = make_options(load_file(str(world.file)), {}).tls
    assert after_options is not None
    after = Security(after_options)
    context = world.context(version, certificate=True)
    session = shake(before.context, context, None)
    assert session is not None and shake(before.context, context, session) is not None
    with pytest.raises(ssl.SSLError):
        shake(after.context, context, session)


def shake(server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
    """A handshake in memory with a few bytes after it; the client's session. Raises ssl.SSLError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(there, back, server_side=True)
    other = client.wrap_bio(back, there, server_hostname="localhost", session=session)
    undone = [one, other]
    while undone:
        for side in list(undone):
            try:
                side.do_handshake()
                undone.remove(side)
            except ssl.SSLWantReadError:
                continue
    one.write(b"x")
    assert other.read(1) == b"x"
    other.write(b"y")
    assert one.read(1) == b"y"
    return other.session


def test_flags_make_the_same_tls_as_a_file(world: World) -> None:
    """CVE-2021-32026: whatever the source of an option, versions, suites and demands are those of all the others."""
    certificate, key = world.server
    world.file.write_text(
        f"tls {{cert_file: '{certificate}', key_file: '{key}', ca_file: '{world.one.file}', verify: true}}\n"
    )
    by_file = make_options(load_file(str(world.file)), {}).tls
    flags = ["--tls", "--tlscert", certificate, "--tlskey", key, "--tlscacert", world.one.file, "--tlsverify"]
    by_flags = parse(flags).options["tls"]
    by_program = TlsOptions(cert_file=certificate, key_file=key, ca_file=world.one.file, verify=True)
    assert by_file is not None and isinstance(by_flags, TlsOptions)
    contexts = [Security(options).context for options in (by_file, by_flags, by_program)]
    policies = [
        (
            context.minimum_version,
            context.maximum_version,
            context.verify_mode,
            context.options,
            [cipher["name"] for cipher in context.get_ciphers()],
        )
        for context in contexts
    ]
    assert policies[0] == policies[1] == policies[2]
    minimum, _, demand, _, names = policies[0]
    assert minimum == ssl.TLSVersion.TLSv1_2 and demand == ssl.CERT_REQUIRED
    assert not [name for name in names if "RC4" in name or "3DES" in name or "NULL" in name or "CBC3" in name]


@pytest.mark.parametrize(
    "words",
    [b"PING\r\n", CONNECT, b"SUB > 1\r\nPING\r\n", b"PUB a 1\r\nx\r\nPING\r\n", b"\x15\x03\x01\x00\x02\x02\x28"],
)
def test_nobody_becomes_the_user_of_those_who_say_nothing_without_tls(
    servers: Servers, world: World, words: bytes
) -> None:
    certificate, key = world.server
    world.file.write_text(
        f"tls {{cert_file: '{certificate}', key_file: '{key}', timeout: 2}}\n"
        "authorization {users: [{user: u, password: p}]}\nno_auth_user: u\n"
    )
    server = servers.start("natsd", ["-c", str(world.file)], {})
    line = server.dial()
    line.send(words)
    said = b""
    while data := line.receive(PATIENCE_S):
        said += data
    line.close()
    assert b"PONG" not in said and b"+OK" not in said
