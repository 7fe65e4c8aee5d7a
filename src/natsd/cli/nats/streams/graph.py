"""`nats stream graph` and `nats consumer graph`: figures of a stream or a consumer over time, drawn once a second."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import click

from natsd.cli import console
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.targets import (
    StreamLeaf,
    choose_consumer,
    choose_stream,
    consumer_arguments,
    jetstream,
    stream_argument,
)
from natsd.cli.plot import render_plot
from natsd.cli.values import comma

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from natsd.client.jetstream import JetStream

    Answer = dict[str, Any]

LEAST = 20
"""Columns and rows that a drawing needs."""
MOST_COLUMNS = 1000
LABELS = 12
"""Columns for the numbers at the axis."""
CLEAR = "\033[2J\033[H"


class Figure(NamedTuple):
    """What is drawn: where it is found, and whether as it is or how much of it comes in a second."""

    caption: str
    path: tuple[str, ...]
    rate: bool = False

    def read(self, page: Answer) -> int:
        value: Any = page
        for key in self.path:
            value = value.get(key) or {}
        return int(value or 0)


OF_STREAM = (
    Figure("Messages Stored", ("messages",)),
    Figure("Messages Removed / second", ("first_seq",), rate=True),
    Figure("Messages Stored / second", ("last_seq",), rate=True),
)
OF_CONSUMER = (
    Figure("Messages Pending", ("num_pending",)),
    Figure("Messages Waiting for Ack", ("num_ack_pending",)),
    Figure("Messages Delivered / second", ("delivered", "consumer_seq"), rate=True),
    Figure("Messages Acknowledged / second", ("ack_floor", "consumer_seq"), rate=True),
)


@click.command("graph", cls=StreamLeaf, help="Draw what a stream has and how that changes, once a second.")
@stream_argument
@click.pass_obj
def of_stream(settings: Settings, stream: str | None) -> None:
    _check_size()
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        _watch(js, History(OF_STREAM, f"Stream Statistics for {name}"), lambda: js.stream_info(name)["state"])


@click.command("graph", cls=StreamLeaf, help="Draw what a consumer has to do and does, once a second.")
@consumer_arguments
@click.pass_obj
def of_consumer(settings: Settings, stream: str | None, consumer: str | None) -> None:
    _check_size()
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        name = choose_consumer(js, target, consumer)
        history = History(OF_CONSUMER, f"Consumer Statistics for {target} > {name}")
        _watch(js, history, lambda: js.consumer_info(target, name))


def _check_size() -> tuple[int, int]:
    """Columns and rows of the terminal."""
    if not console.is_terminal(1):
        raise CommandFailed("there is nothing to draw on: the output is no terminal")
    width, height = console.columns(1), console.rows(1)
    if width < LEAST or height < LEAST:
        raise CommandFailed(f"the terminal has to have {LEAST} columns and {LEAST} rows at least")
    return width, height


class History:
    """What figures were, second by second."""

    def __init__(self, figures: Sequence[Figure], title: str) -> None:
        self._figures = figures
        self._title = title
        self._before: list[int] = []
        self._then = 0.0
        self._values: list[deque[float]] = [deque(maxlen=MOST_COLUMNS) for _ in figures]

    def add(self, page: Answer, now: float) -> None:
        """Take what a server says at a time in seconds."""
        found = [figure.read(page) for figure in self._figures]
        seconds = now - self._then
        for at, (figure, value) in enumerate(zip(self._figures, found, strict=True)):
            if not figure.rate:
                self._values[at].append(value)
            elif self._before and seconds > 0:
                self._values[at].append(max(0.0, (value - self._before[at]) / seconds))
            else:
                self._values[at].append(0.0)
        self._before, self._then = found, now

    def render(self, width: int, height: int) -> str:
        """All of it for a terminal of that size."""
        each = max((height - 3) // len(self._figures) - 3, 1)
        room = max(width - LABELS, 2)
        parts = [self._title]
        for figure, values in zip(self._figures, self._values, strict=True):
            shown = list(values)[-room:]
            shown = [0.0] * (room - len(shown)) + shown
            parts.append(render_plot(shown, each, figure.caption, _rate if figure.rate else _count))
        return "\n\n".join(parts) + "\n"


def _count(value: float) -> str:
    return comma(round(value))


def _rate(value: float) -> str:
    return f"{value:,.1f}"


def _watch(js: JetStream, history: History, ask: Callable[[], Answer]) -> None:
    """Draw until somebody has seen enough, which Ctrl-C says."""
    while True:
        history.add(ask(), time.monotonic())
        width, height = _check_size()
        console.out_text(CLEAR + history.render(width, height))
        console.flush()
        js.connection.pause(1.0)
