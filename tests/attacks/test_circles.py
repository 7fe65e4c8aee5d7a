"""Circles and multiplication: what refers to itself is refused or ends, and one message does not become a million."""

from __future__ import annotations

import time
from typing import Any

import pytest

from natsd.base.errors import OptionsError
from natsd.server.options import Options
from tests.memory import MemoryLine, MemoryPlace

KINDS = ("stream", "service")


def login(place: MemoryPlace, user: str) -> MemoryLine:
    line = MemoryLine(place)
    line.send(
        f'CONNECT {{"verbose":false,"headers":true,"no_responders":true,"user":"{user}","pass":"p"}}\r\n'.encode()
    )
    line.receive(0)
    return line


def ring(length: int, kind: str, exported: str, imported: str, *, to: str = "", broken: int = 0) -> dict[str, Any]:
    """Accounts that import from the next one, the last from the first; broken: so many of the imports are left out."""
    accounts: dict[str, Any] = {}
    for at in range(length):
        source: dict[str, Any] = {kind: {"account": f"A{(at + 1) % length}", "subject": imported}}
        if to:
            source["to"] = to
        accounts[f"A{at}"] = {
            "users": [{"user": f"u{at}", "password": "p"}],
            "exports": [{kind: exported}],
            "imports": [source] if at >= broken else [],
        }
    return accounts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 16])
@pytest.mark.parametrize(
    ("exported", "imported", "to"),
    [("a", "a", ""), (">", ">", ""), ("a.*", "a.*", ""), ("a.>", "a.b", ""), ("a.>", "a.b.>", "")],
)
def test_a_circle_of_any_length_is_refused_at_start_and_at_reload(
    length: int, kind: str, exported: str, imported: str, to: str
) -> None:
    """CVE-2020-28466, 2022-42709."""
    circle = ring(length, kind, exported, imported, to=to)
    with pytest.raises(OptionsError):
        MemoryPlace([], {"accounts": circle})
    open_ring = ring(length, kind, exported, imported, to=to, broken=1)
    place = MemoryPlace([], {"accounts": open_ring})
    line = login(place, "u0")
    line.send(b"SUB > 1\r\n")
    before = [account.stream_imports for account in place.server.accounts.values()]
    with pytest.raises(OptionsError):
        place.server.reload(Options(accounts=circle))
    assert [account.stream_imports for account in place.server.accounts.values()] == before
    line.send(b"PUB a.b 1\r\nx\r\nPING\r\n")
    assert (line.receive(0) or b"").count(b"MSG a.b 1 1\r\n") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_circle_that_shifts_its_subject_is_refused_or_ends(kind: str) -> None:
    """Each turn makes another subject of it, so that no two turns look alike."""
    for to in ("b.>", "a.x.>"):
        accounts = ring(3, kind, ">" if kind == "stream" else "a.>", ">" if kind == "stream" else "a.>", to=to)
        try:
            place = MemoryPlace([], {"accounts": accounts})
        except OptionsError:
            continue
        lines = [login(place, f"u{at}") for at in range(3)]
        for line in lines:
            line.send(b"SUB > 1\r\n")
        began = time.process_time()
        lines[0].send(b"PUB a.x.y r 1\r\nx\r\nPUB b.y r 1\r\nx\r\nPING\r\n")
        assert sum((line.receive(0) or b"").count(b"MSG ") for line in lines) < 50
        assert time.process_time() - began < 1


def test_mappings_that_lead_to_each_other_are_followed_once() -> None:
    place = MemoryPlace([], {"mappings": {"a": "b", "b": "a", "c": "c", "d.>": "d.d.>", "e.*": "e.$1"}})
    line = MemoryLine(place)
    line.send(
        b'CONNECT {"verbose":false}\r\nSUB > 1\r\n'
        b"PUB a 0\r\n\r\nPUB b 0\r\n\r\nPUB c 0\r\n\r\nPUB d.x 0\r\n\r\nPING\r\n"
    )
    said = line.receive(0) or b""
    assert [part.split()[1] for part in said.split(b"\r\n") if part.startswith(b"MSG")] == [b"b", b"a", b"c", b"d.d.x"]


def test_requests_that_answer_each_other_end_with_the_read() -> None:
    """A reply subject that is served: each answer is a message of its own, never a loop within the server."""
    accounts = {
        "A": {
            "users": [{"user": "a", "password": "p"}],
            "imports": [{"service": {"account": "B", "subject": "s"}}],
            "mappings": {"r": "s"},
        },
        "B": {"users": [{"user": "b", "password": "p"}], "exports": [{"service": "s"}]},
    }
    place = MemoryPlace([], {"accounts": accounts})
    asking, serving = login(place, "a"), login(place, "b")
    serving.send(b"SUB s 1\r\n")
    began = time.process_time()
    for _ in range(100):
        # Asks, to be answered where it asks.
        asking.send(b"PUB s s 1\r\nx\r\nPUB s r 1\r\nx\r\nPUB r s 1\r\nx\r\nPING\r\n")
        asking.receive(0)
        for part in (serving.receive(0) or b"").split(b"\r\n"):
            words = part.split()
            if part.startswith(b"MSG") and len(words) == 5:
                serving.send(b"PUB %b 1\r\ny\r\n" % words[3])
        serving.receive(0)
    assert time.process_time() - began < 2
    asking.send(b"PING\r\n")
    assert (asking.receive(0) or b"").endswith(b"PONG\r\n")


def test_a_service_that_many_import_is_asked_as_often_as_it_was_said() -> None:
    """A row of accounts, each importing the next one's service in eight ways: a request is asked once."""
    depth, ways = 6, 8
    accounts: dict[str, Any] = {}
    for at in range(depth):
        block: dict[str, Any] = {"users": [{"user": f"u{at}", "password": "p"}], "exports": [{"service": ">"}]}
        if at + 1 < depth:
            block["imports"] = [
                {"service": {"account": f"A{at + 1}", "subject": "s"}, "to": f"s{way}" if way else "s"}
                for way in range(ways)
            ]
        accounts[f"A{at}"] = block
    try:
        place = MemoryPlace([], {"accounts": accounts})
    except OptionsError:
        return  # the same service twice may be refused: then there is nothing to multiply
    lines = [login(place, f"u{at}") for at in (0, depth - 1)]
    lines[1].send(b"SUB > 1\r\n")
    began = time.process_time()
    lines[0].send(b"PUB s r 1\r\nx\r\nPING\r\n")
    assert (lines[1].receive(0) or b"").count(b"MSG s ") == 1
    assert time.process_time() - began < 0.5


def test_a_message_becomes_no_more_than_there_are_subscriptions() -> None:
    """Two hundred accounts import one stream in five ways each: a thousand deliveries, and no account imports on."""
    accounts: dict[str, Any] = {"X": {"users": [{"user": "x", "password": "p"}], "exports": [{"stream": ">"}]}}
    for at in range(200):
        accounts[f"A{at}"] = {
            "users": [{"user": f"u{at}", "password": "p"}],
            "exports": [{"stream": ">"}],
            "imports": [{"stream": {"account": "X", "subject": f"a.{way}"}, "to": f"p{way}"} for way in range(5)],
        }
    place = MemoryPlace([], {"accounts": accounts})
    lines = [login(place, f"u{at}") for at in range(200)]
    for line in lines:
        line.send(b"SUB > 1\r\n")
    speaker = login(place, "x")
    speaker.send(b"".join(b"PUB a.%d 1\r\nx\r\n" % way for way in range(5)))
    assert [(line.receive(0) or b"").count(b"MSG p") for line in lines] == [5] * 200
