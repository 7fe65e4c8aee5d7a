"""Subscriptions: which match a subject, in both forms of the kernel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natsd.subjects.match import matches

from .conftest import Bench

TOKENS = st.sampled_from([b"a", b"b", b"cc", b"*"])
FILTERS = st.builds(
    lambda tokens, rest: b".".join([*tokens, b">"] if rest else tokens),
    st.lists(TOKENS, min_size=1, max_size=4),
    st.booleans(),
)
SUBJECTS = st.lists(st.sampled_from([b"a", b"b", b"cc", b"*", b"ddddddddddddddddddddd"]), min_size=1, max_size=5).map(
    b".".join
)


def sids(found: list[Any]) -> list[bytes]:
    return sorted(sub.sid for sub in found)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    filters=st.lists(st.tuples(FILTERS, st.booleans()), max_size=25),
    subjects=st.lists(SUBJECTS, max_size=10),
    data=st.data(),
)
def test_matching_equals_a_naive_scan_while_subscriptions_come_and_go(
    kernel: SimpleNamespace, filters: list[tuple[bytes, bool]], subjects: list[bytes], data: st.DataObject
) -> None:
    road = kernel.Road(1)
    sublist = kernel.Sublist(road)
    alive: list[Any] = []
    for number, (subject, queued) in enumerate(filters):
        sub = kernel.Subscription(subject, b"%d" % number, b"q" if queued else None, None, lambda batch: None)
        sublist.insert(sub)
        alive.append(sub)
        if alive and data.draw(st.integers(0, 3)) == 0:
            gone = alive.pop(data.draw(st.integers(0, len(alive) - 1)))
            assert sublist.remove(gone)
            assert not sublist.remove(gone)
        for published in subjects:
            wanted = [sub for sub in alive if matches(sub.subject, published)]
            assert sublist.has_interest(published) == bool(wanted)  # fills the cache, and reads it the next time
            plain, groups = sublist.match(published)
            assert sids(plain) == sids([sub for sub in wanted if sub.queue is None])
            assert [sids(members) for members in groups] == (
                [sids([s for s in wanted if s.queue])] if any(s.queue for s in wanted) else []
            )
    assert len(sublist) == len(alive)
    assert sids(list(sublist.subscriptions())) == sids(alive)


@pytest.mark.parametrize("subject", [b"", b".", b"a.", b".a", b"a..b"])
def test_a_subject_with_an_empty_token_matches_nothing(bench: Any, subject: bytes) -> None:
    peer = bench.peer()
    bench.subscribe(peer, b">")
    bench.subscribe(peer, b"*.*")
    assert bench.sublist.match(subject) == ([], [])
    assert not bench.sublist.has_interest(subject)


def test_a_subscription_needs_somebody_to_deliver_to(kernel: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="neither an outbound nor a handler"):
        kernel.Subscription(b"a", b"1")


def test_a_subject_of_thousands_of_tokens_is_matched_without_recursion(bench: Any) -> None:
    peer = bench.peer()
    deep = b".".join([b"t"] * 20000)
    bench.subscribe(peer, b".".join([b"*"] * 20000))
    bench.subscribe(peer, b".".join([b"t"] * 10000) + b".>", b"2")
    assert len(bench.sublist.match(deep)[0]) == 2


def test_the_cache_follows_a_literal_subscription(bench: Any) -> None:
    peer = bench.peer()
    other = bench.peer()
    peer.says(b"PUB a 1\r\nx\r\n")
    sub = bench.subscribe(other, b"a")
    peer.says(b"PUB a 1\r\ny\r\n")
    assert other.gets() == b"MSG a 1 1\r\ny\r\n"
    bench.sublist.remove(sub)
    peer.says(b"PUB a 1\r\nz\r\n")
    assert other.gets() == b""


def test_the_cache_follows_a_wildcard_subscription(bench: Any) -> None:
    peer = bench.peer()
    other = bench.peer()
    peer.says(b"PUB a.b 1\r\nx\r\n")
    sub = bench.subscribe(other, b"a.*")
    peer.says(b"PUB a.b 1\r\ny\r\n")
    assert other.gets() == b"MSG a.b 1 1\r\ny\r\n"
    bench.sublist.remove(sub)
    peer.says(b"PUB a.b 1\r\nz\r\n")
    assert other.gets() == b""


def test_the_cache_is_bounded(bench: Any) -> None:
    peer = bench.peer()
    bench.subscribe(peer, b">")
    for first in range(0, 300_000, 1000):
        bench.road.publish(bench.sublist, b"s.%d" % first, None, None, b"")
        for number in range(first, first + 1000, 25 if bench.kernel.form == "plain" else 1):
            bench.sublist.has_interest(b"s.%d" % number)
    assert 0 < bench.sublist.cache_count <= 262_144
    stats = bench.sublist.stats()
    assert stats["max_fanout"] == 1
    assert stats["num_subscriptions"] == 1


def test_results_that_name_many_subscriptions_do_not_fill_the_memory(bench: Any) -> None:
    peer = bench.peer()
    for number in range(3000):
        bench.subscribe(peer, b">", b"%d" % number)
    for number in range(1500):
        assert bench.sublist.has_interest(b"s.%d" % number)
    assert bench.sublist.cache_count * 3000 <= 1 << 21


def test_one_member_of_a_queue_group_gets_each_message_and_all_get_their_share(bench: Any) -> None:
    publisher = bench.peer()
    members = [bench.peer() for _ in range(4)]
    for member in members:
        bench.subscribe(member, b"work", b"1", b"q")
    publisher.says(b"PUB work 0\r\n\r\n" * 4000)
    counts = [member.outbound.out_msgs for member in members]
    assert sum(counts) == 4000
    assert min(counts) > 850


def test_groups_of_one_name_on_different_subjects_are_one_group(bench: Any) -> None:
    publisher = bench.peer()
    first, second = bench.peer(), bench.peer()
    bench.subscribe(first, b"work.*", b"1", b"q")
    bench.subscribe(second, b"work.a", b"1", b"q")
    publisher.says(b"PUB work.a 0\r\n\r\n" * 100)
    assert first.outbound.out_msgs + second.outbound.out_msgs == 100
    assert first.outbound.out_msgs and second.outbound.out_msgs


def test_a_message_for_a_closed_member_goes_to_another(bench: Any) -> None:
    publisher = bench.peer()
    first, second = bench.peer(), bench.peer()
    bench.subscribe(first, b"work", b"1", b"q")
    bench.subscribe(second, b"work", b"1", b"q")
    first.outbound.close()
    publisher.says(b"PUB work 0\r\n\r\n" * 50)
    assert second.outbound.out_msgs == 50


def test_a_subscription_ends_when_it_has_had_its_maximum(bench: Any) -> None:
    publisher, peer = bench.peer(), bench.peer()
    sub = bench.subscribe(peer, b"a")
    sub.max = 2
    publisher.says(b"PUB a 0\r\n\r\n" * 5)
    assert peer.gets() == b"MSG a 1 0\r\n\r\n" * 2
    assert peer.told == [("unsubscribed", b"1")]
    assert sub.closed
    assert len(bench.sublist) == 0


def test_a_local_handler_gets_the_messages_of_a_read_at_once(bench: Any) -> None:
    publisher = bench.peer()
    batches: list[Any] = []
    bench.sublist.insert(bench.kernel.Subscription(b"a.*", b"", None, None, batches.append))
    publisher.inbound.headers = True
    publisher.says(b"PUB a.1 r 1\r\nx\r\nHPUB a.2 12 13\r\nNATS/1.0\r\n\r\ny\r\nPUB b 0\r\n\r\n")
    publisher.says(b"PUB a.3 0\r\n\r\n")
    assert batches == [
        [(b"a.1", b"r", None, b"x"), (b"a.2", None, b"NATS/1.0\r\n\r\n", b"y")],
        [(b"a.3", None, None, b"")],
    ]


def test_subscriptions_led_by_one_share_its_batch_and_keep_the_order(bench: Any) -> None:
    publisher = bench.peer()
    batches: list[Any] = []
    lead = bench.kernel.Subscription(b"a", b"", None, None, batches.append)
    other = bench.kernel.Subscription(b"b.*", b"", None, None, batches.append)
    other.lead = lead
    bench.sublist.insert(lead)
    bench.sublist.insert(other)
    publisher.says(b"PUB b.1 0\r\n\r\nPUB a 0\r\n\r\nPUB b.2 0\r\n\r\nPUB a 0\r\n\r\n")
    assert [[message[0] for message in batch] for batch in batches] == [[b"b.1", b"a", b"b.2", b"a"]]
    assert (lead.delivered, other.delivered) == (2, 2)


def test_a_handler_may_publish_and_both_are_sent_in_one_settling(bench: Any) -> None:
    publisher, peer = bench.peer(), bench.peer()
    bench.subscribe(peer, b"out")

    def answer(batch: list[Any]) -> None:
        for _, _, _, payload in batch:
            bench.sublist.publish(b"out", None, None, payload.upper())

    bench.sublist.insert(bench.kernel.Subscription(b"in", b"", None, None, answer))
    publisher.says(b"PUB in 2\r\nhi\r\n")
    assert peer.gets() == b"MSG out 1 2\r\nHI\r\n"


def test_mapping_changes_what_is_matched_and_delivered(bench: Any) -> None:
    publisher, peer = bench.peer(), bench.peer()
    asked: list[bytes] = []

    def mapper(subject: bytes) -> tuple[bytes, bool]:
        asked.append(subject)
        return (b"new." + subject[4:], subject != b"old.x") if subject.startswith(b"old.") else (subject, True)

    bench.sublist.mapper = mapper
    bench.subscribe(peer, b"new.*")
    publisher.says(b"PUB old.a 0\r\n\r\nPUB old.a 0\r\n\r\nPUB old.x 0\r\n\r\nPUB old.x 0\r\n\r\n")
    assert peer.gets() == b"MSG new.a 1 0\r\n\r\n" * 2 + b"MSG new.x 1 0\r\n\r\n" * 2
    assert asked == [b"old.a", b"old.x", b"old.x"]
    assert bench.sublist.publish(b"old.a", None, None, b"") == 0  # the server's own messages are not mapped
    assert not bench.sublist.has_interest(b"old.a")
    assert bench.sublist.has_interest(b"new.a")
    assert len(asked) == 3


def test_publishing_from_the_server_calls_for_settling(bench: Any) -> None:
    peer = bench.peer()
    bench.subscribe(peer, b"a")
    calls: list[int] = []
    bench.road.on_work = lambda: calls.append(1)
    assert bench.road.publish(bench.sublist, b"a", b"r", b"NATS/1.0\r\n\r\n", b"x") == 1
    assert bench.road.publish(bench.sublist, b"a", None, None, b"") == 1
    assert bench.road.publish(bench.sublist, b"b", None, None, b"") == 0
    assert calls == [1]
    peer.outbound.headers = True
    bench.road.publish(bench.sublist, b"a", None, b"NATS/1.0\r\n\r\n", b"x")
    bench.road.settle()
    assert peer.gets() == b"MSG a 1 r 1\r\nx\r\nMSG a 1 0\r\n\r\nHMSG a 1 12 13\r\nNATS/1.0\r\n\r\nx\r\n"
    assert (bench.road.out_msgs, bench.road.out_bytes) == (3, 14)


def test_messages_are_counted_for_the_account(bench: Bench) -> None:
    publisher, receiver = bench.peer(), bench.peer()
    other = bench.kernel.Sublist(bench.road)
    bench.subscribe(receiver, b"a")
    bench.subscribe(receiver, b"a", b"2")
    bench.sublist.insert(bench.kernel.Subscription(b"a", b"3", None, None, lambda batch: None))
    publisher.inbound.headers = receiver.outbound.headers = True
    publisher.says(b"PUB a 5\r\nhello\r\nHPUB a 12 13\r\nNATS/1.0\r\n\r\nx\r\nPUB nobody 3\r\nabc\r\n")
    bench.sublist.publish(b"a", None, None, b"own")
    assert (bench.sublist.in_msgs, bench.sublist.in_bytes) == (3, 21)
    assert (bench.sublist.out_msgs, bench.sublist.out_bytes) == (6, 2 * (5 + 13 + 3))
    assert (other.in_msgs, other.in_bytes, other.out_msgs, other.out_bytes) == (0, 0, 0, 0)
