"""Where the body of a message comes from (argument, stdin, nothing), and templates that fall back to the plain text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from natsd.cli import console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from natsd.client.connection import Connection

    class Text(Protocol):
        """A template, or a text that stays as it is."""

        def render(self, count: int, request: bytes = b"") -> bytes: ...


READ_BYTES = 65536


class Body:
    """The bodies to send: one, or one a line of stdin.

    Stdin is read when no body is given and something is piped in, or when both ends are a terminal; `read` keeps the
    connection alive while it waits for input.
    """

    def __init__(self, text: str | None, force_stdin: bool, by_line: bool) -> None:
        self._text = text
        self._by_line = by_line
        self.from_stdin = force_stdin or (
            text is None and _is_open(0) and (not console.is_terminal(0) or console.is_terminal(1))
        )

    def read(self, connection: Connection) -> Iterator[bytes]:
        if not self.from_stdin:
            yield os.fsencode(self._text or "")
            return
        chunks = _read_stdin(connection)
        if not self._by_line:
            yield b"".join(chunks)
            return
        rest = b""
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.removesuffix(b"\r")
        if rest:
            yield rest


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _read_stdin(connection: Connection) -> Iterator[bytes]:
    while True:
        # True also when the server sent something; the short look tells which of the two it was.
        while not _is_ready(0):
            connection.wait(None, other_fd=0)
        chunk = os.read(0, READ_BYTES)
        if not chunk:
            return
        yield chunk


def _is_ready(fd: int) -> bool:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


class Literal:
    """A text without templates."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def render(self, count: int, request: bytes = b"") -> bytes:
        return self._raw


def template_of(raw: bytes, what: str, enabled: bool = True) -> Text:
    """The template in a text, or the text itself (with a log line) where it cannot be understood."""
    if enabled and b"{{" in raw:
        from natsd.cli.templates import Template, TemplateError

        try:
            return Template(raw)
        except TemplateError as problem:
            console.log(f"Could not parse {what} template: {problem}")
    return Literal(raw)


def publish_count(ctx: click.Context, param: click.Parameter, value: int) -> int:
    """A --count has to be at least one."""
    if value < 1:
        raise click.BadParameter("at least 1", ctx, param)
    return value
