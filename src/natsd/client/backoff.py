"""How long to wait before the next attempt to reconnect: doubling from 500 ms to 20 s, with jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_S = 0.5
LONGEST_S = 20.0


def delay_s(attempt: int, chance: Callable[[int], bytes]) -> float:
    """Seconds before attempt n (from 0), between 0.5 and 20; many clients of one lost server spread out."""
    longest = LONGEST_S if attempt > 5 else min(LONGEST_S, SHORTEST_S * 2.0 ** (attempt + 1))
    shortest = max(SHORTEST_S, longest / 2)
    fraction = int.from_bytes(chance(4), "little") / 0xFFFFFFFF
    return shortest + (longest - shortest) * fraction
