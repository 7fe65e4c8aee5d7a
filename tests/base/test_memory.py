"""Giving memory back."""

from __future__ import annotations

import ctypes

import pytest

from natsd.base.memory import give_back


def test_the_c_library_is_told_where_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    class Library:
        malloc_trim = told.append

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    give_back()
    assert told == [0]
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    give_back()
    assert told == [0]
