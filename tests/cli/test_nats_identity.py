"""Who `nats` says it is: nkeys, JWTs and credentials files, from flags, the environment and contexts."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from natsd.keys.nkey import parse_public, verify
from natsd.keys.seed import parse_seed
from tests.cli.commands import Denying, Nats
from tests.keys.test_seed import CREDENTIALS, JWT, SEED
from tests.places import Servers

PUBLIC = parse_seed(SEED).public


@pytest.fixture
def asking() -> Iterator[Denying]:
    """A server that wants a signature."""
    server = Denying(b'INFO {"headers":true,"max_payload":1048576,"nonce":"aBcD","auth_required":true}\r\n')
    yield server
    server.close()


def connect_of(server: Denying) -> dict[str, Any]:
    line = next(line for line in server.lines if line.startswith(b"CONNECT "))
    return dict(json.loads(line[8:]))


def has_signed(connect: dict[str, Any]) -> bool:
    signature = urlsafe_b64decode(connect["sig"] + "==")
    return verify(parse_public("user", PUBLIC), b"aBcD", signature)


def test_a_credentials_file_gives_the_jwt_and_signs_the_nonce(asking: Denying, tmp_path: Path) -> None:
    path = tmp_path / "me.creds"
    path.write_text(CREDENTIALS)
    Nats(asking.url).run("rtt", "1", "--creds", str(path))
    connect = connect_of(asking)
    assert connect["jwt"] == JWT and "nkey" not in connect and has_signed(connect)


def test_an_nkey_file_gives_the_public_key_and_signs(asking: Denying, tmp_path: Path) -> None:
    path = tmp_path / "me.nk"
    path.write_text(f"{SEED}\n")
    Nats(asking.url).run("rtt", "1", NATS_NKEY=str(path))
    connect = connect_of(asking)
    assert connect["nkey"] == PUBLIC and "jwt" not in connect and has_signed(connect)


def test_a_jwt_and_a_seed_as_texts(asking: Denying) -> None:
    Nats(asking.url).run("rtt", "1", "--jwt", JWT, "--seed", SEED)
    connect = connect_of(asking)
    assert connect["jwt"] == JWT and has_signed(connect)


def test_a_user_outweighs_the_credentials_of_a_context(asking: Denying, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"url": asking.url, "user_jwt": JWT, "user_seed": SEED}))
    nats = Nats("")
    nats.run("rtt", "1", "--context", str(path), "--user", "me", "--password", "x")
    connect = connect_of(asking)
    assert connect["user"] == "me" and "jwt" not in connect and "sig" not in connect


def test_a_context_with_embedded_credentials(asking: Denying, tmp_path: Path) -> None:
    import base64

    path = tmp_path / "a.json"
    embedded = "data:;base64," + base64.b64encode(CREDENTIALS.encode()).decode()
    path.write_text(json.dumps({"url": asking.url, "creds": embedded}))
    Nats("").run("rtt", "1", "--context", str(path))
    assert has_signed(connect_of(asking))


def test_a_broken_file_is_refused_without_its_content(nats: Nats, tmp_path: Path) -> None:
    path = tmp_path / "me.nk"
    path.write_text(SEED[:-1] + "A")
    result = nats.run("rtt", "--nkey", str(path))
    assert result.code == 1 and result.err.startswith(f'nats: error: cannot use nkey "{path}": ')
    assert SEED[:10] not in result.err
    result = nats.run("rtt", "--creds", str(tmp_path / "none"))
    assert result.err == f'nats: error: cannot use credentials "{tmp_path}/none": no such file or directory\n'


def test_an_nkey_user_of_natsd_gets_in_and_another_does_not(tmp_path: Path) -> None:
    servers = Servers()
    try:
        server = servers.start("natsd", [], {"users": [{"nkey": PUBLIC}]})
        nats = Nats(f"nats://{server.host}:{server.port}")
        path = tmp_path / "me.nk"
        path.write_text(SEED)
        assert nats.run("pub", "a", "b", "--nkey", str(path)).code == 0
        refused = nats.run("pub", "a", "b")
        assert refused.code == 5 and "authorization violation" in refused.err.lower()
    finally:
        servers.stop()
