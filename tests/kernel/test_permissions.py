"""What the kernel does with rights: filtered deliveries, replies that are noted, verdicts that are not remembered."""

from __future__ import annotations

from typing import Any

from natsd.protocol import ops as op

from .conftest import Bench, Peer


def filtered(bench: Bench, peer: Peer, subject: bytes, *denied: bytes, queue: bytes | None = None) -> list[bytes]:
    """Subscribe with a filter; returns the list of what the filter is asked."""
    asked: list[bytes] = []

    def check(subject: bytes) -> bool:
        asked.append(subject)
        return subject not in denied

    sub = bench.kernel.Subscription(subject, b"1", queue, peer.outbound)
    sub.filter = bench.kernel.Verdicts(check, bench.road.seed)
    bench.sublist.insert(sub)
    return asked


def test_a_filter_keeps_messages_away_and_is_asked_once_per_subject(bench: Bench) -> None:
    peer, other, publisher = bench.peer(), bench.peer(), bench.peer()
    asked = filtered(bench, peer, b"a.*", b"a.no")
    bench.subscribe(other, b"a.*")
    publisher.says(b"PUB a.yes 1\r\nx\r\nPUB a.no 1\r\nx\r\n" * 3)
    assert peer.gets() == b"MSG a.yes 1 1\r\nx\r\n" * 3
    assert other.gets().count(b"MSG") == 6
    assert asked == [b"a.yes", b"a.no"]
    assert peer.outbound.out_msgs == 3


def test_a_filter_holds_for_headers_large_messages_and_the_server_s_own(bench: Bench) -> None:
    peer, publisher = bench.peer(), bench.peer()
    publisher.inbound.headers = peer.outbound.headers = True
    filtered(bench, peer, b">", b"no")
    publisher.says(b"HPUB no 12 12\r\nNATS/1.0\r\n\r\n\r\n")
    publisher.says(b"PUB no 100000\r\n" + b"x" * 100_000 + b"\r\n")
    assert bench.road.publish(bench.sublist, b"no", None, None, b"") == 0
    assert bench.road.publish(bench.sublist, b"yes", None, None, b"") == 1
    bench.road.settle()
    assert peer.gets() == b"MSG yes 1 0\r\n\r\n"


def test_a_group_gives_the_message_to_a_member_that_may_have_it(bench: Bench) -> None:
    peer, other, publisher = bench.peer(), bench.peer(), bench.peer()
    filtered(bench, peer, b"a", b"a", queue=b"q")
    bench.subscribe(other, b"a", queue=b"q")
    publisher.says(b"PUB a 0\r\n\r\n" * 20)
    assert peer.gets() == b""
    assert other.gets().count(b"MSG") == 20


def test_nobody_who_may_have_it_is_nobody_at_all(bench: Bench) -> None:
    peer = bench.peer()
    peer.inbound.headers = peer.outbound.headers = peer.inbound.no_responders = True
    filtered(bench, peer, b"s.>", b"s.no")
    bench.subscribe(peer, b"r", sid=b"2")
    peer.says(b"PUB s.no r 0\r\n\r\n")
    assert b"503" in peer.gets()


def test_the_server_s_no_is_filtered_as_well(bench: Bench) -> None:
    peer = bench.peer()
    peer.inbound.headers = peer.outbound.headers = peer.inbound.no_responders = True
    filtered(bench, peer, b"r.>", b"r.no")
    peer.says(b"PUB nobody r.no 0\r\n\r\n")
    assert peer.gets() == b""
    peer.says(b"PUB nobody r.yes 0\r\n\r\n")
    assert b"503" in peer.gets()


def test_a_filtered_message_does_not_count_towards_a_maximum(bench: Bench) -> None:
    peer, publisher = bench.peer(), bench.peer()
    sub = bench.kernel.Subscription(b"a.*", b"1", None, peer.outbound)
    sub.filter = bench.kernel.Verdicts(lambda subject: subject != b"a.no", bench.road.seed)
    sub.max = 2
    bench.sublist.insert(sub)
    publisher.says(b"PUB a.no 0\r\n\r\n" * 5 + b"PUB a.yes 0\r\n\r\n" * 5)
    assert peer.gets().count(b"MSG") == 2


def replying(peer: Peer) -> set[bytes]:
    """Let the peer publish on reply subjects it was given, once each."""
    noted: set[bytes] = set()

    def on_replies() -> None:
        noted.update(peer.outbound.replies)
        peer.outbound.replies = []

    def check(subject: bytes) -> bool:
        on_replies()
        if subject not in noted:
            return False
        noted.remove(subject)
        return True

    peer.on_replies: Any = on_replies
    peer.outbound.replies = []
    peer.inbound.publish_check = lambda subject: False
    peer.inbound.reply_check = check
    return noted


def test_replies_are_noted_when_delivered_and_allow_one_answer_each(bench: Bench) -> None:
    service, asker = bench.peer(), bench.peer()
    noted = replying(service)
    bench.subscribe(service, b"s")
    bench.subscribe(asker, b"r.*")
    service.says(b"PUB r.1 0\r\n\r\n")
    assert service.ops == [(op.DENIED, b"r.1")]
    asker.says(b"PUB s r.1 0\r\n\r\nPUB s r.2 0\r\n\r\nPUB s 0\r\n\r\n")
    assert noted == {b"r.1", b"r.2"}
    service.says(b"PUB r.1 0\r\n\r\nPUB r.1 0\r\n\r\nPUB r.2 0\r\n\r\nPUB r.2 0\r\n\r\n")
    assert service.ops[1:] == [(op.DENIED, b"r.1"), (op.DENIED, b"r.2")]
    assert asker.gets().count(b"MSG") == 2


def test_a_request_to_oneself_may_be_answered_within_the_same_read(bench: Bench) -> None:
    peer = bench.peer()
    replying(peer)
    peer.inbound.publish_check = lambda subject: subject == b"s"
    bench.subscribe(peer, b"s")
    peer.says(b"PUB s r 0\r\n\r\nPUB r 0\r\n\r\nPUB r 0\r\n\r\n")
    assert peer.ops == [(op.DENIED, b"r")]


def test_replies_are_noted_for_every_way_of_delivery(bench: Bench) -> None:
    service, second, asker = bench.peer(), bench.peer(), bench.peer()
    noted = replying(service)
    asker.inbound.headers = True
    bench.subscribe(service, b"s")
    bench.subscribe(second, b"s")
    asker.says(b"PUB s one 0\r\n\r\n")
    asker.says(b"HPUB s two 12 12\r\nNATS/1.0\r\n\r\n\r\n")
    asker.says(b"PUB s three 100000\r\n" + b"x" * 100_000 + b"\r\n")
    bench.road.publish(bench.sublist, b"s", b"four", None, b"")
    bench.road.settle()
    assert noted == {b"one", b"two", b"three", b"four"}


def test_verdicts_are_bounded_right_and_can_be_forgotten(bench: Bench) -> None:
    asked: list[bytes] = []

    def check(subject: bytes) -> bool:
        asked.append(subject)
        return subject.endswith(b"1")

    verdicts = bench.kernel.Verdicts(check, bench.road.seed)
    for _ in range(2):
        assert [verdicts.allows(b"%d" % number) for number in range(20)] == [number % 10 == 1 for number in range(20)]
    assert len(asked) <= 30
    for number in range(10_000):
        assert verdicts.allows(b"%d" % number) is (number % 10 == 1)
    verdicts.forget()
    before = len(asked)
    assert verdicts.allows(b"1")
    assert len(asked) == before + 1
