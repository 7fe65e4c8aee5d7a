"""Work that may be interrupted: a generator that yields between its steps and returns what came of it.

Who runs it decides how many steps are done at once. What it looks at may have changed behind a yield.
"""

from __future__ import annotations

from collections.abc import Generator
from heapq import merge
from itertools import islice, pairwise
from typing import TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item", int, bytes)

AT_ONCE = 1024
"""Items that are put in order between two yields."""

Steps = Generator[None, None, Result]


def at_once(steps: Steps[Result]) -> Result:
    """What comes of it, without interruption."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def in_order(parts: list[list[Item]], most: int | None = None) -> Steps[list[Item]]:
    """What is in sorted lists as one, or the first so many of it."""
    parts = [part for part in parts if part]
    if all(one[-1] < other[0] for one, other in pairwise(parts)):
        together: list[Item] = []
        for part in parts:
            together += part
            yield
        return together[:most]
    found: list[Item] = []
    items = islice(merge(*parts), most)
    while batch := list(islice(items, AT_ONCE)):
        found += batch
        yield
    return found
