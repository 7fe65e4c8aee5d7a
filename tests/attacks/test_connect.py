"""What a client can say before and instead of a proper CONNECT: it becomes nobody else, and costs nobody anything."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from tests.memory import MemoryLine, MemoryPlace

USERS = {
    "A": {"users": [{"user": "a", "password": "p"}]},
    "B": {"users": [{"user": "b", "password": "p"}]},
    "$SYS": {"users": [{"user": "s", "password": "p"}]},
}
SERVERS_VERBS = (
    b"RS+ $G a",
    b"RS- $G a",
    b"LS+ a",
    b"LS- a",
    b"RMSG $G a 1",
    b"LMSG a 1",
    b"A+ A",
    b"A- A",
    b"INFO {}",
    b'INFO {"server_id":"x","port":1,"connect_urls":["h:1"],"nonce":"x"}',
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2",
    b"PROXY UNKNOWN",
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
    b"GET / HTTP/1.1",
    b"MSG a 1 1",
    b"-ERR 'x'",
)


def dial(place: MemoryPlace) -> MemoryLine:
    line = MemoryLine(place)
    line.receive(0)
    return line


def connect(place: MemoryPlace, **words: Any) -> MemoryLine:
    line = dial(place)
    line.send(b"CONNECT " + json.dumps({"verbose": False, "headers": True, **words}).encode() + b"\r\n")
    return line


@pytest.mark.parametrize("wanted", ["A", "B", "$SYS", "$G", "C", ""])
@pytest.mark.parametrize("new", [False, True])
def test_no_client_chooses_its_account(wanted: str, new: bool) -> None:
    """CVE-2022-24450."""
    place = MemoryPlace([], {"accounts": USERS})
    before = set(place.server.accounts)
    for who in ({}, {"user": "a", "pass": "p"}, {"user": "a", "pass": "x"}):
        line = connect(place, account=wanted, new_account=new, **who)
        line.send(b"SUB > 1\r\nPING\r\n")
        told = line.receive(0) or b""
        inside = [session.account_name for session in place.server.connections.values()]
        # The key alone is refused; empty it is nothing, and then credentials decide.
        assert inside == (["A"] if who.get("pass") == "p" and not wanted and not new else []), (who, told)
        line.close()
    assert set(place.server.accounts) == before


@pytest.mark.parametrize("words", SERVERS_VERBS)
@pytest.mark.parametrize("options", [{}, {"accounts": USERS}, {"accounts": USERS, "no_auth_user": "a"}])
def test_what_servers_say_to_each_other_means_nothing_from_a_client(options: dict[str, Any], words: bytes) -> None:
    """CVE-2026-29785, 33218, 2026-16, 2026-19: each verb in each state, once and again."""
    for start in (b"", b"CONNECT {}\r\n", b'CONNECT {"user":"a","pass":"p"}\r\nPING\r\n', b"PING\r\n", b"SUB a 1\r\n"):
        place = MemoryPlace([], options)
        watcher = connect(place, **({"user": "a", "pass": "p"} if options else {}))
        watcher.send(b"SUB > 1\r\nPING\r\n")
        watcher.receive(0)
        line = dial(place)
        for _ in range(2):
            line.send(start + words + b"\r\nx\r\n")
        watcher.send(b"PING\r\n")
        assert watcher.receive(0) == b"PONG\r\n"
        server = place.server
        assert all(session.ip == "127.0.0.1" for session in server.connections.values())
        assert {session.account_name for session in server.connections.values()} <= {"A" if options else "$G"}
        assert server.roster.info.connect_urls == () and server.roster.info.port == server.port


def test_repeated_greetings_leave_nothing_behind() -> None:
    """A flood of CONNECT and INFO: the last one counts, and none of them is kept."""
    place = MemoryPlace([], {})
    line = dial(place)
    for count in range(2000):
        name = f"n{count}" + "x" * (count % 50)
        greeting = f'{{"verbose":false,"name":"{name}","lang":"l{count}"}}'
        line.send(f'CONNECT {greeting}\r\nINFO {{"x":{count}}}\r\nSUB a {count}\r\n'.encode())
    line.send(b"PING\r\n")
    assert (line.receive(0) or b"").endswith(b"PONG\r\n")
    (session,) = place.server.connections.values()
    assert session.lang == "l1999" and len(session.subs) == 1
    assert len(session.account.sublist) == 1 + len(session.account.service_imports)


def test_a_greeting_of_any_shape_is_read_in_no_time() -> None:
    """Nesting, huge numbers, equal keys, unknown keys: each as much of it as a control line holds."""
    chance = random.Random(3)
    room = 4000
    shapes = [
        '{"x":' + "[" * room,
        '{"x":' + '{"a":' * (room // 5),
        '{"x":' + "[" * (room // 2) + "]" * (room // 2) + "}",
        '{"x":' + "9" * room + "}",
        '{"protocol":' + "9" * room + "}",
        '{"x":1e' + "9" * room + "}",
        "{" + ",".join(['"verbose":true'] * (room // 15)) + "}",
        '{"' + "k" * room + '":1}',
        '{"name":"' + "\\u0000" * (room // 6) + '"}',
        '{"name":"' + '\\"' * (room // 2) + '"}',
        "{" + ",".join(f'"{chance.randbytes(4).hex()}":{{}}' for _ in range(room // 14)) + "}",
        "[" * room,
        "1" * room,
        '"' + "x" * room + '"',
        " " * room + "{}",
        "{" + " " * room + "}",
    ]
    for shape in shapes:
        place = MemoryPlace([], {})
        line = dial(place)
        began = time.process_time()
        line.send(b"CONNECT " + shape.encode() + b"\r\nPING\r\n")
        told = line.receive(0)
        assert time.process_time() - began < 0.2, shape[:40]
        assert told is None or b"PONG\r\n" in told or b"-ERR" in told or told == b"", shape[:40]
        other = connect(place)
        other.send(b"PING\r\n")
        assert (other.receive(0) or b"").endswith(b"PONG\r\n")


def test_only_what_the_server_knows_of_a_greeting_is_kept() -> None:
    """CVE-2020-26149: somebody who says too much is not quoted."""
    place = MemoryPlace([], {})
    line = connect(
        place, tls={"key": "canary"}, tls_key="canary", private="canary", nkey_seed="canary", options=["canary"]
    )
    line.send(b"PING\r\n")
    assert (line.receive(0) or b"").endswith(b"PONG\r\n")
    (session,) = place.server.connections.values()
    kept = [getattr(session.connect, name) for name in type(session.connect).__slots__]
    assert "canary" not in repr(kept)
