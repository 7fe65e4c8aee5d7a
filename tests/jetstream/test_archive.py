"""Entries of a backup: every number in every size, whole and cut, in pieces of any size."""

from __future__ import annotations

import random
import time

import pytest

from natsd.jetstream.backups import backup
from natsd.jetstream.backups.archive import END, Reader, render_entry, render_state

SIZES = [0, 1, 5, 127, 128, 300, 20_000]
TIMES = [0, 1, -1, 127, -128, 1 << 55, (1 << 55) - 1, 1 << 56, 1_795_855_829_691_716_880, (1 << 63) - 1, -(1 << 63)]
SEQS = [1, 127, 128, 1 << 20, 1 << 35, (1 << 63) - 1]


@pytest.mark.parametrize("time_ns", TIMES)
@pytest.mark.parametrize("seq", SEQS)
def test_a_message_comes_out_as_it_went_in(time_ns: int, seq: int) -> None:
    chance = random.Random(seq ^ time_ns)
    subject, header, payload = (chance.randbytes(chance.choice(SIZES)) for _ in range(3))
    whole = render_state({"first_seq": 1, "last_seq": seq}, 0, 1, 1) + render_entry(
        subject, time_ns, seq, header, payload
    )
    reader = Reader()
    parts = []
    size = chance.choice([1, 7, 1000])
    for at in range(0, len(whole + END), size):
        reader.feed((whole + END)[at : at + size])
        while (part := reader.take()) is not None:
            parts.append(part)
    assert parts == [
        backup.Head("", 1, 1, 0),
        [(seq, subject, header or None, payload, time_ns)],
        backup.Tail(seq),
    ]


@pytest.mark.parametrize("cut", range(20))
def test_what_is_cut_off_waits_for_the_rest(cut: int) -> None:
    state = render_state({"first_seq": 1, "last_seq": 9}, 0, 1, 1)
    entry = render_entry(b"s.1", TIMES[8], 9, b"", b"hello")
    reader = Reader()
    reader.feed(state + entry[:cut])
    assert isinstance(reader.take(), backup.Head)
    assert reader.take() is None
    reader.feed(entry[cut:])
    assert reader.take() == [(9, b"s.1", None, b"hello", TIMES[8])]


def test_a_long_message_in_tiny_pieces_takes_no_longer_than_its_bytes() -> None:
    reader = Reader()
    reader.feed(render_state({"first_seq": 1, "last_seq": 1}, 0, 1, 1) + render_entry(b"s", 1, 1, b"", bytes(1 << 20)))
    assert isinstance(reader.take(), backup.Head)
    assert isinstance(reader.take(), list)
    begun = time.process_time()
    reader.feed(render_entry(b"s", 1, 2, b"", bytes(1 << 20))[: -(1 << 20)])
    for _ in range(1 << 16):
        reader.feed(bytes(16))
        reader.take()
    assert time.process_time() - begun < 10
