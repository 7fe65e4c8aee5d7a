"""A file in the editor of whoever sits at the terminal."""

from __future__ import annotations

import os

from natsd.cli.exit_codes import CommandFailed


def edit_file(path: str, what: str) -> None:
    """Open a file in $VISUAL or $EDITOR until that ends. what: what stays as it was when this raises CommandFailed."""
    import shlex
    import subprocess

    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not words:
        raise CommandFailed(f"set EDITOR to the editor to use, {what} is unchanged")
    try:
        done = subprocess.run([*words, path], check=False)
    except OSError as problem:
        raise CommandFailed(f"cannot run {words[0]}: {(problem.strerror or '').lower()}") from None
    if done.returncode:
        raise CommandFailed(f"{words[0]} ended with exit code {done.returncode}, {what} is unchanged")
