"""Frames between a server and the process of a query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.sql.frames import NEXT, ROWS, Frames, render_frame


@given(st.lists(st.tuples(st.sampled_from([NEXT, ROWS]), st.binary(max_size=20)), max_size=6), st.data())
def test_any_split_gives_the_same_frames(frames: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    raw = b"".join(render_frame(kind, body) for kind, body in frames)
    reader = Frames()
    found = []
    at = 0
    while at < len(raw):
        step = data.draw(st.integers(1, 9))
        found += reader.feed(raw[at : at + step])
        at += step
    assert found == frames


def test_a_frame_that_is_too_long_is_refused_by_its_head() -> None:
    reader = Frames(most_bytes=10)
    assert reader.feed(render_frame(ROWS, b"0123456789")) == [(ROWS, b"0123456789")]
    with pytest.raises(ValueError, match="11 bytes"):
        reader.feed(render_frame(ROWS, b"0123456789a")[:5])
