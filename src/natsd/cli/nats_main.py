"""Entry of the `nats` command: runs it and turns what went wrong into one line and an exit code.

Exit codes: 0 fine, 1 error, 2 usage, 3 no responders, 4 time-out, 5 not permitted, 130 interrupted, 141 nobody reads
our output.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click


INTERRUPTED, BROKEN_PIPE = 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run `nats` with these arguments (default: those of the process) and return its exit code."""
    from natsd.cli import console

    try:
        try:
            return _run(argv)
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            console.flush()
    except BrokenPipeError:
        # Nobody reads our output any more: the end of the work, not an error.
        console.forget()
        return BROKEN_PIPE


def _run(argv: Sequence[str] | None) -> int:
    import click

    from natsd.cli import console
    from natsd.cli.exit_codes import ERROR, FINE, USAGE, CommandFailed, exit_code_of, line_of
    from natsd.cli.nats.app import nats
    from natsd.cli.nats.settings import Settings
    from natsd.client.errors import ClientError

    try:
        if "_NATS_COMPLETE" in os.environ:
            # The shell asks for completions: click answers and exits.
            nats.main(prog_name="nats", obj=Settings())
        # Not click's main: that one writes on an interrupt.
        with nats.make_context("nats", list(sys.argv[1:] if argv is None else argv), obj=Settings()) as context:
            nats.invoke(context)
        return FINE
    except click.exceptions.Exit as problem:
        return problem.exit_code
    except click.exceptions.Abort:
        # Ctrl-C or Ctrl-D in place of an answer, which ends no line.
        console.note("\n")
        return INTERRUPTED
    except click.UsageError as problem:
        return _complain(_usage(problem), USAGE)
    except click.ClickException as problem:
        return _complain(problem.format_message(), ERROR)
    except ClientError as problem:
        return _complain(line_of(problem), exit_code_of(problem))
    except CommandFailed as problem:
        return _complain(str(problem), problem.code)
    except BrokenPipeError:
        raise
    except OSError as problem:
        what = f"{problem.filename}: " if problem.filename else ""
        return _complain(f"{what}{(problem.strerror or str(problem)).lower()}", ERROR)


# Words of click, and ours.
_WORDS = (
    (". (Did you mean", ", did you mean"),
    (". Did you mean", ", did you mean"),
    ("is not a valid integer range", "is not a whole number"),
    ("is not a valid integer", "is not a whole number"),
)


def _usage(problem: click.UsageError) -> str:
    text = problem.format_message().strip()
    for theirs, ours in _WORDS:
        text = text.replace(theirs, ours)
    text = text.removesuffix(")") if text.endswith("?)") else text
    text = text.removesuffix(".") if text.count(".") == 1 else text
    path = problem.ctx.command_path if problem.ctx else "nats"
    return f"{text[:1].lower()}{text[1:]} (try {path} --help)"


def _complain(text: str, code: int) -> int:
    from natsd.cli import console

    console.note(f"nats: error: {' '.join(text.split())}\n")
    return code
