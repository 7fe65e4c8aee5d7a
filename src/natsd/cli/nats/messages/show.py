"""How `nats subscribe` shows messages: for people, raw, or as JSON."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from natsd.cli import console
from natsd.cli.values import go_duration, quote

if TYPE_CHECKING:
    from typing import Protocol

    from natsd.client.message import Message

    class View(Protocol):
        """Somebody who shows messages; with `refresh_s` he wants to be called every so often."""

        refresh_s: float | None

        def show(self, number: int, message: Message, reply: Message | None) -> None: ...

        def refresh(self) -> None: ...

        def close(self) -> None: ...


class _Plain:
    refresh_s: float | None = None

    def refresh(self) -> None:
        """Nothing to draw again."""

    def close(self) -> None:
        """Nothing to end."""


class Pretty(_Plain):
    """``[#1] Received on "subject"``, headers, payload."""

    def __init__(self, stamp: str, headers_only: bool, subjects_only: bool, command_line: str = "") -> None:
        """`stamp` is empty, ``time`` or ``delta``; payloads go through the command if there is one."""
        self._command_line = command_line
        self._stamp = stamp
        self._headers_only = headers_only
        self._subjects_only = subjects_only
        self._started = time.monotonic_ns()

    def show(self, number: int, message: Message, reply: Message | None) -> None:
        stamp = self._render_stamp() if self._stamp else ""
        answer = f" with reply {quote(message.reply)}" if message.reply_bytes else ""
        console.out_text(f"[#{number}]{stamp} Received on {quote(message.subject)}{answer}\n")
        if not self._subjects_only:
            self._body(message)
        if reply is not None:
            console.out_text(f"[#{number}]{stamp} Matched reply on {quote(reply.subject)}\n")
            if not self._subjects_only:
                self._body(reply)

    def _body(self, message: Message) -> None:
        if message.header is not None:
            show_headers(message)
        if not self._headers_only:
            show_body(_translated(message, self._command_line), empty=b"nil body")

    def _render_stamp(self) -> str:
        if self._stamp == "delta":
            return f" @ {go_duration(time.monotonic_ns() - self._started)}"
        now = time.time_ns()
        clock = time.localtime(now // 1_000_000_000)
        micros = now // 1000 % 1_000_000
        return f" @ {time.strftime('%b', clock)} {clock.tm_mday:2d} {time.strftime('%H:%M:%S', clock)}.{micros:06d}"


class Raw(_Plain):
    """Payloads as they are, a line break behind each."""

    def __init__(self, command_line: str = "") -> None:
        self._command_line = command_line

    def show(self, number: int, message: Message, reply: Message | None) -> None:
        console.out(_translated(message, self._command_line) + b"\n")
        if reply is not None:
            console.out(_translated(reply, self._command_line) + b"\n")


class Dump(_Plain):
    """JSON: a file per message in a directory, or everything on stdout with `end` behind each message."""

    def __init__(self, directory: str, end: bytes = b"\0") -> None:
        import os

        self._end = end
        self._directory = "" if directory == "-" else directory
        if self._directory:
            os.makedirs(self._directory, 0o700, exist_ok=True)

    def show(self, number: int, message: Message, reply: Message | None) -> None:
        self._write(f"{number}.json", message)
        if reply is not None:
            self._write(f"{number}_reply.json", reply)
        if self._directory and number % 100 == 0:
            console.out(b".")

    def _write(self, name: str, message: Message) -> None:
        import base64
        import json
        import os

        header: dict[str, list[str]] = {}
        for key, value in message.headers:
            header.setdefault(key, []).append(value)
        document = {
            "Subject": message.subject,
            "Reply": message.reply,
            "Header": header or None,
            "Data": base64.b64encode(message.payload).decode(),
            "Sub": None,
        }
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        if not self._directory:
            console.out(text + self._end)
            return
        target = os.open(os.path.join(self._directory, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(target, "wb") as file:
            file.write(text)


def _translated(message: Message, command_line: str) -> bytes:
    if not command_line:
        return message.payload
    from natsd.cli.nats.messages.translate import translate
    from natsd.client.jetstream import meta_of

    meta = meta_of(message)
    return translate(message.payload, command_line, message.subject, meta.stream if meta is not None else "")


def show_headers(message: Message) -> None:
    """``Key: value`` per line, then an empty line."""
    lines = [f"{key}: {value}\n" for key, value in message.headers]
    if lines:
        console.out_text("".join(lines) + "\n")


def show_body(payload: bytes, empty: bytes = b"") -> None:
    """The payload and one empty line; a payload that ends in a line break gets no second one."""
    body = payload or empty
    console.out(body + (b"\n" if body.endswith(b"\n") else b"\n\n"))
