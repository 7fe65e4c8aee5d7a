"""Work that may be interrupted: a generator that yields between its steps and returns what came of it.

Who runs it decides how many steps are done at once. What it looks at may have changed behind a yield.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import merge
from itertools import islice, pairwise
from typing import TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item", int, bytes)

PATIENCE = 3
MOST_AT_ONCE = 1000
"""Steps: some hundred milliseconds."""
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


def until_settled(changes: Callable[[], object], work: Callable[[], Steps[Result]]) -> Steps[Result]:
    """What comes of work, begun anew until nothing has changed meanwhile. changes: what it depends on.

    Where things change all the time it is done without interruption in the end, if it is not too much for that.
    """
    attempt = 0
    while True:
        attempt += 1
        before, steps, number = changes(), work(), 0
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: Result = end.value
                break
            number += 1
            yield
        if changes() == before:
            return result
        if attempt >= PATIENCE and number <= MOST_AT_ONCE:
            return at_once(work())
