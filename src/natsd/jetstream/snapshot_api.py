"""Requests to back a stream up and to bring it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.jetstream.request import Route

ROUTES: tuple[Route, ...] = ()
