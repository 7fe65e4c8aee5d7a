"""What services beside the road have delivered: acknowledgements, stored messages, and word of who is interested."""

from __future__ import annotations

from typing import Any

import pytest

HEADER = b"NATS/1.0\r\n\r\n"
ACK = b"$JS.ACK.S.C."


def published(*replies: bytes | None) -> list[tuple[bytes, bytes | None, None, bytes]]:
    return [(b"s", reply, None, b"x") for reply in replies]


def test_each_message_with_a_reply_is_acknowledged_by_its_sequence(bench: Any) -> None:
    peer = bench.peer()
    bench.subscribe(peer, b"inbox.*")
    batch = published(b"inbox.z", b"inbox.a", None, b"inbox.b", b"nobody", b"inbox.c")
    bench.sublist.publish_acks(batch, 1, 4, b"+", 99, b"!")
    bench.road.settle()
    assert peer.gets() == b"MSG inbox.a 1 4\r\n+99!\r\nMSG inbox.b 1 5\r\n+101!\r\n"
    assert bench.road.out_msgs == 2
    bench.sublist.publish_acks(batch, 5, 100, b"", (1 << 64) - 1, b"")
    bench.road.settle()
    assert peer.gets() == b"MSG inbox.c 1 20\r\n18446744073709551615\r\n"


def test_acknowledgements_find_every_kind_of_interest(bench: Any) -> None:
    peers = [bench.peer() for _ in range(5)]
    for peer, subject in zip(peers, [b"i.x.*", b"i.x.2", b"*.x.3", b"i.>", b"i.x.*.*"], strict=True):
        bench.subscribe(peer, subject)
    batch = published(b"i.x.1", b"i.x.2", b"i.x.3", b"i.x.3.4", b"i.x.", b"one", b"i.y.1")
    bench.sublist.publish_acks(batch, 0, len(batch), b"", 1, b"")
    bench.road.settle()
    assert [[line.split()[1] for line in peer.gets().split(b"\r\n")[:-1:2]] for peer in peers] == [
        [b"i.x.1", b"i.x.2", b"i.x.3"],
        [b"i.x.2"],
        [b"i.x.3"],
        [b"i.x.1", b"i.x.2", b"i.x.3", b"i.x.3.4", b"i.y.1"],
        [b"i.x.3.4"],
    ]


def test_acknowledgements_follow_subscriptions_that_come_and_go(bench: Any) -> None:
    first, second = bench.peer(), bench.peer()
    sub = bench.subscribe(first, b"i.*")
    batch = published(b"i.1", b"i.2")
    bench.sublist.publish_acks(batch, 0, 2, b"", 1, b"")
    bench.subscribe(second, b"i.2")
    bench.sublist.publish_acks(batch, 0, 2, b"", 3, b"")
    bench.sublist.remove(sub)
    bench.sublist.publish_acks(batch, 0, 2, b"", 5, b"")
    bench.road.settle()
    assert first.outbound.out_msgs == 4
    assert second.gets() == b"MSG i.2 1 1\r\n4\r\nMSG i.2 1 1\r\n6\r\n"


