"""Unique ids of 22 letters and digits, for inboxes and message ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = 22


def new_nuid(chance: Callable[[int], bytes]) -> str:
    """An id from random bytes; `chance(n)` gives n of them."""
    # 17 bytes are 136 bits, 22 digits in base 62 hold 130: what is over is cut off.
    number = int.from_bytes(chance(17), "little")
    out = []
    for _ in range(LENGTH):
        number, digit = divmod(number, 62)
        out.append(DIGITS[digit])
    return "".join(out)
