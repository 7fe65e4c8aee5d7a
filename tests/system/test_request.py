"""Bodies of requests: what is taken, what is refused, and in which words."""

from __future__ import annotations

import pytest

from natsd.system.request import BadRequest, accepted_encoding, parse


def test_an_empty_body_asks_for_everything() -> None:
    for body in (b"", b"{}", b"null"):
        request = parse("CONNZ", body)
        assert request.values == {} and request.query.text("sort") == ""


def test_options_become_the_parameters_of_the_page() -> None:
    query = parse("CONNZ", b'{"state":2,"cid":7,"AUTH":true,"Sort":"subs","offset":-1,"x":[{}],"user":null}').query
    assert (query.text("state"), query.unsigned("cid"), query.flag("auth")) == ("all", 7, True)
    assert query.text("sort") == "subs"
    assert query.integer("offset") == -1 and query.text("user") == ""
    assert parse("CONNZ", b'{"state":7}').query.text("state") == "7"
    assert parse("CONNZ", b'{"subscriptions":true}').query.subscriptions() == (True, False)
    assert parse("CONNZ", b'{"subscriptions":true,"subscriptions_detail":true}').query.subscriptions() == (False, True)
    assert parse("JSZ", b'{"consumer":true,"stream_leader_only":false}').query.flag("consumers")


def test_the_last_of_two_equal_keys_counts() -> None:
    assert parse("ACCOUNTZ", b'{"account":"A","account":"B"}').query.text("acc") == "B"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("VARZ", b"{", "unexpected end of JSON input"),
        ("VARZ", b'{"host": "a', "unexpected end of JSON input"),
        ("VARZ", b"5", "json: cannot unmarshal number into Go value of type server.VarzEventOptions"),
        ("VARZ", b'{"tags":"x"}', "unmarshal string into Go struct field VarzEventOptions.tags of type []string"),
        ("VARZ", b'{"tags":[1]}', "cannot unmarshal number into Go struct field VarzEventOptions.tags of type string"),
        ("CONNZ", b'{"auth":1}', "cannot unmarshal number into Go struct field ConnzEventOptions.auth of type bool"),
        ("CONNZ", b'{"cid":true}', "cannot unmarshal bool into Go struct field ConnzEventOptions.cid of type uint64"),
        ("CONNZ", b'{"limit":1.5}', "unmarshal number 1.5 into Go struct field ConnzEventOptions.limit of type int"),
        ("CONNZ", b'{"limit":99999999999999999999}', "number 99999999999999999999 into Go struct field"),
        ("CONNZ", b'{"limit":' + b"9" * 999 + b"}", "cannot unmarshal number into Go struct field"),
    ],
)
def test_what_cannot_be_read_is_refused(kind: str, body: bytes, text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(kind, body)
    assert text in str(caught.value)


@pytest.mark.parametrize("body", [b"}", b'{"a":}', b"{,}", b"\xff", b"[1,2", b'{"host":"x"}}'])
def test_other_junk_is_refused_too(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse("VARZ", body)


def test_the_encoding_is_the_first_that_is_known() -> None:
    assert accepted_encoding(None) == accepted_encoding(b"NATS/1.0\r\nX: gzip\r\n\r\n") == ""
    assert accepted_encoding(b"NATS/1.0\r\nAccept-Encoding:gzip, Snappy\r\n\r\n") == "snappy"
    assert accepted_encoding(b"NATS/1.0\r\nAccept-Encoding: GZIP\r\n\r\n") == "gzip"
    assert accepted_encoding(b"NATS/1.0\r\nAccept-Encoding: zstd\r\n\r\n") == "identity"
