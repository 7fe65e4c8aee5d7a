"""Numbers that a peer gives: none of them ends more than its own connection, whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from natsd.monitor.pages import BUILDERS
from natsd.monitor.query import BadQuery, NotThere, Query
from natsd.system.request import KINDS, BadRequest, parse
from tests.memory import MemoryLine, MemoryPlace
from tests.system.house import House

NO_NUMBERS = ("-1", "+1", "-0", "0x1", "1e3", "1.0", "1_0", "١", "²", "", "x", "--1", "1-")
HUGE = tuple(
    str(number + more) for bits in (16, 31, 32, 33, 63, 64, 65, 128) for number in (1 << bits,) for more in (-1, 0, 1)
)
ENDLESS = ("9" * 19, "9" * 20, "9" * 100, "9" * 3000)
CONNECT = b'CONNECT {"verbose":false,"headers":true}\r\n'


class Watched:
    """A server with somebody who listens to everything and must notice nothing."""

    def __init__(self) -> None:
        self.place = MemoryPlace([], {})
        self.watcher = self.dial()
        self.watcher.send(b"SUB > 1\r\nPING\r\n")
        self.watcher.receive(0)

    def dial(self) -> MemoryLine:
        line = MemoryLine(self.place)
        line.send(CONNECT)
        line.receive(0)
        return line

    def told(self, data: bytes) -> bytes:
        """What somebody is told who says this and goes on with an ordinary message."""
        line = self.dial()
        line.send(data + b"\r\nPING\r\n")
        told = line.receive(0) or b""
        closed = line.receive(0) is None
        line.close()
        self.watcher.send(b"PING\r\n")
        heard = self.watcher.receive(0)
        assert heard == b"PONG\r\n", (data[:60], heard)
        return told if closed else b"open: " + told


@pytest.mark.parametrize("word", [*NO_NUMBERS, *HUGE, *ENDLESS])
@pytest.mark.parametrize("line", ["PUB a {}", "PUB a r {}", "HPUB a {} 20", "HPUB a 12 {}", "HPUB a {0} {0}"])
def test_no_size_of_a_message_does_more_than_end_its_connection(line: str, word: str) -> None:
    told = Watched().told(line.format(word).encode() + b"\r\nNATS/1.0\r\n\r\n")
    # Closed, or waiting for the rest of a message; nothing was published.
    assert not told.startswith(b"open: ") or told == b"open: ", told


@pytest.mark.parametrize(("header", "total"), [(1, 0), (13, 12), (1 << 31, 12), (1 << 63, 12), (1 << 64, 12), (12, 0)])
def test_no_header_is_longer_than_its_message(header: int, total: int) -> None:
    told = Watched().told(b"HPUB a %d %d\r\nNATS/1.0\r\n\r\n" % (header, total))
    assert not told.startswith(b"open: "), told


@pytest.mark.parametrize("word", [*NO_NUMBERS, *HUGE, *ENDLESS])
def test_no_maximum_of_a_subscription_wraps_around(word: str) -> None:
    watched = Watched()
    line, other = watched.dial(), watched.dial()
    line.send(b"SUB a 7\r\nUNSUB 7 " + word.encode() + b"\r\nPING\r\n")
    said = line.receive(0) or b""
    other.send(b"PUB a 0\r\n\r\nPUB a 0\r\n\r\nPING\r\n")
    assert other.receive(0) == b"PONG\r\n"
    heard = (line.receive(0) or b"").count(b"MSG a 7 0\r\n")
    assert heard in (0, 2), (word, said)
    if word.isascii() and word.isdigit() and len(word) <= 9:
        assert heard == 2  # an honest number is more than two


@pytest.mark.parametrize("name", ["offset", "limit", "cid", "subs", "auth", "acc", "state", "sort", "test", "unused"])
@pytest.mark.parametrize("path", sorted(BUILDERS))
def test_no_page_falls_over_a_number(house: House, path: str, name: str) -> None:
    numbers = ("0", *NO_NUMBERS, *HUGE, *ENDLESS, "-" + HUGE[0], *(f"-{word}" for word in HUGE))
    for word in numbers:
        for other in ({}, {"limit": str(2**63 - 1)}, {"offset": str(2**63 - 1), "subs": "detail"}):
            try:
                page = BUILDERS[path](house.server, Query({**other, name: word}))
                if hasattr(page, "send"):
                    for _ in page:
                        pass
            except (BadQuery, NotThere):
                continue


@pytest.fixture(scope="module")
def house() -> House:
    house = House()
    for user in ("sys", "a", "b"):
        house.client(user).say(b"SUB foo 9\r\n")
    return house


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_request_falls_over_a_value(kind: str) -> None:
    values: list[Any] = [
        -1,
        0,
        1.5,
        1e300,
        2**63,
        2**64,
        -(2**63) - 1,
        10**4000,
        None,
        True,
        "1",
        [],
        [1],
        {},
        {"a": 1},
    ]
    rows = {row[0] for row in KINDS[kind][1]} | {"server_name", "tags", "domain", "exact_match", "unknown"}
    for key in sorted(rows):
        for value in values:
            body = (
                f'{{"{key}":{10**4000 if value == 10**4000 else json.dumps(value)}}}'
                if value != 10**4000
                else (f'{{"{key}":1{"0" * 4000}}}')
            )
            try:
                parse(kind, body.encode())
            except BadRequest:
                continue


def test_pages_asked_for_beyond_every_number_are_answered(house: House) -> None:
    system = house.client("sys")
    for kind in ("CONNZ", "SUBSZ", "ACCOUNTZ", "VARZ"):
        for body in ({"offset": 2**63 - 1, "limit": 2**63 - 1}, {"offset": -(2**63), "limit": -1}, {"offset": 2**63}):
            answer = system.ask(f"$SYS.REQ.SERVER.PING.{kind}", body)
            assert "server" in answer, (kind, body)
