"""Prometheus' text format: one metric with its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.monitor.document import number

if TYPE_CHECKING:
    from collections.abc import Mapping


def render_metric(name: str, kind: str, samples: list[tuple[Mapping[str, str], float]]) -> str:
    """All of a metric."""
    lines = (render_sample(name, labels, value) for labels, value in samples)
    return f"# TYPE {name} {kind}\n{''.join(lines)}"


def render_sample(name: str, labels: Mapping[str, str], value: float) -> str:
    """One line of it."""
    pairs = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
    return f"{name}{{{pairs}}} {number(float(value))}\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
