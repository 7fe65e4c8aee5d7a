"""How a part knows the whole that it belongs to: without keeping it, so that what is let go of is gone at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def whole_of(whole: T) -> Callable[[], T]:
    """Gives the whole back. Only who may be called when it is gone need look whether there is one still."""
    return cast("Callable[[], T]", ref(whole))
