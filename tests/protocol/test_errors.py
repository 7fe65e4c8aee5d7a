"""The table of -ERR texts and the quoting of what a peer sent."""

from __future__ import annotations

import pytest

from natsd.protocol import errors


def rows() -> list[errors.Refusal]:
    return [value for value in vars(errors).values() if isinstance(value, errors.Refusal)]


def test_each_row_renders_as_one_line() -> None:
    assert errors.AUTHORIZATION_VIOLATION.line == b"-ERR 'Authorization Violation'\r\n"
    assert all(row.line.endswith(b"'\r\n") and row.line.count(b"\n") == 1 for row in rows())


def test_which_rows_close_the_connection() -> None:
    assert {row.text for row in rows() if row.reason is None} == {
        "maximum subscriptions exceeded",
        "Invalid Subject",
        "Invalid Publish Subject",
    }


def test_a_reason_that_is_not_flushed_does_not_linger_either() -> None:
    assert errors.UNFLUSHED < errors.UNLINGERED
    assert not errors.UNLINGERED & {row.reason for row in rows()}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"foo.bar", '"foo.bar"'),
        (b'a"b\\c', r'"a\"b\\c"'),
        (b"\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        (b"\x00\x1f\x7f", r'"\x00\x1f\x7f"'),
        ("é€".encode(), '"é€"'),
        (b"\xff\xfe", r'"\xff\xfe"'),
        ("\u200b".encode(), r'"\u200b"'),
        ("\U000e0001".encode(), r'"\U000e0001"'),
        (b"", '""'),
    ],
)
def test_what_a_peer_sent_is_quoted_as_go_does(raw: bytes, text: str) -> None:
    assert errors.quoted(raw) == text


def test_texts_of_permission_violations() -> None:
    assert errors.publish_denied(b"a") == 'Permissions Violation for Publish to "a"'
    assert errors.reply_denied(b"r") == 'Permissions Violation for Publish with Reply of "r"'
    assert errors.subscribe_denied(b"a", None) == 'Permissions Violation for Subscription to "a"'
    assert errors.subscribe_denied(b"a", b"q") == 'Permissions Violation for Subscription to "a" using queue "q"'
    assert errors.too_many_tokens(b"a.b") == 'Permissions Violation for Subscription to "a.b", too many tokens'
