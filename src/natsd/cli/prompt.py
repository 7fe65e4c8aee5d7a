"""Questions to somebody at a terminal. Without one they are errors that name what to give instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli import console
from natsd.cli.exit_codes import USAGE, CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def may_ask() -> bool:
    """Whether somebody is there to answer."""
    return console.is_terminal(0)


def confirm(question: str, instead: str = "--force", default: bool = False) -> bool:
    """Ask for yes or no."""
    if not may_ask():
        raise CommandFailed(f'no answer to "{question}": there is no terminal to ask, give {instead}', USAGE)
    import click

    console.flush()
    return click.confirm(question, default=default, err=True)


def ask(
    question: str,
    instead: str,
    default: str | None = None,
    check: Callable[[str], object] | None = None,
    required: bool = False,
) -> str:
    """Ask for a text, again while `check` raises ValueError; an empty answer is fine unless it is required."""
    if not may_ask():
        raise CommandFailed(f'no answer to "{question}": there is no terminal to ask, give {instead}', USAGE)
    import click

    console.flush()
    while True:
        # click asks again by itself where there is no default; an empty answer is one here.
        shown = default if default is not None else ("" if not required else None)
        answer = str(click.prompt(question, default=shown, show_default=bool(shown), err=True)).strip()
        if required and not answer:
            continue
        if check is not None and answer:
            try:
                check(answer)
            except ValueError as problem:
                console.note(f"{problem}\n")
                continue
        return answer


def pick(question: str, choices: Sequence[str], instead: str, default: str = "") -> str:
    """Ask for one of several, by number or by name."""
    if not may_ask():
        known = f", one of: {', '.join(choices[:20])}" if choices else ""
        raise CommandFailed(f'no answer to "{question}": there is no terminal to ask, give {instead}{known}', USAGE)
    import click

    console.flush()
    for number, choice in enumerate(choices, 1):
        console.note(f"{number:4d}  {choice}\n")
    while True:
        answer = str(click.prompt(question, default=default or None, err=True)).strip()
        if answer in choices:
            return answer
        if answer.isascii() and answer.isdigit() and 0 < int(answer) <= len(choices):
            return choices[int(answer) - 1]
        console.note(f"a number from 1 to {len(choices)} or one of the names\n")
