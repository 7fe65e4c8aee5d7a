"""Subscriptions that reach into another account, and messages that are carried into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.kernel.conftest import Bench, Peer


def shadow(
    bench: Bench, peer: Peer, origin: Any, subject: bytes, rename: Callable[[bytes], bytes] | None = None
) -> Any:
    """What stands for a subscription in the bench's sublist, the exporter's."""
    names = None if rename is None else bench.kernel.Renames(rename)
    made = bench.kernel.Subscription(subject, origin.sid, origin.queue, None, bench.kernel.Shadow(origin, names))
    bench.sublist.insert(made)
    return made


def importer(bench: Bench, subject: bytes, queue: bytes | None = None) -> tuple[Peer, Any, Any]:
    """A peer of another account with a subscription, and that account's sublist."""
    sublist = bench.kernel.Sublist(bench.road)
    peer = Peer(bench.kernel, bench.road, sublist)
    sub = bench.kernel.Subscription(subject, b"7", queue, peer.outbound)
    sublist.insert(sub)
    return peer, sub, sublist


def test_a_shadow_gives_to_its_origin_under_the_name_it_has_there(bench: Bench) -> None:
    asked: list[bytes] = []

    def rename(subject: bytes) -> bytes:
        asked.append(subject)
        return b"in." + subject

    peer, sub, _ = importer(bench, b"in.>")
    shadow(bench, peer, sub, b"a.*", rename)
    publisher = bench.peer()
    publisher.says(b"PUB a.1 r 2\r\nhi\r\nPUB a.2 0\r\n\r\nPUB a.1 0\r\n\r\nPUB b 0\r\n\r\n")
    assert peer.gets() == b"MSG in.a.1 7 r 2\r\nhi\r\nMSG in.a.2 7 0\r\n\r\nMSG in.a.1 7 0\r\n\r\n"
    assert asked == [b"a.1", b"a.2"]
    assert sub.delivered == 3


def test_a_shadow_beside_many_others_is_given_to(bench: Bench) -> None:
    peer, sub, _ = importer(bench, b"a")
    shadow(bench, peer, sub, b"a")
    others = [bench.peer() for _ in range(3)]
    for other in others:
        bench.subscribe(other, b"a")
    bench.peer().says(b"PUB a 2\r\nhi\r\n")
    assert peer.gets() == b"MSG a 7 2\r\nhi\r\n"
    assert [other.gets() for other in others] == [b"MSG a 1 2\r\nhi\r\n"] * 3


def test_the_maximum_of_the_origin_holds_for_what_its_shadow_brings(bench: Bench) -> None:
    peer, sub, sublist = importer(bench, b"a")
    shadow(bench, peer, sub, b"a")
    sub.max = 2
    bench.peer().says(b"PUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n")
    assert peer.gets() == b"MSG a 7 1\r\n1\r\nMSG a 7 1\r\n2\r\n"
    assert peer.told == [("unsubscribed", b"7")] and sub.closed
    assert sublist.remove(sub) and len(sublist) == 0


def test_the_filter_of_the_origin_holds_for_its_own_name_of_a_subject(bench: Bench) -> None:
    peer, sub, _ = importer(bench, b"in.>")
    sub.filter = bench.kernel.Verdicts(lambda subject: subject != b"in.no", 1)
    shadow(bench, peer, sub, b"*", lambda subject: b"in." + subject)
    bench.peer().says(b"PUB no 0\r\n\r\nPUB in.no 0\r\n\r\nPUB yes 0\r\n\r\n")
    assert peer.gets() == b"MSG in.yes 7 0\r\n\r\n"


def test_a_shadow_is_not_given_what_came_over_a_border(bench: Bench) -> None:
    peer, sub, _ = importer(bench, b"a")
    shadow(bench, peer, sub, b"a")
    own = bench.peer()
    bench.subscribe(own, b"a")
    assert bench.sublist.bring(b"a", b"r", b"NATS/1.0\r\n\r\n", b"hi") == 1
    bench.road.settle()
    assert peer.gets() == b"" and own.gets() == b"MSG a 1 r 2\r\nhi\r\n"
    assert bench.sublist.publish(b"a", None, None, b"hi") == 2


def test_a_shadow_is_not_given_answers_to_others(bench: Bench) -> None:
    peer, sub, _ = importer(bench, b"in.>")
    shadow(bench, peer, sub, b">", lambda subject: b"in." + subject)
    bench.peer().says(b"PUB _R_.x 0\r\n\r\nPUB _R_ 0\r\n\r\n")
    assert peer.gets() == b"MSG in._R_ 7 0\r\n\r\n"


def test_a_shadow_shares_a_queue_group_with_the_exporters_members(bench: Bench) -> None:
    peer, sub, _ = importer(bench, b"a", b"q")
    shadow(bench, peer, sub, b"a")
    own = bench.peer()
    bench.subscribe(own, b"a", b"1", b"q")
    bench.peer().says(b"PUB a 0\r\n\r\n" * 50)
    shares = peer.gets().count(b"MSG"), own.gets().count(b"MSG")
    assert sum(shares) == 50 and min(shares) > 5


def test_a_shadow_of_a_subscription_that_is_gone_gives_nothing(bench: Bench) -> None:
    peer, sub, sublist = importer(bench, b"a")
    shadow(bench, peer, sub, b"a")
    sublist.remove(sub)
    bench.peer().says(b"PUB a 0\r\n\r\n")
    assert peer.gets() == b""


def test_many_names_are_asked_for_again_rather_than_kept(bench: Bench) -> None:
    names = bench.kernel.Renames(lambda subject: b"x." + subject)
    for number in range(20000):
        assert names.name(b"%d" % number) == b"x.%d" % number
    assert names.name(b"0") == b"x.0"


def test_a_carrier_is_called_at_once_and_says_whether_anybody_took_it(bench: Bench) -> None:
    carried: list[tuple[bytes, bytes | None, bytes | None, bytes, object]] = []

    def carry(subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes) -> int:
        carried.append((subject, reply, header, payload, bench.road.speaker))
        return len(payload)

    sub = bench.kernel.Subscription(b"s.*", b"", None, None, bench.kernel.Carrier(carry))
    bench.sublist.insert(sub)
    asker = bench.peer()
    asker.inbound.headers = asker.outbound.headers = asker.inbound.no_responders = True
    bench.subscribe(asker, b"inbox")
    asker.says(b"PUB s.1 inbox 2\r\nhi\r\nHPUB s.2 inbox 12 12\r\nNATS/1.0\r\n\r\n\r\n")
    assert carried == [
        (b"s.1", b"inbox", None, b"hi", asker),
        (b"s.2", b"inbox", b"NATS/1.0\r\n\r\n", b"", asker),
    ]
    header = b"NATS/1.0 503\r\nNats-Subject: s.2\r\n\r\n"
    assert asker.gets() == b"HMSG inbox 1 %d %d\r\n%b\r\n" % (len(header), len(header), header)
    assert sub.delivered == 1 and bench.road.speaker is None


def test_what_is_brought_is_mapped_and_not_given_to_whom_it_is_not_for(bench: Bench) -> None:
    bench.sublist.mapper = lambda subject: (b"new", True)
    one, other = bench.peer(), bench.peer()
    bench.subscribe(one, b"new")
    bench.subscribe(other, b"new")
    assert bench.sublist.bring(b"old", None, None, b"hi", other.outbound) == 1
    assert bench.sublist.bring(b"old", None, None, b"hi") == 2
    bench.road.settle()
    assert one.gets() == b"MSG new 1 2\r\nhi\r\n" * 2 and other.gets() == b"MSG new 1 2\r\nhi\r\n"
