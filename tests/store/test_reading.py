"""Long reads in short pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from natsd.store.contract import Limits
from natsd.store.memory import MemoryStore
from natsd.store.reading import Reading, batches
from natsd.subjects.match import matches

if TYPE_CHECKING:
    from natsd.store.contract import StreamStore

SUBJECTS = [b"a", b"a.b", b"a.c", b"b.c", b"k.1", b"k.2"]


def fill(subjects: list[bytes], gone: list[int]) -> StreamStore:
    stream = MemoryStore().create("A/S", b"", Limits())
    for number, subject in enumerate(subjects):
        stream.append([(subject, None, None, b"x" * (number % 7))], 1000 + number)
    stream.remove(gone)
    return stream


def never() -> bool:
    return False


def always() -> bool:
    return True


@given(
    st.lists(st.sampled_from(SUBJECTS), max_size=40),
    st.lists(st.integers(1, 40), max_size=20),
    st.integers(-2, 45),
    st.integers(-2, 45),
    st.sampled_from([b"", b">", b"a.*", b"a", b"k.1", b"*.c", b"none"]),
    st.sampled_from([None, b"a", b"k.2"]),
    st.booleans(),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
)
def test_the_pieces_together_are_what_was_asked_for(
    subjects: list[bytes],
    gone: list[int],
    first: int,
    last: int,
    pattern: bytes,
    beginning: bytes | None,
    descending: bool,
    most: int,
    hurried: bool,
    whole: bool,
) -> None:
    stream = fill(subjects, gone)
    accepts = None if beginning is None else lambda subject: subject.startswith(beginning)
    reading = Reading(stream, first, last, pattern=pattern, accepts=accepts, descending=descending)
    is_over = always if hurried else never
    found: list[object] = []
    while reading.more:
        if whole:
            messages = reading.take(most, 1 << 20, is_over)
            assert len(messages) <= most
            found += messages
        else:
            heads = reading.heads(most, is_over)
            assert len(heads) <= most
            found += heads
    messages = stream.load_many(range(max(first, 1), min(last, stream.last_seq) + 1))
    expected = [
        message
        for message in messages
        if (pattern in (b"", b">") or matches(pattern, message[1])) and message[1].startswith(beginning or b"")
    ]
    if descending:
        expected.reverse()
    assert found == (expected if whole else [(seq, time_ns, subject) for seq, subject, _, _, time_ns in expected])


def test_payloads_are_fetched_until_there_are_enough() -> None:
    stream = MemoryStore().create("A/S", b"", Limits())
    for _ in range(10):
        stream.append([(b"a", None, None, b"x" * 100)], 1)
    reading = Reading(stream, 1, 10)
    assert len(reading.take(10, 250, never)) == 3
    assert len(reading.take(10, 1, never)) == 1
    assert len(reading.take(10, 10_000, never)) == 6
    assert not reading.more


def test_what_goes_meanwhile_is_not_seen_and_what_comes_neither() -> None:
    stream = fill([b"a"] * 10, [])
    reading = Reading(stream, 1, 10)
    assert [message[0] for message in reading.take(3, 1, never)] == [1, 2]
    stream.remove([3, 7])
    stream.append([(b"a", None, None, b"")], 5000)
    assert [message[0] for message in reading.take(100, 1 << 20, never)] == []
    found = []
    while reading.more:
        found += [message[0] for message in reading.take(100, 1 << 20, never)]
    assert found == [4, 5, 6, 8, 9, 10]


def test_a_stream_that_is_emptied_ends_the_reading() -> None:
    stream = fill([b"a"] * 10, [])
    reading = Reading(stream, 1, 10, descending=True)
    assert [head[0] for head in reading.heads(4, never)] == [10, 9, 8, 7]
    stream.purge()
    assert reading.heads(4, never) == []
    assert not reading.more
    assert not Reading(stream, 1, 99).more


def test_many_subjects_are_not_all_kept_in_mind() -> None:
    stream = fill([b"s.%d" % number for number in range(70_000)], [])
    reading = Reading(stream, 1, 70_000, accepts=lambda subject: subject.endswith(b"9"))
    found = 0
    while reading.more:
        found += len(reading.heads(5000, never))
    assert found == 7000


def test_batches_hold_every_message_once_and_leave_no_cursor() -> None:
    stream = fill(SUBJECTS * 700, [1, 5, 2000])
    found = list(batches(stream, 4))
    assert len(found) > 3
    assert [message[0] for some in found for message in some] == [
        seq for seq in range(4, len(SUBJECTS) * 700 + 1) if seq not in (5, 2000)
    ]
    assert list(batches(stream, len(SUBJECTS) * 700 + 1)) == []
