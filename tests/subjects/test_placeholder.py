"""Functions of destination tokens: which spellings there are, what is refused, and what they compute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.subjects import placeholder
from natsd.subjects.placeholder import TransformError, parse

TOKEN = st.text("ab-\xe9", min_size=1, max_size=12).map(str.encode)
COUNT = st.integers(-3, 15)

# Measured on the Go server: key, count, partition.
PARTITIONS = [
    (b"", 10, b"1"),
    (b"a", 10, b"0"),
    (b"foo", 10, b"3"),
    (b"orders", 10, b"0"),
    (b"0", 10, b"3"),
    (b"\xc3\xbf", 10, b"1"),
    (b"foo.bar", 10, b"6"),
    (b"foobar", 10, b"0"),
    (b"bca", 1000003, b"136973"),
    (b"cab", 1000003, b"246882"),
    (b"west-1eu", 1000003, b"550011"),
    (b"a", 2147483647, b"1678518573"),
    (b"foobar", 2147483647, b"1067252073"),
    (b"customer-000017", 2147483647, b"609305440"),
    (b"bar", -5, b"1991736602"),
    (b"x", -5, b"4245442695"),
    (b"x", 0, b"0"),
]


@pytest.mark.parametrize(
    ("token", "name", "wildcards", "count", "separator"),
    [
        (b"$1", b"wildcard", (1,), 0, b""),
        (b"$0", b"wildcard", (0,), 0, b""),
        (b"$+2", b"wildcard", (2,), 0, b""),
        (b"$01", b"wildcard", (1,), 0, b""),
        (b"{{wildcard(2)}}", b"wildcard", (2,), 0, b""),
        (b"{{ Wildcard ( 2 ) }}", b"wildcard", (2,), 0, b""),
        (b"{{wildcard(-1)}}", b"wildcard", (-1,), 0, b""),
        (b"{{q{{wildcard(1)}}", b"wildcard", (1,), 0, b""),
        (b"{{partition(10)}}", b"partition", (), 10, b""),
        (b"{{partition(10,1,2,3)}}", b"partition", (1, 2, 3), 10, b""),
        (b"{{ Partition (10, 1,  2,3 ) }}", b"partition", (1, 2, 3), 10, b""),
        (b"{{partition(2147483647)}}", b"partition", (), 2147483647, b""),
        (b"{{Random(5)}}", b"random", (), 5, b""),
        (b"{{SplitFromLeft(2,1)}}", b"splitfromleft", (2,), 1, b""),
        (b"{{splitfromRight(3, 2)}}", b"splitfromright", (3,), 2, b""),
        (b"{{sliceFromleft(2,2)}}", b"slicefromleft", (2,), 2, b""),
        (b"{{SliceFromRight(2,2)}}", b"slicefromright", (2,), 2, b""),
        (b"{{left(3,2)}}", b"left", (3,), 2, b""),
        (b"{{Right(3,2)}}", b"right", (3,), 2, b""),
        (b"{{Split(1,-)}}", b"split", (1,), 0, b"-"),
        (b"{{split( 1 ,  --)}}", b"split", (1,), 0, b"--"),
        (b"{{split(1,)}}", b"split", (1,), 0, b""),
    ],
)
def test_a_function_is_read(
    token: bytes, name: bytes, wildcards: tuple[int, ...], count: int, separator: bytes
) -> None:
    found = parse(token)
    assert found is not None
    assert (found.name, found.wildcards, found.count, found.separator) == (name, wildcards, count, separator)


@pytest.mark.parametrize(
    "token",
    [b"a", b"$", b"$x", b"$1x", b"$JS", b"$99999999999999999999", b"$" + b"9" * 5000, b"{{}}", b"{{}", b"{{a", b"a}}"]
    + [b"{wildcard(1)}", b"x{{wildcard(1)}}", b"{{wildcard(1)}}x"],
)
def test_a_token_that_only_resembles_a_function_is_none(token: bytes) -> None:
    assert parse(token) is None


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (b"{{a}}", "{{a}} is no function; there are left, partition, random, right, slicefromleft"),
        (b"{{unknown(1)}}", "is no function"),
        (b"{{WILDCARD(1)}}", "is no function"),
        (b"{{wildcard5)}}", "is no function"),
        (b"{{wildcard(1)x}}", "is no function"),
        (b"{{wildcard()}}", "{{wildcard()}} has 0 arguments; expected the number of a wildcard"),
        (b"{{wildcard(1,2)}}", "has 2 arguments"),
        (b"{{wildcard(foo)}}", "the argument 'foo' is no whole number"),
        (b"{{wildcard(1_0)}}", "the argument '1_0' is no whole number"),
        (b"{{wildcard( )}}", "the argument ' ' is no whole number"),
        (b"{{wildcard(9223372036854775808)}}", "is no whole number"),
        (b"{{wildcard(1)}}{{wildcard(2)}}", "is no whole number"),
        (b"{{partition()}}", "expected the count of partitions and maybe numbers of wildcards"),
        (b"{{partition(x)}}", "the argument 'x'"),
        (b"{{partition(5,x)}}", "the argument 'x'"),
        (b"{{partition(2147483648)}}", "2147483648 is no count, which end at 2147483647"),
        (b"{{random()}}", "expected the count of numbers to choose from"),
        (b"{{random(1,2)}}", "has 2 arguments"),
        (b"{{random(2147483648)}}", "2147483648 is no count"),
        (b"{{left(1)}}", "has 1 argument; expected the number of a wildcard and a count of bytes"),
        (b"{{left(1,2,3)}}", "has 3 arguments"),
        (b"{{left(1,2147483648)}}", "2147483648 is no count"),
        (b"{{split(1)}}", "has 1 argument; expected the number of a wildcard and a separator"),
        (b"{{split(x,-)}}", "the argument 'x'"),
        (b"{{split(1,- )}}", "a space cannot be in the separator"),
    ],
)
def test_what_is_no_function_is_refused(token: bytes, text: str) -> None:
    with pytest.raises(TransformError) as refused:
        parse(token)
    assert text in str(refused.value)


@pytest.mark.parametrize(("key", "count", "expected"), PARTITIONS)
def test_a_partition_is_that_of_the_go_server(key: bytes, count: int, expected: bytes) -> None:
    assert placeholder.partition(key, count) == expected


@given(st.binary(max_size=40), st.integers(1, 1000))
def test_a_partition_is_below_the_count(key: bytes, count: int) -> None:
    assert 0 <= int(placeholder.partition(key, count)) < count


@pytest.mark.parametrize(
    ("name", "count", "token", "expected"),
    [
        (b"splitfromleft", 3, b"12345", b"123.45"),
        (b"splitfromright", 3, b"12345", b"12.345"),
        (b"slicefromleft", 3, b"1234567890", b"123.456.789.0"),
        (b"slicefromright", 3, b"1234567890", b"1.234.567.890"),
        (b"slicefromright", 5, b"1234567890", b"12345.67890"),
        (b"left", 3, b"1234", b"123"),
        (b"left", 6, b"1234", b"1234"),
        (b"right", 1, b"1234", b"4"),
        (b"right", 6, b"1234", b"1234"),
    ],
)
def test_a_token_is_cut(name: bytes, count: int, token: bytes, expected: bytes) -> None:
    assert placeholder.CUTS[name](token, count) == expected


@given(st.sampled_from(sorted(placeholder.CUTS)), TOKEN, COUNT)
def test_a_count_below_one_or_not_below_the_length_cuts_nothing(name: bytes, token: bytes, count: int) -> None:
    cut = placeholder.CUTS[name](token, count)
    assert (cut == token) == (not 0 < count < len(token))
    assert b"" not in cut.split(b".")


@given(st.sampled_from([name for name in sorted(placeholder.CUTS) if name.startswith(b"s")]), TOKEN, COUNT)
def test_a_divided_token_has_all_its_bytes(name: bytes, token: bytes, count: int) -> None:
    assert placeholder.CUTS[name](token, count).replace(b".", b"") == token


@given(TOKEN, st.integers(1, 15))
def test_slices_have_one_length_but_for_the_remainder(token: bytes, count: int) -> None:
    lengths = [len(part) for part in placeholder.slice_from_left(token, count).split(b".")]
    assert sorted(lengths, reverse=True) == lengths and lengths[:-1] == [count] * (len(lengths) - 1)
    assert [len(part) for part in placeholder.slice_from_right(token, count).split(b".")] == lengths[::-1]


@pytest.mark.parametrize(
    ("separator", "token", "expected"),
    [
        (b"-", b"-abc-def--ghi-", b"abc.def.ghi"),
        (b"-", b"abc", b"abc"),
        (b"-", b"--a", b"a"),
        (b"-", b"---", b""),
        (b"--", b"a--b---c--", b"a.b.-c"),
        (b"", "a\xe9z".encode(), "a.\xe9.z".encode()),
        (b"", b"a\xff\xfez", b"a.\xff.\xfe.z"),
    ],
)
def test_a_separator_divides_without_leaving_empty_tokens(separator: bytes, token: bytes, expected: bytes) -> None:
    assert placeholder.split(token, separator) == expected
