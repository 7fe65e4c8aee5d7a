"""What every store does with messages, whatever it keeps them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from natsd.store.contract import REFUSED_BYTES, REFUSED_MSGS, REFUSED_PER_SUBJECT, Limits, StoreError

if TYPE_CHECKING:
    from natsd.store.contract import Published, Store, StreamStore

SECOND = 1_000_000_000
HEADER = b"NATS/1.0\r\nk: v\r\n\r\n"


def batch(*subjects: str, payload: bytes = b"x") -> list[Published]:
    return [(subject.encode(), None, None, payload) for subject in subjects]


def seqs(messages: list[tuple[int, bytes, bytes | None, bytes, int]]) -> list[int]:
    return [message[0] for message in messages]


def alive(stream: StreamStore) -> list[int]:
    """Every sequence there is."""
    state = stream.state
    return seqs(stream.load_many(range(state.first_seq, state.last_seq + 1)))


def test_a_batch_is_given_back_as_it_was(stream: StreamStore) -> None:
    given: list[Published] = [
        (b"a.b", b"reply", None, b"one"),
        (b"c", None, HEADER, b""),
        (b"a.b", None, b"", b"\0" * 99),
    ]
    assert stream.append(given, 5 * SECOND) == 3
    assert stream.load_many([3, 1, 9, 2]) == [
        (3, b"a.b", None, b"\0" * 99, 5 * SECOND),
        (1, b"a.b", None, b"one", 5 * SECOND),
        (2, b"c", HEADER, b"", 5 * SECOND),
    ]
    assert stream.load(4) is None
    assert stream.load(0) is None


def test_the_state_counts_what_there_is(stream: StreamStore) -> None:
    assert stream.state == (0, 0, 1, 0, 0, 0, 0, 0)
    stream.append(batch("a", "b", "a"), SECOND)
    stream.append(batch("c"), 2 * SECOND)
    one = stream.state.bytes // 4
    assert stream.state == (4, 4 * one, 1, SECOND, 4, 2 * SECOND, 3, 0)
    assert stream.remove([2, 4, 77]) == 2
    assert stream.state == (2, 2 * one, 1, SECOND, 4, 2 * SECOND, 1, 2)
    assert stream.deleted() == [2, 4]
    assert stream.remove([1, 3]) == 2
    assert stream.state == (0, 0, 5, 0, 4, 2 * SECOND, 0, 0)
    assert stream.deleted() == []


def test_a_batch_may_begin_later(stream: StreamStore) -> None:
    assert stream.append(batch("a", "b", "c"), 1, 2) == 1
    assert stream.load(1) == (1, b"c", None, b"x", 1)


def test_a_stream_may_begin_at_the_end_of_all_numbers(store: Store) -> None:
    stream = store.create("A/S", b"", Limits(), 1 << 63)
    assert stream.state[:2] == (0, 0)
    assert stream.first_seq == 1 << 63
    stream.append(batch("a", "a", "b"), 7)
    stream.remove([(1 << 63) + 1])
    assert alive(stream) == [1 << 63, (1 << 63) + 2]
    cursor = stream.cursor([b"a"], 1)
    assert cursor.pending == 1
    assert seqs(cursor.take(9)) == [1 << 63]
    assert stream.last_seq_of(b"b") == (1 << 63) + 2


def test_old_messages_make_room_for_new_ones(store: Store) -> None:
    stream = store.create("A/S", b"", Limits(max_msgs=3))
    gone: list[list[int]] = []
    stream.on_removed = gone.append
    stream.append(batch("a", "b", "c", "d", "e"), 1)
    assert alive(stream) == [3, 4, 5]
    assert gone == [[1, 2]]
    size = stream.state.bytes // 3
    stream.set_limits(Limits(max_bytes=2 * size))
    assert alive(stream) == [4, 5]
    stream.append(batch("f"), 2)
    assert alive(stream) == [5, 6]
    assert gone == [[1, 2], [3], [4]]


def test_a_subject_holds_no_more_than_its_limit(store: Store) -> None:
    stream = store.create("A/S", b"", Limits(max_msgs_per_subject=2))
    stream.append(batch("a", "a", "b", "a", "b", "a"), 1)
    assert alive(stream) == [3, 4, 5, 6]
    assert stream.state.num_deleted == 0
    stream.append(batch("b"), 1)
    assert alive(stream) == [4, 5, 6, 7]
    stream.set_limits(Limits(max_msgs_per_subject=1))
    assert alive(stream) == [6, 7]


def test_new_messages_are_refused_where_the_old_stay(store: Store) -> None:
    stream = store.create("A/S", b"", Limits(max_msgs=2, discard_new=True))
    assert stream.append(batch("a", "b", "c", "d"), 1) == 2
    assert stream.refusal == REFUSED_MSGS
    size = stream.state.bytes // 2
    stream.set_limits(Limits(max_bytes=2 * size, discard_new=True))
    assert stream.append(batch("c"), 1) == 0
    assert stream.refusal == REFUSED_BYTES
    stream.remove([1])
    assert stream.append(batch("c"), 1) == 1
    assert not stream.append_ttl(batch("d")[0], 1, 0)
    assert alive(stream) == [2, 3]


def test_a_full_subject_refuses_or_makes_room(store: Store) -> None:
    limits = Limits(max_msgs=2, max_msgs_per_subject=1, discard_new=True)
    stream = store.create("A/S", b"", limits)
    assert stream.append(batch("a", "b", "a", "c"), 1) == 3
    assert stream.refusal == REFUSED_MSGS
    assert alive(stream) == [2, 3]
    stream.set_limits(limits._replace(discard_new_per_subject=True))
    assert stream.append(batch("a"), 1) == 0
    assert stream.refusal == REFUSED_PER_SUBJECT
    size = stream.state.bytes // 2
    stream.set_limits(Limits(max_bytes=2 * size, max_msgs_per_subject=1, discard_new=True))
    assert stream.append(batch("a"), 1) == 1
    assert stream.append(batch("b", payload=b"longer"), 1) == 0
    assert stream.refusal == REFUSED_BYTES


def test_a_message_larger_than_the_limit_does_not_stay(store: Store) -> None:
    stream = store.create("A/S", b"", Limits(max_bytes=100))
    stream.append(batch("a"), 1)
    stream.append(batch("b", payload=b"x" * 200), 1)
    assert stream.state[:5] == (0, 0, 3, 0, 2)


def test_a_sequence_may_be_given(stream: StreamStore) -> None:
    stream.append_at(5, batch("a")[0], 1)
    stream.skip(9)
    stream.append(batch("b"), 2)
    assert alive(stream) == [5, 10]
    assert stream.first_seq == 5
    assert stream.deleted() == [6, 7, 8, 9]
    with pytest.raises(ValueError, match="sequence 10 is not above the last, 10"):
        stream.append_at(10, batch("a")[0], 3)


def test_an_empty_stream_skips_without_holes(stream: StreamStore) -> None:
    stream.skip(1 << 60)
    assert stream.state[:5] == (0, 0, (1 << 60) + 1, 0, 1 << 60)
    assert stream.deleted() == []
    stream.skip(3)
    assert stream.last_seq == 1 << 60


def test_messages_are_found_by_filter(stream: StreamStore) -> None:
    stream.append(batch("a.1", "b.1", "a.2", "b.2", "a.1"), 1)
    found = stream.next_match(2, [b"a.*"])
    assert found is not None and found[0] == 3
    found = stream.next_match(0, [])
    assert found is not None and found[0] == 1
    found = stream.next_match(4, [b"zz", b"a.1"])
    assert found is not None and found[0] == 5
    assert stream.next_match(4, [b"a.1"], upto=4) is None
    assert stream.next_match(6, []) is None
    found = stream.last_match([b"*.2"])
    assert found is not None and found[0] == 4
    found = stream.last_match([b"a.>"], upto=4)
    assert found is not None and found[0] == 3
    found = stream.last_match([])
    assert found is not None and found[0] == 5
    assert stream.last_match([b"c"]) is None
    assert stream.last_match([b"b.2"], upto=3) is None


def test_a_scan_looks_through_a_part_in_either_direction(stream: StreamStore) -> None:
    stream.append(batch("a.1", "b.1", "a.2", "b.2", "a.1"), 1)
    stream.append(batch("a.1"), 2)
    stream.remove([3])
    heads = [(1, 1, b"a.1"), (2, 1, b"b.1"), (4, 1, b"b.2"), (5, 1, b"a.1"), (6, 2, b"a.1")]
    assert stream.scan(1, 9, [], 10, 10) == (heads, 0)
    assert [seq for seq, _, _ in stream.scan(5, 2, [], 10, 10)[0]] == [5, 4, 2]
    assert [seq for seq, _, _ in stream.scan(6, 1, [b"a.1"], 10, 10)[0]] == [6, 5, 1]
    assert [seq for seq, _, _ in stream.scan(2, 5, [b"a.1"], 10, 10)[0]] == [5]
    assert stream.scan(1, 6, [b"c"], 10, 10) == ([], 0)
    assert stream.scan(7, 9, [b"a.1"], 10, 10) == ([], 0)
    heads, at = stream.scan(1, 6, [b"b.*"], 1, 10)
    assert [seq for seq, _, _ in heads] == [2]
    assert 2 < at <= 4
    heads, at = stream.scan(1, 6, [b"none", b"b.2"], 10, 2)
    assert heads == [] and 2 < at <= 4


def test_the_last_of_each_subject_is_known(stream: StreamStore) -> None:
    stream.append(batch("a.1", "b.1", "a.2", "b.1", "a.1"), 1)
    assert stream.last_seq_of(b"a.1") == 5
    assert stream.last_seq_of(b"none") == 0
    assert stream.last_of_each([]) == [3, 4, 5]
    assert stream.last_of_each([b"a.*", b"a.1"]) == [3, 5]
    assert stream.last_of_each([b"*.1"], upto=4) == [1, 4]
    stream.remove([5])
    assert stream.last_of_each([b"a.1"]) == [1]


def test_subjects_are_counted(stream: StreamStore) -> None:
    stream.append(batch("a.1", "b.1", "a.2", "b.1", "a.1"), 1)
    stream.remove([3])
    assert dict(stream.subjects([])) == {b"a.1": 2, b"b.1": 2}
    assert dict(stream.subjects([b"a.>", b"c"])) == {b"a.1": 2}
    assert stream.count([]) == 4
    assert stream.count([b"a.*"]) == 2
    assert stream.count([b"b.1", b"a.1"], first=2) == 3
    assert stream.count([b"b.1"], first=5) == 0


@pytest.mark.parametrize("filters", [[], [b"a.*"], [b"a.1", b"b.1", b"none"], [b"*.1", b"c.>"]])
def test_a_search_finds_in_pieces_what_there_is(stream: StreamStore, filters: list[bytes]) -> None:
    stream.append(batch("a.1", "b.1", "a.2", "b.1", "a.1"), 1)
    search, subjects = stream.search(filters), {}
    while not search.done:
        found = search.subjects(1)
        assert len(found) <= 1
        subjects.update(found)
    assert subjects == dict(stream.subjects(filters))
    search, lasts = stream.search(filters), []
    while not search.done:
        lasts += search.lasts(1, 4)
    assert sorted(lasts) == stream.last_of_each(filters, 4)
    assert stream.search([b"none"]).lasts(9) == []


def test_a_cursor_that_was_made_ready_knows_what_came_and_went_meanwhile(stream: StreamStore) -> None:
    stream.append(batch(*(f"a.{number}" for number in range(8))), 1)
    filters = [b"*.*", b"none"]
    search = stream.search(filters)
    ready = search.prepare(2)
    assert stream.count(filters) == 8
    stream.append(batch("a.1", "a.7", "b.1", "c"), 2)
    stream.remove([1, 8])
    for _ in range(4):
        ready = search.prepare(2)
    assert ready
    made, plain = stream.cursor(search.patterns, 1), stream.cursor(filters, 1)
    assert made.pending == plain.pending == 9
    stream.append(batch("d.1"), 3)
    stream.remove([2])
    assert made.pending == plain.pending == 9
    assert seqs(made.take(20)) == seqs(plain.take(20)) == [3, 4, 5, 6, 7, 9, 10, 11, 13]
    assert made.pending == 0


def test_who_does_not_wait_for_a_search_has_the_same(stream: StreamStore) -> None:
    stream.append(batch(*(f"a.{number}" for number in range(8))), 1)
    search = stream.search([b"*.*"])
    search.prepare(3)
    cursor = stream.cursor([b"*.*"], 3)
    assert cursor.pending == 6
    assert search.prepare(1)
    cursor.close()
    assert search.prepare(100)
    assert stream.cursor(search.patterns, 1).pending == 8
    stream.purge()
    other = stream.search([b"a.>"])
    other.prepare(1)
    del other
    assert stream.cursor([b"b"], 1).pending == 0


def test_a_cursor_of_a_stream_that_goes_is_closed_like_any_other(stream: StreamStore) -> None:
    stream.append(batch("a.1", "a.2"), 1)
    cursor = stream.cursor([b"a.*"], 1)
    cursor.close(ends=True)
    assert (cursor.pending, cursor.take(5)) == (0, [])
    stream.append(batch("a.3"), 2)
    stream.remove([1])
    assert stream.cursor([b"a.*"], 1).pending == 2


def test_a_sequence_is_found_by_time(stream: StreamStore) -> None:
    assert stream.seq_at(0) == 1
    stream.append(batch("a", "a"), 10)
    stream.append(batch("a", "a"), 20)
    stream.append(batch("a"), 30)
    stream.remove([3])
    assert [stream.seq_at(time) for time in (0, 10, 11, 20, 21, 30, 31)] == [1, 1, 4, 4, 5, 5, 6]
    stream.remove([5])
    assert stream.seq_at(21) == 6
    message = stream.load(4)
    assert message is not None and message[4] == 20


def test_a_purge_takes_everything(stream: StreamStore) -> None:
    gone: list[list[int]] = []
    floors: list[int] = []
    stream.on_removed = gone.append
    stream.on_purged = floors.append
    stream.append(batch("a", "b", "c"), 1)
    assert stream.purge() == 3
    assert stream.state[:6] == (0, 0, 4, 0, 3, 1)
    assert stream.purge() == 0
    stream.append(batch("a"), 2)
    assert alive(stream) == [4]
    assert (gone, floors) == ([], [4])


def test_a_purge_takes_what_lies_below_a_sequence(stream: StreamStore) -> None:
    stream.append(batch("a", "b", "a", "b", "a"), 1)
    assert stream.purge(upto=1) == 0
    assert stream.purge(upto=3) == 2
    assert stream.first_seq == 3
    assert stream.purge(upto=5, filters=[b"a"]) == 1
    assert alive(stream) == [4, 5]
    assert stream.purge(upto=100) == 2
    assert (stream.first_seq, stream.last_seq) == (100, 99)


def test_a_purge_keeps_the_newest(stream: StreamStore) -> None:
    gone: list[list[int]] = []
    stream.on_removed = gone.append
    stream.append(batch("a", "b", "a", "b", "a", "b"), 1)
    assert stream.purge(filters=[b"a"], keep=2) == 1
    assert stream.purge(filters=[b"a"], keep=2) == 0
    assert stream.purge(keep=3) == 2
    assert alive(stream) == [4, 5, 6]
    assert stream.purge(filters=[b"*"], keep=1, upto=5) == 1
    assert alive(stream) == [5, 6]
    assert gone == [[1], [2, 3], [4]]


def test_messages_go_when_they_are_old(store: Store) -> None:
    stream = store.create("A/S", b"", Limits(max_age_ns=10))
    assert stream.expire(100) == 0
    stream.append(batch("a", "b"), 100)
    stream.append(batch("c"), 105)
    assert stream.expire(109) == 110
    assert stream.expired == []
    assert stream.expire(110) == 115
    assert stream.expired == [(1, b"a", False), (2, b"b", False)]
    assert alive(stream) == [3]
    assert stream.expire(200) == 0
    assert stream.expired == [(3, b"c", False)]


def test_messages_go_at_their_own_time(store: Store) -> None:
    stream = store.create("A/S", b"", Limits(max_age_ns=50))
    gone: list[list[int]] = []
    stream.on_removed = gone.append
    assert stream.append_ttl(batch("a")[0], 100, 130)
    assert stream.append_ttl(batch("b")[0], 100, 120)
    assert stream.append_ttl(batch("c")[0], 100, 0)
    stream.append(batch("d"), 100)
    assert stream.expire(119) == 120
    assert stream.expire(130) == 150
    assert stream.expired == [(2, b"b", True), (1, b"a", True)]
    assert stream.expire(150) == 0
    assert stream.expired == [(4, b"d", False)]
    assert alive(stream) == [3]
    assert gone == [[1, 2], [4]]


def test_a_message_that_went_does_not_expire(stream: StreamStore) -> None:
    stream.append_ttl(batch("a")[0], 100, 130)
    stream.append_ttl(batch("b")[0], 100, 140)
    stream.remove([1])
    assert stream.expire(120) == 140
    assert stream.expire(140) == 0
    assert stream.expired == [(2, b"b", True)]


def test_messages_that_are_due_go_a_few_at_once(store: Store) -> None:
    stream = store.create("A/S", b"", Limits(max_age_ns=10))
    stream.append(batch("a", "b", "c", "d", "e"), 100)
    assert [stream.expire(110, 2) for _ in range(2)] == [110, 110]
    assert alive(stream) == [5]
    assert stream.expire(110, 2) == 0
    assert stream.expired == [(5, b"e", False)]


def test_what_is_too_many_of_a_subject_is_named_a_few_at_once(stream: StreamStore) -> None:
    stream.append(batch("a", "b", "a", "c", "b", "a", "a", "d"), SECOND)
    assert stream.crowded(4, 0, 10) == ([], 0)
    assert stream.crowded(1, 0, 10) == ([1, 2, 3, 6], 0)
    found, at, calls = [], 1, 0
    while at:
        some, at = stream.crowded(1, at, 2)
        assert len(some) <= 2
        found += some
        assert stream.remove(some) == len(some)
        calls += 1
    assert sorted(found) == [1, 2, 3, 6]
    assert calls < 6
    assert alive(stream) == [4, 5, 7, 8]


def test_a_stream_that_is_disowned_is_gone_before_its_messages_are(store: Store) -> None:
    stream = store.create("A/S", b"one", Limits())
    stream.append(batch("a", "b", "c"), SECOND)
    stream.save_consumer("c", b"record", checkpoint=True)
    store.disown("A/S")
    assert store.streams() == {}
    again = store.create("A/S", b"two", Limits())
    assert stream.purge(upto=3) == 2
    again.append(batch("d"), SECOND)
    assert stream.purge() == 1
    assert alive(again) == [1]
    assert again.consumers() == []


def test_a_cursor_takes_what_matches(stream: StreamStore) -> None:
    stream.append(batch("a", "b", "a", "c", "a"), 1)
    cursor = stream.cursor([b"a"], 2)
    assert (cursor.next_seq, cursor.pending) == (2, 2)
    assert cursor.peek() == 3
    assert seqs(cursor.take(1)) == [3]
    assert (cursor.next_seq, cursor.pending) == (4, 1)
    assert cursor.peek(upto=4) == 0
    assert cursor.take(5, upto=4) == []
    assert (cursor.next_seq, cursor.pending) == (5, 1)
    assert seqs(cursor.take(5)) == [5]
    assert (cursor.next_seq, cursor.pending) == (6, 0)
    stream.append(batch("b", "a"), 2)
    assert cursor.pending == 1
    assert seqs(cursor.take(5)) == [7]


def test_a_cursor_takes_only_so_many_bytes(stream: StreamStore) -> None:
    stream.append([(b"ab", None, HEADER, b"12"), *batch("ab", "ab", payload=b"1234")], 1)
    cursor = stream.cursor([], 1)
    assert seqs(cursor.take(5, max_bytes=1)) == [1]
    assert seqs(cursor.take(5, max_bytes=11)) == [2]
    assert seqs(cursor.take(5, max_bytes=12)) == [3]
    cursor.seek(1)
    assert seqs(cursor.take(5, max_bytes=len(HEADER) + 10)) == [1, 2]


def test_what_a_cursor_has_pending_is_exact_while_messages_go(store: Store) -> None:
    stream = store.create("A/S", b"", Limits(max_msgs_per_subject=2))
    lagging = stream.cursor([b"a", b"b"], 1)
    ahead = stream.cursor([b"b", b"a"], 1)
    other = stream.cursor([b"*"], 3)
    stream.append(batch("a", "b", "c", "a"), 1)
    assert (lagging.pending, ahead.pending, other.pending) == (3, 3, 2)
    ahead.take(2)
    stream.append(batch("a"), 1)
    assert (lagging.pending, ahead.pending, other.pending) == (3, 2, 3)
    stream.remove([2, 4])
    assert (lagging.pending, ahead.pending, other.pending) == (1, 1, 2)
    ahead.seek(1)
    assert ahead.pending == 1
    stream.purge()
    assert (lagging.pending, ahead.pending, other.pending) == (0, 0, 0)
    stream.append(batch("a"), 1)
    assert seqs(lagging.take(9)) == [6]
    assert (lagging.pending, ahead.pending, other.pending) == (0, 1, 1)


def test_a_cursor_may_change_its_filters_and_be_closed(stream: StreamStore) -> None:
    stream.append(batch("a", "b", "c"), 1)
    cursor = stream.cursor([b"a"], 1)
    cursor.take(1)
    cursor.refilter([b"b", b">"])
    assert cursor.pending == 2
    cursor.refilter([b"x.*", b"c"])
    assert cursor.pending == 1
    cursor.close()
    cursor.close()
    assert cursor.pending == 0
    assert cursor.take(5) == []
    assert cursor.peek() == 0


def test_a_cursor_may_stand_beyond_the_last_sequence(stream: StreamStore) -> None:
    stream.append(batch("a"), 1)
    cursor = stream.cursor([], 4)
    assert cursor.take(5) == []
    assert (cursor.next_seq, cursor.pending) == (4, 0)
    stream.append(batch("a", "a", "a"), 1)
    assert cursor.pending == 1
    assert seqs(cursor.take(5)) == [4]


def test_consumers_keep_a_checkpoint_and_what_followed(stream: StreamStore) -> None:
    stream.append(batch("a", "b"), 1)
    stream.save_consumer("c", b"1", checkpoint=False)
    stream.save_consumer("c", b"2", checkpoint=True)
    stream.save_consumer("c", b"3", checkpoint=False, removed=[1])
    assert alive(stream) == [2]
    assert stream.consumers() == ["c"]
    stream.forget_consumer("c")
    assert stream.consumers() == []


def test_a_store_knows_its_streams(store: Store) -> None:
    first = store.create("A/S", b"one", Limits())
    store.create("A/T", b"two", Limits())
    store.configure("A/S", b"three")
    store.configure_consumer("A/S", "c", b"config")
    store.configure_consumer("A/S", "d", b"config")
    store.delete_consumer("A/S", "d")
    store.delete("A/T")
    assert {key: config for key, (config, _) in store.streams().items()} == {"A/S": b"three"}
    assert store.streams()["A/S"][1] is first
    assert store.consumer_configs("A/S") == {"c": b"config"}
    with pytest.raises(StoreError, match="there is a stream 'A/S' already"):
        store.create("A/S", b"", Limits())
    with pytest.raises(StoreError, match="there is no stream 'A/T'"):
        store.configure("A/T", b"")
