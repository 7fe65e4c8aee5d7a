"""Work that may be interrupted: a generator that yields between its steps and returns what came of it.

Who runs it decides how many steps are done at once. What it looks at may have changed behind a yield.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")

Steps = Generator[None, None, Result]


def at_once(steps: Steps[Result]) -> Result:
    """What comes of it, without interruption."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
