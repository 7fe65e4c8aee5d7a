"""Payloads through a command before they are shown: ``--translate 'jq .'``, with {{Subject}} and {{Stream}} in it."""

from __future__ import annotations

import shlex
import subprocess

from natsd.cli import console
from natsd.cli.exit_codes import USAGE, CommandFailed


def translate(payload: bytes, command: str, subject: str, stream: str = "") -> bytes:
    """What the command prints for a payload, its errors too; a log line says where it failed."""
    if not command:
        return payload
    text = command
    for name, value in (("Subject", subject), ("Stream", stream)):
        text = text.replace("{{" + name + "}}", value).replace("{{ " + name + " }}", value)
    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise CommandFailed(f"cannot split --translate into words: {problem}", USAGE) from None
    if not words:
        raise CommandFailed("--translate is empty", USAGE)
    try:
        done = subprocess.run(words, input=payload, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError as problem:
        raise CommandFailed(f"cannot run {words[0]}: {(problem.strerror or '').lower()}") from None
    if done.returncode:
        console.log(f"Error while translating: {words[0]} ended with exit code {done.returncode}")
    return done.stdout
