"""Validity of subjects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.subjects import valid

ANY = st.lists(st.sampled_from([b"a", b"b", b"*", b">", b".", b" ", b"\t", b"a>", b"*b"])).map(b"".join)


@pytest.mark.parametrize(
    "subject", [b"a", b"a.b", b"*", b">", b"a.*.b", b"a.>", b"a*", b"a>.b", b"*a.>b", b" ", b"\xff.\x00"]
)
def test_what_may_be_subscribed(subject: bytes) -> None:
    assert valid.may_subscribe(subject)


@pytest.mark.parametrize("subject", [b"", b".", b"a.", b".a", b"a..b", b">.a", b"a.>.b", b">.>", b"a>.>.b"])
def test_what_may_not_be_subscribed(subject: bytes) -> None:
    assert not valid.may_subscribe(subject)


@given(ANY)
def test_a_subscription_needs_full_tokens_and_its_rest_wildcard_last(subject: bytes) -> None:
    tokens = subject.split(b".")
    assert valid.may_subscribe(subject) == (b"" not in tokens and b">" not in tokens[:-1])


@pytest.mark.parametrize("subject", [b"a b", b"a\t", b"\n", b"a.\r", b"\f.b", b"a..b", b""])
def test_blanks_and_empty_tokens_are_not_valid(subject: bytes) -> None:
    assert not valid.is_valid(subject)


def test_bytes_that_are_no_text_are_refused_only_when_asked() -> None:
    for subject in (b"\xff", b"a\x00", "\ufffd".encode()):
        assert valid.is_valid(subject)
        assert not valid.is_valid(subject, check_text=True)
    assert valid.is_valid("é.>".encode(), check_text=True)
    assert not valid.is_valid(b"a..b", check_text=True)


@given(ANY)
def test_a_wildcard_is_a_whole_token(subject: bytes) -> None:
    tokens = subject.split(b".")
    assert valid.has_wildcard(subject) == (b"*" in tokens or b">" in tokens)
    assert valid.is_valid_literal(subject) == (valid.is_valid(subject) and not valid.has_wildcard(subject))


def test_tokens_are_what_stands_between_separators() -> None:
    assert valid.tokens(b"a.b..c") == [b"a", b"b", b"", b"c"]
    assert [valid.count_tokens(subject) for subject in (b"", b"a", b"a.b", b"..")] == [0, 1, 2, 3]


def test_a_queue_name_is_one_word_and_not_the_servers_own() -> None:
    assert valid.is_valid_queue(b"workers.>")
    assert not any(map(valid.is_valid_queue, (b"", b"_sys_", b"a b", b"a\n")))
