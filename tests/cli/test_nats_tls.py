"""The `nats` command under TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

import natsd
from natsd.base.tls_options import TlsOptions
from tests.certificates import Authority
from tests.cli.commands import Nats


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("nats-tls"))


@pytest.mark.parametrize("first", [False, True])
def test_a_server_under_tls_is_spoken_to(authority: Authority, first: bool) -> None:
    cert, key = authority.sign("server")
    mine = authority.sign("me")
    options = TlsOptions(
        cert_file=cert, key_file=key, ca_file=authority.file, verify=True, handshake_first=first, timeout_s=5
    )
    with natsd.run_in_thread(tls=options) as server:
        nats = Nats(server.client_url)
        flags = ["-s", server.client_url, "--tlsca", authority.file, "--tlscert", mine[0], "--tlskey", mine[1]]
        result = nats.run("pub", "a", "x", *flags, *(["--tlsfirst"] if first else []))
        assert result.code == 0, result
        nats.close()


def test_a_certificate_nobody_vouches_for_is_not_accepted(authority: Authority) -> None:
    cert, key = authority.sign("server")
    with natsd.run_in_thread(tls=TlsOptions(cert_file=cert, key_file=key)) as server:
        nats = Nats(server.client_url)
        result = nats.run("pub", "a", "x", "-s", server.client_url)
        assert result.code == 1 and "certificate is not accepted" in result.err
        result = nats.run("pub", "a", "x", "-s", server.client_url, "--tlsca", str(Path(authority.file + ".none")))
        assert result.code == 1 and "no such file" in result.err
        nats.close()
