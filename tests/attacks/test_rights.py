"""What a user may not have never reaches it, by whatever way: the rules at delivery, end to end, and after reloads.

CVE-2022-29946, 2026-17, 2026-18 and their kin. The oracle knows subjects and rules only.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natsd.server.options import Options
from tests.memory import MemoryLine, MemoryPlace

WORDS = ("a", "b")
SUBJECTS = [*WORDS, *(f"{one}.{two}" for one in WORDS for two in WORDS), "a.b.a", "b.b.b", "i.a", "i.a.b"]
patterns = st.lists(st.sampled_from((*WORDS, "*", "i")), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from((".".join(parts), ".".join([*parts[:-1], ">"])))
)
queues = st.sampled_from(("q", "r", "*", ">", "q.*"))
rules = st.lists(st.one_of(patterns, st.tuples(patterns, queues).map(" ".join)), max_size=4)
wanted = st.lists(
    st.tuples(st.one_of(patterns, st.just(">")), st.sampled_from(("", "q", "r", "q.x"))), min_size=1, max_size=5
)


def takes(pattern: str, subject: str) -> bool:
    tail = pattern.endswith(">")
    body = re.escape(pattern[:-1] if tail else pattern).replace(r"\*", "[^.]+")
    return re.fullmatch(body + (".+" if tail else ""), subject) is not None


def is_denied(deny: list[str], subject: str, queue: str) -> bool:
    for rule in deny:
        pattern, _, group = rule.partition(" ")
        if takes(pattern, subject) and (not group or (queue and takes(group, queue))):
            return True
    return False


def world(allow: list[str] | None, deny: list[str]) -> dict[str, Any]:
    """A user with rules, in an account that imports a stream and a service under other names, and maps subjects."""
    subscribe: dict[str, Any] = {"deny": deny or ["never"]}
    if allow is not None:
        subscribe["allow"] = allow
    user = {"user": "u", "password": "p", "permissions": {"subscribe": subscribe}}
    return {
        "A": {
            "users": [user, {"user": "free", "password": "p"}],
            "imports": [{"stream": {"account": "X", "subject": ">"}, "prefix": "i"}],
            "mappings": {"m": "a.b", "n": "b"},
        },
        "X": {"users": [{"user": "x", "password": "p"}], "exports": [{"stream": ">"}]},
    }


def login(place: MemoryPlace, user: str) -> MemoryLine:
    line = MemoryLine(place)
    line.send(f'CONNECT {{"verbose":false,"headers":true,"user":"{user}","pass":"p"}}\r\n'.encode())
    line.receive(0)
    return line


def heard(line: MemoryLine) -> list[tuple[str, str]]:
    """Subjects and sids of the messages that came."""
    said = line.receive(0) or b""
    found = re.findall(rb"^H?MSG (\S+) (\S+) ", said, re.MULTILINE)
    return [(subject.decode(), sid.decode()) for subject, sid in found]


def say_everything(place: MemoryPlace) -> None:
    """Every subject there is, by every way a message can come."""
    free, other = login(place, "free"), login(place, "x")
    for subject in [*SUBJECTS, "m", "n"]:
        free.send(f"PUB {subject} 1\r\nx\r\nHPUB {subject} r 12 13\r\nNATS/1.0\r\n\r\nx\r\n".encode())
        other.send(f"PUB {subject} 1\r\nx\r\n".encode())
    free.close()
    other.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.none() | rules, rules, rules, wanted)
def test_nothing_that_is_denied_is_ever_delivered(
    allow: list[str] | None, deny: list[str], later: list[str], subscriptions: list[tuple[str, str]]
) -> None:
    place = MemoryPlace([], {"accounts": world(allow, deny)})
    groups = {str(sid): queue for sid, (_, queue) in enumerate(subscriptions)}
    line = login(place, "u")
    for sid, (subject, queue) in enumerate(subscriptions):
        line.send(f"SUB {subject} {queue} {sid}\r\n".encode())
    line.receive(0)
    for now in (deny, later):
        if now is later:
            place.server.reload(Options(host="127.0.0.1", accounts=world(allow, later)))
            line.receive(0)
        say_everything(place)
        for subject, sid in heard(line):
            assert not is_denied(now, subject, groups[sid]), (subject, groups[sid], now)
            assert takes(subscriptions[int(sid)][0], subject)


@settings(max_examples=60, deadline=None)
@given(st.none() | rules, rules)
def test_nothing_that_may_not_be_published_reaches_anybody(allow: list[str] | None, deny: list[str]) -> None:
    """Also not by a mapping, a header, a reply subject or an import of a service."""
    plain = [rule for rule in (allow or []) if " " not in rule]
    bad = [rule for rule in deny if " " not in rule]
    publish: dict[str, Any] = {"deny": bad}
    if allow is not None:
        publish["allow"] = plain
    user = {"user": "u", "password": "p", "permissions": {"publish": publish}}
    accounts = {
        "A": {
            "users": [user, {"user": "free", "password": "p"}],
            "mappings": {"m": "a.b"},
            "imports": [{"service": {"account": "X", "subject": "s.>"}, "to": "i.>"}],
        },
        "X": {"users": [{"user": "x", "password": "p"}], "exports": [{"service": "s.>"}]},
    }
    place = MemoryPlace([], {"accounts": accounts})
    free, other, line = login(place, "free"), login(place, "x"), login(place, "u")
    for one in (free, other):
        one.send(b"SUB > 1\r\n")
        one.receive(0)
    for subject in [*SUBJECTS, "m"]:
        becomes = "a.b" if subject == "m" else subject  # a mapping does not carry anything where its user may not
        allowed = allow is None or any(takes(rule, becomes) for rule in plain)
        allowed = allowed and not any(takes(rule, becomes) for rule in bad)
        for frame in (f"PUB {subject} 1\r\nx", f"HPUB {subject} 12 13\r\nNATS/1.0\r\n\r\nx", f"PUB {subject} r 1\r\nx"):
            line.send(f"{frame}\r\n".encode())
            told = line.receive(0) or b""
            assert bool(heard(free) + heard(other)) is allowed, (subject, frame)
            assert (b"Permissions Violation for Publish" in told) is not allowed


@pytest.mark.parametrize(
    "name", ["Nats-Trace-Dest", "nats-trace-dest", "Nats-Trace-Only", "traceparent", "Nats-Trace-Hop"]
)
def test_no_header_has_the_server_publish_anything(name: str) -> None:
    """2026-15, 2026-20: the server sends nothing on a client's wish where the client may not."""
    user = {"user": "u", "password": "p", "permissions": {"publish": {"allow": "a"}, "subscribe": {"allow": "c"}}}
    place = MemoryPlace([], {"accounts": {"A": {"users": [user, {"user": "free", "password": "p"}]}}})
    watcher, line = login(place, "free"), login(place, "u")
    watcher.send(b"SUB > 1\r\n")
    header = f"NATS/1.0\r\n{name}: secret\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    line.send(b"HPUB a %d %d\r\n%bx\r\n" % (len(header), len(header) + 1, header))
    place.wait(1)
    assert heard(watcher) == [("a", "1")]
    line.send(b"HPUB a secret %d %d\r\n%bx\r\nPING\r\n" % (len(header), len(header) + 1, header))
    place.wait(1)
    assert heard(watcher) == [("a", "1")]


def test_no_responders_go_to_the_asker_alone_and_only_where_it_may_listen() -> None:
    user = {"user": "u", "password": "p", "permissions": {"publish": {"allow": "a"}, "subscribe": {"allow": "c"}}}
    place = MemoryPlace([], {"accounts": {"A": {"users": [user, {"user": "free", "password": "p"}]}}})
    watcher, line = login(place, "free"), MemoryLine(place)
    watcher.send(b"SUB secret 1\r\nSUB c 2\r\n")
    line.send(b'CONNECT {"verbose":false,"headers":true,"no_responders":true,"user":"u","pass":"p"}\r\nSUB c 1\r\n')
    line.receive(0)
    line.send(b"PUB a secret 0\r\n\r\nPUB a c 0\r\n\r\nPING\r\n")
    place.wait(1)
    assert heard(watcher) == []
    assert heard(line) == [("c", "1")]
