"""Drawings of streams and consumers: lines, what they are made of, and the commands that show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from natsd.cli import console
from natsd.cli.nats.streams.graph import OF_CONSUMER, OF_STREAM, History
from natsd.cli.plot import render_plot
from natsd.client.connection import Connection

if TYPE_CHECKING:
    from tests.cli.streams import Inside
else:
    Inside = Any


def test_a_line_goes_up_and_down() -> None:
    assert render_plot([0, 0, 1, 5, 10, 10, 7, 3, 3, 0, 20], 6, "Messages", lambda value: f"{value:.1f}") == (
        " 20.0 ┤         ╭\n"
        " 16.7 ┤         │\n"
        " 13.3 ┤         │\n"
        " 10.0 ┤   ╭─╮   │\n"
        "  6.7 ┤  ╭╯ ╰╮  │\n"
        "  3.3 ┤  │   ╰─╮│\n"
        "  0.0 ┼──╯     ╰╯\n"
        "        Messages"
    )


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0, 0.0]])
def test_nothing_is_a_line_at_zero(values: list[float]) -> None:
    lines = render_plot(values, 5, "", str).splitlines()
    assert lines[0] == " 0.0 " + ("┼" if values else "┤") + "─" * max(len(values) - 1, 0)


def test_a_history_has_figures_and_their_rates() -> None:
    history = History(OF_STREAM, "Stream Statistics for S")
    history.add({"messages": 1000, "first_seq": 1, "last_seq": 1000}, 5.0)
    history.add({"messages": 1500, "first_seq": 101, "last_seq": 1600}, 7.0)
    shown = history.render(80, 40)
    assert shown.startswith("Stream Statistics for S\n\n")
    assert [line.strip() for line in shown.splitlines() if "Messages" in line] == [
        "Messages Stored",
        "Messages Removed / second",
        "Messages Stored / second",
    ]
    for highest in (" 1,500 ┤", " 50.0 ┤", " 300.0 ┤"):
        assert highest in shown
    assert len(shown.splitlines()) <= 40
    assert max(map(len, shown.splitlines())) <= 80


def test_a_history_of_a_consumer_reads_what_is_not_there_as_nothing() -> None:
    history = History(OF_CONSUMER, "Consumer Statistics for S > C")
    history.add({"num_pending": 7}, 1.0)
    history.add({"num_pending": 5, "delivered": {"consumer_seq": 4}, "ack_floor": None}, 2.0)
    shown = history.render(40, 40)
    assert " 7 ┤" in shown and " 4.0 ┤" in shown


@pytest.mark.parametrize("command", [("stream", "graph", "G"), ("consumer", "graph", "G", "C")])
def test_a_drawing_is_made_until_somebody_has_seen_enough(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    inside.ok("stream", "add", "G", "--subjects", "g", "--defaults")
    inside.ok("consumer", "add", "G", "C", "--pull", "--defaults")
    rounds = []

    def pause(connection: Connection, seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Connection, "pause", pause)
    monkeypatch.setattr(console, "is_terminal", lambda fd: True)
    monkeypatch.setattr(console, "columns", lambda fd=2, otherwise=80: 90)
    monkeypatch.setattr(console, "rows", lambda fd=2, otherwise=24: 50)
    result = inside.run(*command)
    assert rounds == [1.0] * 3
    assert result.out.count("\033[2J\033[H") == 3
    assert "Statistics for G" in result.out
    assert result.err == ""


def test_a_drawing_needs_a_terminal_of_some_size(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no terminal" in inside.run("stream", "graph", "G").err
    monkeypatch.setattr(console, "is_terminal", lambda fd: True)
    monkeypatch.setattr(console, "columns", lambda fd=2, otherwise=80: 19)
    assert "20 columns and 20 rows" in inside.run("consumer", "graph", "G", "C").err
