"""Nothing of JetStream acts on another account: each subject of its API, asked in one about what another one has.

CVE-2025-30215.
"""

from __future__ import annotations

import json

from natsd.accounts.account import Account
from natsd.jetstream.api.consumer_api import ROUTES as CONSUMERS
from natsd.jetstream.api.message_api import ROUTES as MESSAGES
from natsd.jetstream.api.snapshot_api import ROUTES as SNAPSHOTS
from natsd.jetstream.api.stream_api import ROUTES as STREAMS
from natsd.kernel import Subscription
from tests.jetstream.house import House

BODIES = (
    b"",
    b'{"name":"S"}',
    b'{"seq":1}',
    b'{"filter":"s.a"}',
    b'{"account":"$G","server":"test","cluster":"c"}',
    b'{"batch":1,"no_wait":true}',
    b'{"deliver_subject":"_INBOX.b"}',
    b'{"stream_name":"S","config":{"durable_name":"X","ack_policy":"explicit"}}',
    b'{"name":"MINE","mirror":{"name":"S"}}',
)


def test_no_subject_of_the_api_reaches_another_account() -> None:
    house = House()
    house.stream("S")
    house.consumer("C")
    house.fill(5)
    before = (house.ask("STREAM.INFO.S")["state"], house.numbers())
    other = Account("B", house.road)
    house.jetstream.enable(other)
    heard: list[tuple[bytes, bytes | None, bytes | None, bytes]] = []
    other.sublist.insert(Subscription(b"_INBOX.>", b"", None, None, heard.extend))
    other.sublist.insert(Subscription(b"s.>", b"", None, None, heard.extend))
    routes = [route.pattern for route in (*CONSUMERS, *MESSAGES, *SNAPSHOTS, *STREAMS)]
    assert len(routes) > 20
    for pattern in routes:
        for names in (("S", "C"), ("S", "X"), ("$G.S", "C")):
            subject = pattern.replace(">", "s.a")
            for name in names:
                subject = subject.replace("*", name, 1)
            for body in BODIES:
                if (b"mirror" in body or b'{"name":"S"}' in body) and "CREATE" in subject:
                    continue  # what the account makes for itself is its own
                other.sublist.publish(b"$JS.API." + subject.encode(), b"_INBOX.b", None, body)
                house.settle()
    for subject in (b"$JS.ACK.S.C.1.1.1.1.0", b"$JS.FC.S.C.x", b"$JS.SNAPSHOT.ACK.S.x", b"s.a"):
        other.sublist.publish(subject, b"_INBOX.b", None, b"")
    house.move(5)
    assert (house.ask("STREAM.INFO.S")["state"], house.numbers()) == before
    for _, _, _, payload in heard:
        if payload.startswith(b"{"):
            answer = json.loads(payload)
            assert "state" not in answer and not answer.get("streams") and not answer.get("success"), answer
        assert payload not in (b"0", b"1", b"2", b"3", b"4")
    assert heard


def test_a_mirror_finds_no_stream_of_another_account() -> None:
    house = House()
    house.stream("S")
    house.fill(3)
    other = Account("B", house.road)
    home = house.jetstream.enable(other)
    config = b'{"name":"M","mirror":{"name":"S"}}'
    other.sublist.publish(b"$JS.API.STREAM.CREATE.M", b"_INBOX.b", None, config)
    sources = b'{"name":"N","sources":[{"name":"S"}]}'
    other.sublist.publish(b"$JS.API.STREAM.CREATE.N", b"_INBOX.b", None, sources)
    house.move(30)
    for stream in home.streams.values():
        assert stream.store.state.msgs == 0
