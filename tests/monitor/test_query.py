"""Query parameters: what they may be, and Go's words when they are not."""

from __future__ import annotations

import pytest

from natsd.monitor.query import BadQuery, Query


def test_what_is_missing_or_empty_is_zero() -> None:
    query = Query({"offset": "", "auth": ""})
    assert (query.text("x"), query.flag("auth"), query.integer("offset"), query.unsigned("cid")) == ("", False, 0, 0)
    assert Query().subscriptions() == (False, False)


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_truth_has_go_s_spellings(text: str) -> None:
    assert Query({"auth": text}).flag("auth")


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_falsehood_has_go_s_spellings(text: str) -> None:
    assert not Query({"auth": text}).flag("auth")


@pytest.mark.parametrize(
    ("text", "answer"),
    [("detail", (False, True)), ("DETAIL", (False, True)), ("1", (True, False)), ("0", (False, False))],
)
def test_subscriptions_can_be_wanted_in_detail(text: str, answer: tuple[bool, bool]) -> None:
    assert Query({"subs": text}).subscriptions() == answer


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("-7", -7), ("+7", 7), ("007", 7), (str(2**63 - 1), 2**63 - 1)])
def test_integers_may_have_a_sign(text: str, number: int) -> None:
    assert Query({"limit": text}).integer("limit") == number


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        ("flag", "x", "Error decoding boolean for 'n': strconv.ParseBool: parsing \"x\": invalid syntax"),
        ("integer", "x", "Error decoding int for 'n': strconv.Atoi: parsing \"x\": invalid syntax"),
        ("integer", "1 ", "Error decoding int for 'n': strconv.Atoi: parsing \"1 \": invalid syntax"),
        ("integer", "٣", "Error decoding int for 'n': strconv.Atoi: parsing \"٣\": invalid syntax"),
        ("integer", "-", "Error decoding int for 'n': strconv.Atoi: parsing \"-\": invalid syntax"),
        ("integer", str(2**63), f"Error decoding int for 'n': strconv.Atoi: parsing \"{2**63}\": value out of range"),
        ("integer", "9" * 50, f"Error decoding int for 'n': strconv.Atoi: parsing \"{'9' * 50}\": value out of range"),
        ("unsigned", "-1", "Error decoding uint64 for 'n': strconv.ParseUint: parsing \"-1\": invalid syntax"),
        (
            "unsigned",
            str(2**64),
            f"Error decoding uint64 for 'n': strconv.ParseUint: parsing \"{2**64}\": value out of range",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_go_s_words(read: str, text: str, words: str) -> None:
    with pytest.raises(BadQuery) as refused:
        getattr(Query({"n": text}), read)("n")
    assert str(refused.value) == words
