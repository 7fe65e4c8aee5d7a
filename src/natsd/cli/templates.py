"""Templates in bodies, header values and subjects: ``{{Count}}``, ``{{.Time}}``, ``{{Random 10 20}}`` ...

Works on bytes, so that a body that is not text passes through untouched.
"""

from __future__ import annotations

import os
import time

from natsd.client.nuid import DIGITS, new_nuid


class TemplateError(Exception):
    """A template that cannot be filled in."""


class Template:
    """A parsed template. `render` fills it in for message number `count`."""

    __slots__ = ("_parts",)

    def __init__(self, raw: bytes) -> None:
        """Raises TemplateError for an open brace pair or an unknown name."""
        self._parts: list[bytes | list[str]] = []
        at = 0
        while True:
            start = raw.find(b"{{", at)
            if start < 0:
                break
            end = raw.find(b"}}", start)
            if end < 0:
                raise TemplateError("unclosed action")
            words = raw[start + 2 : end].decode("utf-8", "replace").split()
            _check(words)
            if start > at:
                self._parts.append(raw[at:start])
            self._parts.append(words)
            at = end + 2
        if at < len(raw):
            self._parts.append(raw[at:])

    def render(self, count: int, request: bytes = b"") -> bytes:
        out = []
        for part in self._parts:
            out.append(part if isinstance(part, bytes) else _value(part, count, request))
        return b"".join(out)


_NAMES = ("Count", "Cnt", "TimeStamp", "Unix", "UnixNano", "Time", "ID", "Request", "Random")


def _check(words: list[str]) -> None:
    name = words[0].removeprefix(".") if words else ""
    if name not in _NAMES:
        raise TemplateError(f'function "{name}" not defined' if name else "missing value for command")
    if name == "Random":
        if len(words) != 3 or not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words[1:]):
            raise TemplateError("Random needs a shortest and a longest length")
        if int(words[1]) > int(words[2]):
            raise TemplateError("the shortest length of Random is above the longest")
    elif len(words) != 1:
        raise TemplateError(f"{name} takes no arguments")


def _value(words: list[str], count: int, request: bytes) -> bytes:
    name = words[0].removeprefix(".")
    if name in ("Count", "Cnt"):
        return str(count).encode()
    if name == "TimeStamp":
        zone = time.strftime("%z")
        zone = "Z" if zone in ("+0000", "") else f"{zone[:3]}:{zone[3:]}"
        return (time.strftime("%Y-%m-%dT%H:%M:%S") + zone).encode()
    if name == "Unix":
        return str(int(time.time())).encode()
    if name == "UnixNano":
        return str(time.time_ns()).encode()
    if name == "Time":
        return (str(int(time.strftime("%I"))) + time.strftime(":%M%p")).encode()
    if name == "ID":
        return new_nuid(os.urandom).encode()
    if name == "Request":
        return request
    return random_text(int(words[1]), int(words[2]))


def random_text(shortest: int, longest: int) -> bytes:
    """Letters and digits, of a random length from shortest to longest, both included."""
    span = longest - shortest + 1
    length = shortest + int.from_bytes(os.urandom(8), "little") % span
    letters = DIGITS.encode()
    return os.urandom(length).translate(bytes(letters[value % 62] for value in range(256)))
