"""No secret comes out again: canaries in every secret of a configuration and of a CONNECT, and a look at all that is
said.

What is said: the log with debug and trace lines, every monitoring page, every answer and event of the system account,
and what clients are told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from natsd.auth.passwords import is_bcrypt
from natsd.monitor.pages import BUILDERS, ENDPOINTS
from natsd.system.service import OF_ACCOUNT, OF_SERVER
from tests.places import PATIENCE_S, ServerProcess, Servers

CANARY = "canary"
HASH = "$2b$04$7pSAUGm4dqZr8VZ2FTYIyO35LuKt5H7OEuOYy7LXgmtXWG3DNCfXi"
"""Of a password that nobody gives; the hash is a secret as well."""
USERS: list[dict[str, Any]] = [
    {"user": "sys", "password": f"{CANARY}-sys", "account": "$SYS"},
    {"user": "a", "password": f"{CANARY}-a", "account": "A"},
    {"user": "hashed", "password": HASH, "account": "A"},
]
SAID = [
    {"user": "sys", "pass": f"{CANARY}-sys"},
    {"user": "a", "pass": f"{CANARY}-a"},
    {"user": "u", "pass": f"{CANARY}-single"},
    {"auth_token": f"{CANARY}-token"},
    {"user": "a", "pass": f"{CANARY}-guess"},
    {"user": "hashed", "pass": f"{CANARY}-guess"},
    {"auth_token": f"{CANARY}-guess"},
    {"nkey": "U", "sig": f"{CANARY}-signature"},
    {"jwt": f"{CANARY}-jwt", "sig": f"{CANARY}-signature"},
    {"user": "a", "pass": f"{CANARY}-a", "account": "x"},
    {"user": "a", "proxy_sig": f"{CANARY}-proxy"},
    {"user": "a", "pass": f"{CANARY}-a", "tls_key": f"{CANARY}-key", "seed": f"{CANARY}-seed"},
]
"""What clients say of themselves: the right thing, and everything that can be wrong."""
WAYS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "users": ([], {"users": USERS}),
    "single user": ([], {"user": "u", "password": f"{CANARY}-single"}),
    "token": ([], {"token": f"{CANARY}-token"}),
    "user by flags": (["--user", "u", "--pass", f"{CANARY}-single"], {}),
    "token by flag": (["--auth", f"{CANARY}-token"], {}),
    "nobody": ([], {}),
}
PATHS = sorted({*BUILDERS, *(path for path, _ in ENDPOINTS), "/", "/stacksz", "/varz", "/subscriptionsz"})
QUERIES = ("", "?auth=1&subs=detail&state=all", "?acc=A&auth=1", "?unused=1&all=1")


@pytest.fixture
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


def talk(server: ServerProcess, said: dict[str, str], until: bytes = b"PONG") -> bytes:
    """All that a client is told which says this of itself, subscribes, and asks for everything there is."""
    line = server.dial()
    connect = {"verbose": True, "headers": True, "protocol": 1, "name": "n", **said}
    requests = [f"$SYS.REQ.SERVER.PING.{kind}" for kind in ("", "IDZ", "STATSZ", *OF_SERVER)]
    requests += [f"$SYS.REQ.ACCOUNT.{name}.{kind}" for name in ("A", "$SYS", "$G", "PING") for kind in OF_ACCOUNT]
    requests += ["$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.A.CONNS"]
    body = json.dumps({"auth": True, "subscriptions_detail": True, "state": 2, "account": "A"})
    text = f"CONNECT {json.dumps(connect)}\r\nSUB > 1\r\n"
    text += "".join(f"PUB {subject.rstrip('.')} x {len(body)}\r\n{body}\r\n" for subject in requests)
    line.send(text.encode() + b"PING\r\n")
    told = b""
    while until not in told and b"-ERR 'Auth" not in told and (data := line.receive(PATIENCE_S)):
        told += data
    line.send(b"NONSENSE\r\n")
    while (data := line.receive(PATIENCE_S)) is not None:
        told += data
    line.close()
    return told


def pages(server: ServerProcess) -> Iterator[tuple[str, str]]:
    for path in PATHS:
        for query in QUERIES:
            url = server.monitor.rstrip("/") + path + query
            try:
                with urlopen(url, timeout=PATIENCE_S) as answer:
                    yield path + query, answer.read().decode()
            except HTTPError as error:
                yield path + query, error.read().decode()


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_comes_out_again(servers: Servers, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_SOMEBODY", f"{CANARY}-environment")
    flags, options = WAYS[way]
    server = servers.start("natsd", ["-D", "-V", *flags], options, fresh=True)
    watcher = server.dial()
    watcher.send(f'CONNECT {{"verbose":false,"user":"sys","pass":"{CANARY}-sys"}}\r\nSUB $SYS.> 1\r\nPING\r\n'.encode())
    told = b"".join(talk(server, said) for said in SAID)
    if way == "users":
        told += talk(server, SAID[0], b'"authorized_user"')
    watcher.send(b"PING\r\n")
    while data := watcher.receive(0.2):
        told += data
    shown = dict(pages(server))
    shown["the log"] = server.log.read_text()
    server.stop()
    assert b"-ERR" in told
    for name, text in {"the clients": told.decode(), **shown}.items():
        assert CANARY not in text and HASH not in text, name
    assert '"server_id"' in shown["/varz"] and "gnatsd_varz" in shown["/metrics"]
    if way == "users":
        for part in (b"CLIENT.AUTH.ERR", b"client_connect", b"client_disconnect", b'"authorized_user"', b'"statsz"'):
            assert part in told
    assert "[TRC]" in shown["the log"] and "[DBG]" in shown["the log"]


def test_the_hash_is_one() -> None:
    assert is_bcrypt(HASH)
