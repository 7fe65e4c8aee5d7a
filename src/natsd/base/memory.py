"""Giving memory back to the system."""

from __future__ import annotations


def give_back() -> None:
    """Have the C library give back what it keeps for later use, where it can be told to. It may take some milliseconds
    for each hundred megabytes."""
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
