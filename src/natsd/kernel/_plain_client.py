"""The scanner for what a server sends to a client, in ordinary Python.

Readable twin of the native one and the oracle for it: the same bytes in any split give the same events.
Only the wire is known here; sockets, subscriptions and reconnecting are not.

1. A control line ends in LF, a CR before it is dropped. Verbs are taken in upper or lower case.
2. MSG and HMSG become one event when payload and CRLF are complete; payload bytes are only counted, never searched.
3. Rubbish raises ValueError with the line; the scanner is of no use afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    Event = tuple[Any, ...]
    Shape = tuple[int, bytes, bytes | None, int, int]

# A line without an end is not kept for ever; an INFO with thousands of cluster addresses stays far below this.
MAX_LINE_BYTES = 1 << 20
MAX_MESSAGE_BYTES = (1 << 31) - 1
# Lines without a reply subject come again and again, so that their arguments are remembered.
MEMO_LINES = 1024


class ClientScanner:
    """Turns the server's bytes into events.

    Events: ``("MSG", sid, subject, reply | None, header | None, payload)``, ``("INFO", json)``, ``("PING",)``,
    ``("PONG",)``, ``("OK",)``, ``("ERR", text)``. Header is the raw block with its final empty line; text is unquoted.
    """

    __slots__ = ("_body", "_line", "_memo", "_missing", "_shape")

    def __init__(self) -> None:
        self._line = bytearray()
        self._body = bytearray()
        self._missing = 0
        self._shape: Shape = (0, b"", None, -1, 0)
        self._memo: dict[bytes, Shape] = {}

    def feed(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """Take bytes in any split, return the events that are complete. Raises ValueError on rubbish."""
        events: list[Event] = []
        if not isinstance(data, bytes):
            data = bytes(data)
        pos = self._resume(data, events)
        size = len(data)
        memo = self._memo
        while pos < size:
            eol = data.find(b"\n", pos)
            if eol < 0:
                self._keep_line(data[pos:])
                break
            line = data[pos:eol]
            pos = eol + 1
            shape = memo.get(line) or self._parse(line, events)
            if shape is None:
                continue
            end = pos + shape[4]
            if end + 2 > size:
                self._keep_body(shape, data[pos:])
                break
            if data[end : end + 2] != b"\r\n":
                raise _rubbish(line)
            sid, subject, reply, header_size, _ = shape
            if header_size < 0:
                events.append(("MSG", sid, subject, reply, None, data[pos:end]))
            else:
                split = pos + header_size
                events.append(("MSG", sid, subject, reply, data[pos:split], data[split:end]))
            pos = end + 2
        return events

    def skim(self, data: bytes | bytearray | memoryview) -> tuple[int, int, list[Event]]:
        """Like feed for someone who only counts: (messages, their payload and header bytes, all other events)."""
        events: list[Event] = []
        if not isinstance(data, bytes):
            data = bytes(data)
        pos = self._resume(data, events)
        messages = 0
        total = 0
        if events and events[0][0] == "MSG":
            messages = 1
            total = self._shape[4]
            events.clear()
        size = len(data)
        memo = self._memo
        while pos < size:
            eol = data.find(b"\n", pos)
            if eol < 0:
                self._keep_line(data[pos:])
                break
            line = data[pos:eol]
            pos = eol + 1
            shape = memo.get(line) or self._parse(line, events)
            if shape is None:
                continue
            length = shape[4]
            end = pos + length
            if end + 2 > size:
                self._keep_body(shape, data[pos:])
                break
            # The next messages usually open with the very same line: one comparison each then.
            again = b"\r\n" + line + b"\n"
            stride = len(again) + length
            last = size - stride - 2
            first = end
            while end <= last and data.startswith(again, end):
                end += stride
            if data[end : end + 2] != b"\r\n":
                raise _rubbish(line)
            count = (end - first) // stride + 1
            messages += count
            total += count * length
            pos = end + 2
        return messages, total, events

    def _resume(self, data: bytes, events: list[Event]) -> int:
        """Finish the line or the payload that an earlier call left open; returns where to go on in data."""
        pos = 0
        if not self._missing:
            if not self._line:
                return 0
            eol = data.find(b"\n")
            if eol < 0:
                self._keep_line(data)
                return len(data)
            line = bytes(self._line) + data[:eol]
            self._line.clear()
            pos = eol + 1
            shape = self._parse(line, events)
            if shape is None:
                return pos
            self._keep_body(shape, b"")
        taken = data[pos : pos + self._missing]
        self._body += taken
        self._missing -= len(taken)
        pos += len(taken)
        if not self._missing:
            sid, subject, reply, header_size, total = self._shape
            body = self._body
            if body[total:] != b"\r\n":
                raise _rubbish(subject)
            if header_size < 0:
                events.append(("MSG", sid, subject, reply, None, bytes(body[:total])))
            else:
                events.append(("MSG", sid, subject, reply, bytes(body[:header_size]), bytes(body[header_size:total])))
            self._body = bytearray()
        return pos

    def _keep_line(self, part: bytes) -> None:
        if len(self._line) + len(part) > MAX_LINE_BYTES:
            raise _rubbish(bytes(self._line) or part)
        self._line += part

    def _keep_body(self, shape: Shape, part: bytes) -> None:
        self._shape = shape
        self._body += part
        self._missing = shape[4] + 2 - len(part)

    def _parse(self, line: bytes, events: list[Event]) -> Shape | None:
        """One control line: (sid, subject, reply, header size or -1, total size) of a message, or an event and None."""
        if len(line) > MAX_LINE_BYTES:
            raise _rubbish(line)
        stripped = line[:-1] if line.endswith(b"\r") else line
        verb, _, rest = stripped.replace(b"\t", b" ").partition(b" ")
        if verb not in (b"MSG", b"HMSG"):
            verb = verb.upper()
        if verb == b"MSG" or verb == b"HMSG":
            args = rest.split(b" ")
            if b"" in args:
                args = [arg for arg in args if arg]
            count = len(args)
            if verb == b"MSG":
                reply = args[2] if count == 4 else None
                if not 3 <= count <= 4:
                    raise _rubbish(line)
                header_size = -1
            else:
                reply = args[2] if count == 5 else None
                if not 4 <= count <= 5 or not _is_number(args[-2]):
                    raise _rubbish(line)
                header_size = int(args[-2])
            if not _is_number(args[1]) or not _is_number(args[-1]):
                raise _rubbish(line)
            total = int(args[-1])
            if header_size > total or total > MAX_MESSAGE_BYTES:
                raise _rubbish(line)
            shape = (int(args[1]), args[0], reply, header_size, total)
            if reply is None:
                if len(self._memo) >= MEMO_LINES:
                    self._memo.clear()
                self._memo[line] = shape
            return shape
        if verb == b"PING":
            events.append(("PING",))
        elif verb == b"PONG":
            events.append(("PONG",))
        elif verb == b"+OK":
            events.append(("OK",))
        elif verb == b"-ERR":
            text = rest.strip()
            if len(text) >= 2 and text.startswith(b"'") and text.endswith(b"'"):
                text = text[1:-1]
            events.append(("ERR", text))
        elif verb == b"INFO":
            events.append(("INFO", rest.strip()))
        else:
            raise _rubbish(line)
        return None


def _is_number(arg: bytes) -> bool:
    # Eighteen digits fit a signed 64-bit number, which the native twin counts in.
    return len(arg) <= 18 and arg.isdigit()


def _rubbish(line: bytes) -> ValueError:
    return ValueError("not a line of the protocol: " + repr(line[:256]))
