"""Mirrors and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from natsd.jetstream.stream import Stream
    from natsd.jetstream.stream_config import StreamConfig


class Inflow:
    """One stream that another one is filled from."""


def start(stream: Stream, *, recovering: bool) -> None:
    """Begin."""


def stop(stream: Stream) -> None:
    """End."""


def update(stream: Stream, old: StreamConfig) -> None:
    """Change."""


def info(stream: Stream) -> dict[str, Any]:
    """Tell."""
    return {}
