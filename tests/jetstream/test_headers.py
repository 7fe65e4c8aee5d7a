"""Headers looked into, taken out and added."""

from __future__ import annotations

import pytest

from natsd.jetstream import headers

BLOCK = b"NATS/1.0\r\nA: 1\r\nNats-Msg-Id:  x y\r\nNats-Expected-Stream: S\r\nnats-ttl: 5\r\nA: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("name", "value"), [(b"A", b"1"), (b"Nats-Msg-Id", b"x y"), (b"Nats-TTL", None), (b"Msg-Id", None), (b"", None)]
)
def test_the_first_of_a_name_counts(name: bytes, value: bytes | None) -> None:
    assert headers.value_of(BLOCK, name) == value


def test_all_of_ours_are_found_at_once() -> None:
    assert headers.ours(BLOCK) == {b"Nats-Msg-Id": b"x y", b"Nats-Expected-Stream": b"S"}
    assert headers.ours(b"NATS/1.0\r\nNats-X: 1\r\nNats-X: 2\r\nNats-bad\r\n\r\n") == {b"Nats-X": b"1"}


def test_a_header_is_taken_out() -> None:
    assert headers.without(b"NATS/1.0\r\nA: 1\r\nB: 2\r\n\r\n", b"A") == b"NATS/1.0\r\nB: 2\r\n\r\n"
    assert headers.without(b"NATS/1.0\r\nA: 1\r\n\r\n", b"A") is None
    assert headers.without(BLOCK, b"C") == BLOCK


def test_a_header_is_added_at_the_end() -> None:
    assert headers.with_header(None, b"A", b"1") == b"NATS/1.0\r\nA: 1\r\n\r\n"
    assert headers.with_header(b"NATS/1.0\r\nA: 1\r\n\r\n", b"B", b"2") == b"NATS/1.0\r\nA: 1\r\nB: 2\r\n\r\n"


def test_names_are_found_by_their_beginning() -> None:
    assert headers.name_from(BLOCK, b"Nats-Expected-") == b"Nats-Expected-Stream"
    assert headers.name_from(BLOCK, b"Nats-Batch-") == b""


def test_a_status_is_a_block_without_more() -> None:
    assert headers.status(404, b"Message Not Found") == b"NATS/1.0 404 Message Not Found\r\n\r\n"


@pytest.mark.parametrize(("value", "asks"), [(b"1", False), (b"2", False), (b"3", True), (b"x", True), (b"", False)])
def test_a_level_that_is_too_high_is_seen(value: bytes, asks: bool) -> None:
    assert headers.asks_for_more(b"NATS/1.0\r\nNats-Required-Api-Level: %b\r\n\r\n" % value, 2) is asks
    assert not headers.asks_for_more(BLOCK, 2)