def test_what_is_no_message_is_not_acknowledged(bench: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        bench.sublist.publish_acks([(b"s",)], 0, 1, b"", 1, b"")
    bench.sublist.publish_acks([], 0, 5, b"", 1, b"")


def test_plain_acknowledgements_are_gathered_up_to_the_first_message_that_is_none(bench: Any) -> None:
    def acks(*tails: bytes, payload: bytes = b"", reply: bytes | None = None) -> list[Any]:
        return [(ACK + tail, reply, None, payload) for tail in tails]

    batch = acks(b"1.7.1.5.0", b"1.0.1.5.0", b"1.9.1.5.0", b"2.3.1", b"1.8.", payload=b"+ACK")
    batch += acks(b"1.4.2.5.0", payload=b"+OK", reply=b"inbox.a") + acks(b"1.9.2.5.0", reply=b"inbox.b")
    seqs: list[int] = []
    replies: list[bytes] = []
    assert bench.sublist.plain_acks(batch, 0, ACK, 8, seqs, replies) == len(batch)
    assert (seqs, replies) == ([7, 3, 8, 4], [b"inbox.a"])
    assert bench.sublist.plain_acks(batch, 6, ACK, 9, seqs, replies) == len(batch)
    assert (seqs[4:], replies[1:]) == ([9], [b"inbox.b"])
    assert bench.sublist.plain_acks(batch, 7, ACK, 9, seqs, replies) == len(batch)
    others = [*acks(b"1.5.1.5.0", payload=b"-NAK"), *acks(b"", b"1", b"1.5", b"1.x.1", b"1..1", b"1.+5.1", b"1.-5.1")]
    others += [
        *acks(b"1.1234567890123456789.1", b"1.12345678901234567890123.1"),
        (b"$JS.ACK.S.D.1.5.1.5.0", None, None, b""),
    ]
    for other in others:
        assert bench.sublist.plain_acks([*acks(b"1.5.1"), other], 0, ACK, 9, [], []) == 1
    with pytest.raises(ValueError, match="no place -1"):
        bench.sublist.plain_acks(batch, -1, ACK, 9, seqs, replies)


def test_a_message_is_delivered_under_another_subject(bench: Any) -> None:
    peer, plain, member = bench.peer(), bench.peer(), bench.peer()
    heard: list[Any] = []
    peer.outbound.headers = True
    bench.subscribe(peer, b"to.me")
    bench.subscribe(plain, b"to.*")
    bench.subscribe(member, b"to.me", b"9", b"q")
    bench.sublist.insert(bench.kernel.Subscription(b"to.>", b"", None, None, heard.extend))
    assert bench.sublist.deliver_as(b"to.me", b"stored", b"ack", HEADER, b"x") == 4
    assert bench.sublist.deliver_as(b"to.nobody.else", b"stored", None, None, b"y") == 1
    assert bench.sublist.deliver_as(b"none", b"stored", None, None, b"y") == 0
    bench.road.settle()
    assert peer.gets() == b"HMSG stored 1 ack 12 13\r\nNATS/1.0\r\n\r\nx\r\n"
    assert plain.gets() == b"MSG stored 1 ack 1\r\nx\r\n"
    assert member.gets() == b"MSG stored 9 ack 1\r\nx\r\n"
    assert heard == [(b"stored", b"ack", HEADER, b"x"), (b"stored", None, None, b"y")]


def test_what_may_not_be_delivered_is_not_taken(bench: Any) -> None:
    peer = bench.peer()
    sub = bench.subscribe(peer, b"to")
    sub.filter = bench.kernel.Verdicts(lambda subject: subject != b"secret", 1)
    assert bench.sublist.deliver_as(b"to", b"secret", None, None, b"") == 0
    assert bench.sublist.deliver_as(b"to", b"open", None, None, b"") == 1


def test_stored_messages_are_delivered_with_their_numbers(bench: Any) -> None:
    peer = bench.peer()
    peer.outbound.headers = True
    bench.subscribe(peer, b"to")
    messages = [(5, b"a", None, b"one", 77), (1 << 63, b"b.c", HEADER, b"", 77), (8, b"d", None, b"x" * 5000, 1 << 62)]
    assert bench.sublist.deliver_stored(b"to", messages, ACK, 2, 10, 1) == 3
    bench.road.settle()
    assert peer.gets() == (
        b"MSG a 1 $JS.ACK.S.C.2.5.10.77.1 3\r\none\r\n"
        b"HMSG b.c 1 $JS.ACK.S.C.2.9223372036854775808.11.77.0 12 12\r\nNATS/1.0\r\n\r\n\r\n"
        b"MSG d 1 $JS.ACK.S.C.2.8.12.4611686018427387904.-1 5000\r\n" + b"x" * 5000 + b"\r\n"
    )
    assert (bench.road.out_msgs, bench.road.out_bytes) == (3, 5015)


def test_delivery_stops_where_nobody_takes_any_more(bench: Any) -> None:
    bench.road.max_pending = 500
    peer = bench.peer()
    sub = bench.subscribe(peer, b"to")
    messages = [(seq, b"a", None, b"x" * 100, 1) for seq in range(1, 20)]
    assert bench.sublist.deliver_stored(b"none", messages, ACK, 1, 1, 1) == 0
    sub.max = 2
    assert bench.sublist.deliver_stored(b"to", messages, ACK, 1, 1, 1) == 2
    bench.subscribe(peer, b"to", b"2")
    assert bench.sublist.deliver_stored(b"to", messages, ACK, 1, 1, 1) == 2
    bench.road.settle()
    assert peer.told == [("unsubscribed", b"1"), "slow"]
    assert bench.sublist.deliver_stored(b"to", messages, ACK, 1, 1, 1) == 0


def test_stored_messages_reach_local_handlers_and_groups(bench: Any) -> None:
    heard: list[Any] = []
    first, second = bench.peer(), bench.peer()
    bench.sublist.insert(bench.kernel.Subscription(b"to", b"", None, None, heard.extend))
    bench.subscribe(first, b"to", b"1", b"q")
    bench.subscribe(second, b"to", b"1", b"q")
    messages = [(seq, b"a", HEADER, b"x", 1) for seq in range(40)]
    assert bench.sublist.deliver_stored(b"to", messages, ACK, 1, 1, 40) == 40
    bench.road.settle()
    assert heard[0] == (b"a", b"$JS.ACK.S.C.1.0.1.1.40", HEADER, b"x")
    assert len(heard) == 40
    assert first.outbound.out_msgs + second.outbound.out_msgs == 40
    assert first.outbound.out_msgs > 0 < second.outbound.out_msgs


def test_the_trace_shows_what_is_delivered(bench: Any) -> None:
    peer = bench.peer()
    bench.subscribe(peer, b"to")
    bench.road.trace = []
    bench.sublist.deliver_as(b"to", b"stored", b"ack", HEADER, b"xyz")
    assert bench.road.trace == [(peer, b"->>", b"MSG stored 1 ack 3", b"xyz")]


def test_replies_of_what_is_delivered_are_noted(bench: Any) -> None:
    peer = bench.peer()
    bench.subscribe(peer, b"to")
    peer.outbound.replies = []
    bench.sublist.deliver_stored(b"to", [(3, b"a", None, b"", 4)], ACK, 1, 2, 5)
    assert peer.outbound.replies == [b"$JS.ACK.S.C.1.3.2.4.5"]


def test_a_stored_message_must_be_whole(bench: Any) -> None:
    bench.subscribe(bench.peer(), b"to")
    for wrong in [(1, b"a", None, b""), (1, "a", None, b"", 1), (1, b"a", None, None, 1)]:
        with pytest.raises((TypeError, ValueError)):
            bench.sublist.deliver_stored(b"to", [wrong], ACK, 1, 1, 1)


def test_a_change_of_interest_is_told(bench: Any) -> None:
    told: list[bytes] = []
    bench.sublist.on_changed = told.append
    peer = bench.peer()
    sub = bench.subscribe(peer, b"a")
    bench.subscribe(peer, b"b.*").max = 1
    assert bench.sublist.remove(sub)
    assert not bench.sublist.remove(sub)
    bench.sublist.publish(b"b.c", None, None, b"")
    assert told == [b"a", b"b.*", b"a", b"b.*"]
