"""Transforms of subjects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.base.chance import SeededChance
from natsd.base.errors import NatsdError
from natsd.subjects.match import matches
from natsd.subjects.transform import Transform, TransformError, covers

WORD = st.sampled_from([b"a", b"b", b"one", b"*b", b"$1", b"$JS", b"{{}}"])
SUBJECT = st.lists(WORD, min_size=1, max_size=5)


@st.composite
def sources(draw: st.DrawFn) -> list[bytes]:
    source = draw(st.lists(st.one_of(WORD, st.just(b"*")), min_size=1, max_size=5))
    return source + [b">"] if draw(st.booleans()) else source


@pytest.mark.parametrize(
    ("source", "destination", "subject", "expected"),
    [
        (b"foo", b"bar", b"foo", b"bar"),
        (b"foo", b"bar.$x", b"foo", b"bar.$x"),
        (b"", b"prefix.>", b"foo", b"prefix.foo"),
        (b">", b">", b"foo.bar", b"foo.bar"),
        (b"foo.*.bar.*.baz", b"req.$2.$1", b"foo.A.bar.B.baz", b"req.B.A"),
        (b"foo.*.bar.*.baz", b"req.{{wildcard(2)}}.{{wildcard(1)}}", b"foo.A.bar.B.baz", b"req.B.A"),
        (b"foo.*.*", b"bar.$2", b"foo.a.b", b"bar.b"),
        (b"foo.*", b"bar.$1.$1", b"foo.a", b"bar.a.a"),
        (b"foo.*", b"bar.$0", b"foo.a", b"bar.foo"),
        (b"foo.*", b"bar.{{wildcard(-3)}}", b"foo.a", b"bar.foo"),
        (b"foo.*", b"{{splitfromleft(0,1)}}", b"foo.a", b"f.oo"),
        (b"baz.>", b"my.pre.>", b"baz.1.2.3", b"my.pre.1.2.3"),
        (b"baz.>", b">", b"baz.1.2.3", b"1.2.3"),
        (b"*.>", b"{{partition(7,1)}}.x.>", b"a.bc.d", b"5.x.bc.d"),
        (b"*", b"{{SplitFromRight(1,3)}}", b"12345", b"12.345"),
        (b"*.*", b"{{split(2,-)}}.{{splitfromleft(1,2)}}", b"foo.-abc-def--ghij-", b"abc.def.ghij.fo.o"),
        (b"*", b"{{left(1,1)}}.{{right(1,1)}}", b"1234", b"1.4"),
        (b"*", b"bar.{{partition(10)}}", b"qux", b"bar.9"),
        (b"*", b"bar.{{partition(10, 0)}}", b"foo", b"bar.3"),
        (b"*.*", b"bar.{{partition(10)}}", b"foo.bar", b"bar.6"),
        (b"*.*", b"{{partition(10,1,2)}}", b"a.bc", b"1"),
        (b"*.*", b"{{partition(10,2,1)}}", b"a.bc", b"7"),
        (b"foo.bar", b"baz.{{partition(10)}}", b"foo.bar", b"baz.6"),
        (b"foo.bar", b"baz.{{partition(10,4)}}", b"foo.bar", b"baz.6"),
        (b"test.subject", b"result.{{partition(5)}}", b"test.subject", b"result.0"),
        (b"foo.*", b"bar.{{random(0)}}", b"foo.a", b"bar.0"),
        (b"\xff.*", b"\x00.$1", b"\xff.\xfe", b"\x00.\xfe"),
    ],
)
def test_a_subject_is_transformed(source: bytes, destination: bytes, subject: bytes, expected: bytes) -> None:
    assert Transform(source, destination).match(subject, SeededChance()) == expected


def test_a_subject_that_the_source_does_not_cover_is_left_to_others() -> None:
    transform = Transform(b"foo.*", b"bar.$1")
    assert transform.match(b"foo", SeededChance()) is None
    assert transform.match(b"foo.a.b", SeededChance()) is None


@pytest.mark.parametrize("source", [b"dice", b"dice.*", b"dice.>"])
def test_random_numbers_are_all_those_below_the_count(source: bytes) -> None:
    rest = b".>" if source.endswith(b">") else b""
    subject = source.replace(b"*", b"a").replace(b">", b"a")
    transform = Transform(source, b"{{random(6)}}.x" + rest)
    chance = SeededChance(7)
    drawn = {transform.apply(subject, chance).split(b".")[0] for _ in range(200)}
    assert drawn == {b"%d" % number for number in range(6)}


def test_only_random_makes_a_transform_random() -> None:
    assert Transform(b"a.*", b"b.{{random(2)}}").random
    assert not Transform(b"a.*", b"b.{{partition(2,1)}}.$1").random


@pytest.mark.parametrize(
    ("source", "destination", "text"),
    [
        (b"foo..", b"bar", "the source is no valid subject"),
        (b"foo. .a", b"bar", "the source is no valid subject"),
        (b"foo.>.a", b"bar", "the source is no valid subject"),
        (b"foo", b"", "the destination is no valid subject"),
        (b"foo", b"bar.", "the destination is no valid subject"),
        (b"foo.>", b"bar.>.baz", "the destination is no valid subject"),
        (b"foo.*", b"bar.*", "a destination has no * token"),
        (b"foo.*", b"bar.$1.>", "end in > both, or neither"),
        (b"foo.>", b"bar.baz", "end in > both, or neither"),
        (b"foo.*", b"bar.$2", "$2: there is no wildcard 2, the source has 1"),
        (b"foo.>", b"bar.$1.>", "$1: there is no wildcard 1, the source has 0"),
        (b"foo.*", b"bar.{{partition(5,1,3)}}", "there is no wildcard 3"),
        (b"foo", b"bar.$1", "$1 needs a wildcard, and the source has none"),
        (b"foo", b"bar.{{left(0,1)}}", "{{left(0,1)}} needs a wildcard"),
        (b"foo.*", b"bar.{{unknown(1)}}", "{{unknown(1)}} is no function"),
        (b"foo.*", b"a b.$1", "white space in 'a b'"),
        (b"foo.*", b"$1.a\tb", "white space in 'a\\tb'"),
    ],
)
def test_what_cannot_be_transformed_is_refused(source: bytes, destination: bytes, text: str) -> None:
    with pytest.raises(NatsdError) as refused:
        Transform(source, destination)
    assert str(refused.value).startswith(f"transform of {source.decode()!r} to {destination.decode()!r}: ")
    assert text in str(refused.value)


def test_an_error_shows_bytes_that_are_no_text() -> None:
    with pytest.raises(TransformError, match=r"transform of '\\\\xff\.\*' to"):
        Transform(b"\xff.*", b"a.*")


def test_a_transform_can_be_told_from_another_when_printed() -> None:
    assert repr(Transform(b"a.*", b"b.$1")) == "<Transform a.* to b.$1>"


@pytest.mark.parametrize(
    ("source", "subject", "is_covered"),
    [
        (b"a.*", b"a.*", True),
        (b"a.*", b"a.>", False),
        (b"a.*", b"a.", False),
        (b"a.>", b"a.", True),
        (b"a.>", b"a..b", True),
        (b"a.>", b"a.>", True),
        (b"a.>", b"a.*.b", True),
        (b"a.>", b"a", False),
        (b">", b".", True),
        (b"a.b", b"a.*", False),
        (b"a.*b", b"a.x", False),
    ],
)
def test_published_wildcards_and_empty_tokens_are_covered_by_wildcards(
    source: bytes, subject: bytes, is_covered: bool
) -> None:
    assert covers(source.split(b"."), subject.split(b".")) == is_covered


@given(sources(), SUBJECT)
def test_a_source_covers_the_literal_subjects_that_a_subscription_gets(
    source: list[bytes], subject: list[bytes]
) -> None:
    assert covers(source, subject) == matches(b".".join(source), b".".join(subject))


@given(st.permutations(range(1, 5)), st.lists(WORD, min_size=4, max_size=6))
def test_wildcards_can_be_put_into_any_order_and_back(order: list[int], subject: list[bytes]) -> None:
    places = b".".join(b"$%d" % number for number in order)
    back = b".".join(b"{{wildcard(%d)}}" % (order.index(number) + 1) for number in range(1, 5))
    rest = b".>" if len(subject) > 4 else b""
    there = Transform(b"*.*.*.*" + rest, b"there." + places + rest)
    here = Transform(b"there.*.*.*.*" + rest, back + rest)
    moved = there.match(b".".join(subject), SeededChance())
    assert moved is not None
    assert here.match(moved, SeededChance()) == b".".join(subject)
