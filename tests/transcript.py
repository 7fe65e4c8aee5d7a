"""Dialogues on the wire: the format of tests/transcripts/*.txt and the player for it.

The player knows no sockets: a Place (a listening server, sessions in memory) gives it Lines, and a Line carries bytes.
The format is described in tests/transcripts/README.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

PATIENCE_S = 60.0
PIECE_S = 0.003
"""How long after a piece of a line the next one is sent, so that the server reads them one by one."""
MANNER = '{"verbose":false,"pedantic":false,"headers":true}'
FOLDER = Path(__file__).parent / "transcripts"

Cut = Callable[[bytes], list[bytes]]


class Line(Protocol):
    """One connection to a server, as bytes."""

    def send(self, data: bytes) -> None:
        """Carry bytes to the server; a server that is gone is no error here."""

    def receive(self, wait_s: float) -> bytes | None:
        """Return what came, b"" when nothing came within the time, None when the server closed the connection."""

    def close(self) -> None:
        """Hang up."""


class Place(Protocol):
    """A server that transcripts are played against."""

    version: tuple[int, ...]
    settle_s: float

    def dial(self) -> Line:
        """Open a connection."""

    def hang_up(self, line: Line) -> None:
        """Close a connection and return when the server has seen it."""

    def now(self) -> float:
        """The time in seconds, as this place has it."""

    def wait(self, seconds: float) -> None:
        """Let time pass (a place in memory moves its clock)."""

    def tell(self, order: str) -> None:
        """Carry out `server ...` of a transcript, such as lame-duck."""


class Malformed(ValueError):
    """A transcript that cannot be read."""


class Mismatch(AssertionError):
    """The server said something else than the transcript."""


class Step:
    """One step: what happens, who takes part (names, "all"), whether one of them is enough, and its lines."""

    __slots__ = ("kind", "lines", "number", "one_of", "value", "who")

    def __init__(self, kind: str, who: list[str], number: int, one_of: bool = False, value: float = 0.0) -> None:
        self.kind = kind
        self.who = who
        self.number = number
        self.one_of = one_of
        self.value = value
        self.lines: list[tuple[int, str, bool]] = []  # number, text, whether CRLF follows


class Transcript:
    """A parsed transcript: what server it wants, how its connections introduce themselves, and its steps."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.title = ""
        self.flags: list[str] = []
        self.options: dict[str, Any] = {}
        self.connect: dict[str, str] = {}
        self.versions = ""
        self.split = True
        self.fresh = False
        self.steps: list[Step] = []
        self._parse(text)

    @classmethod
    def load(cls, path: Path) -> Transcript:
        return cls(path.stem, path.read_text(encoding="utf-8"))

    def wants(self, version: tuple[int, ...]) -> bool:
        """Whether the rule is one of this NATS version (`versions: 2.12+`, `versions: -2.11`)."""
        if not self.versions:
            return True
        bound = tuple(int(part) for part in self.versions.strip("+-").split("."))
        if self.versions.endswith("+"):
            return version[: len(bound)] >= bound
        return version[: len(bound)] <= bound

    @property
    def gives_orders(self) -> bool:
        """Whether the server is told something that only a process hears."""
        return any(step.kind == "server" for step in self.steps)

    @property
    def is_about_pings(self) -> bool:
        """Whether PING of the server is part of the dialogue; otherwise it may come and is passed over."""
        return any(step.kind == "expect" and any(text == "PING" for _, text, _ in step.lines) for step in self.steps)

    def _parse(self, text: str) -> None:
        open_block = False
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith("#"):
                self.title = self.title or line[1:].strip()
                continue
            if not line.strip():
                open_block = False
                continue
            found = re.match(r"([a-z0-9|,]+)([<>])(\|?)(?: (.*))?$", line, re.DOTALL)
            if found:
                open_block = self._dialogue(number, found, open_block)
            elif not self._happening(number, line) and (self.steps or not self._header(line)):
                raise Malformed(f"{self.name}:{number}: {line!r}")
            else:
                open_block = False
        if not self.title or not self.steps:
            raise Malformed(f"{self.name}: a transcript has a comment that states the rule, and steps")

    def _dialogue(self, number: int, found: re.Match[str], open_block: bool) -> bool:
        names, way, bare, text = found.groups(default="")
        who, one_of = re.split(r"[|,]", names), "|" in names
        if way == "<" and not bare and text == "closed":
            self.steps.append(Step("closed", who, number))
            return False
        if way == "<" and not bare and text == "quiet":
            self.steps.append(Step("quiet", who, number))
            return False
        kind = "send" if way == ">" else "expect"
        last = self.steps[-1] if self.steps else None
        same = open_block and last is not None and (last.kind, last.who, last.one_of) == (kind, who, one_of)
        if not same or (kind == "send" and bare):
            last = Step(kind, who, number, one_of)
            self.steps.append(last)
        assert last is not None
        last.lines.append((number, text, not bare))
        return not (kind == "send" and bare)

    def _happening(self, number: int, line: str) -> bool:
        if found := re.fullmatch(r"([a-z0-9]+) (opens|closes)", line):
            self.steps.append(Step(found[2], [found[1]], number))
        elif found := re.fullmatch(r"wait (\d+)ms", line):
            self.steps.append(Step("wait", [], number, value=int(found[1]) / 1000))
        elif found := re.fullmatch(r"server ([a-z-]+)", line):
            self.steps.append(Step("server", [found[1]], number))
        else:
            return False
        return True

    def _header(self, line: str) -> bool:
        key, colon, value = line.partition(":")
        value = value.strip()
        if key == "flags":
            self.flags = value.split()
        elif key == "options":
            self.options = json.loads(value)
        elif key.split()[0] == "connect" and colon:
            for name in key.split()[1:] or [""]:
                self.connect[name] = value
        elif key == "versions":
            self.versions = value
        elif key == "split" and value == "no":
            self.split = False
        elif key == "fresh" and value == "yes":
            self.fresh = True
        else:
            return False
        return True


def load_all() -> list[Transcript]:
    return [Transcript.load(path) for path in sorted(FOLDER.glob("*.txt"))]


_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def plain(text: str) -> bytes:
    r"""Return the bytes that a line stands for: \r \n \t \\ \xNN, and {{text*count}} for a repetition."""
    text = re.sub(r"\{\{(.+?)\*(\d+)\}\}", lambda found: found[1] * int(found[2]), text)
    out = bytearray()
    at = 0
    while (backslash := text.find("\\", at)) >= 0:
        out += text[at:backslash].encode()
        letter = text[backslash + 1 : backslash + 2]
        if letter == "x":
            out.append(int(text[backslash + 2 : backslash + 4], 16))
            at = backslash + 4
        elif letter in _ESCAPES:
            out += _ESCAPES[letter]
            at = backslash + 2
        else:
            raise Malformed(f"unknown escape in {text!r}")
    return bytes(out + text[at:].encode())


def is_pattern(text: str) -> bool:
    """Whether an expected line is a pattern: /regular expression/ or a verb with JSON of wanted fields."""
    return (len(text) > 1 and text[0] == text[-1] == "/") or text.startswith("INFO {")


def misfit(text: str, line: bytes) -> str:
    """Return why a received line (without CRLF) is not what the pattern asks for, or "" when it is."""
    if text.startswith("/"):
        return "" if re.fullmatch(text[1:-1].encode(), line, re.DOTALL) else f"does not match {text}"
    if not line.startswith(b"INFO {"):
        return "is not INFO"
    got = json.loads(line[5:])
    for key, want in json.loads(text[5:]).items():
        have = got.get(key)
        if want is None:
            if key in got:
                return f"{key} should be absent, is {have!r}"
        elif want == "*":
            if key not in got:
                return f"{key} is missing"
        elif isinstance(want, str) and want.startswith("~"):
            if not isinstance(have, str) or not re.fullmatch(want[1:], have):
                return f"{key} is {have!r}, wanted {want!r}"
        elif want != have or isinstance(want, bool) != isinstance(have, bool):
            return f"{key} is {have!r}, wanted {want!r}"
    return ""


class Talk:
    """One connection in a play: its line, what came and was not asked for yet, and where both streams stand."""

    def __init__(self, name: str, place: Place, pass_pings: bool) -> None:
        self.name = name
        self._pass_pings = pass_pings
        self.line = place.dial()
        self._now = place.now
        self.inbox = bytearray()
        self.closed = False
        self.introduced = False
        self.unsettled = False
        self._mark = 0  # inbox is scanned for frames up to here
        self._pongs: list[int] = []  # where the unread PONG lines begin
        self._pongs_seen = 0
        self._pings_sent = 0
        self._owed = 0  # payload bytes that the server still waits for
        self._half = b""  # a line that is not ended yet

    def send(self, data: bytes, cut: Cut | None = None) -> None:
        self._watch(data)
        self.unsettled = True
        for piece in cut(data) if cut else (data,):
            self.line.send(piece)

    def _watch(self, data: bytes) -> None:
        """Follow the own stream just enough to know whether a PING may be slipped in."""
        data = self._half + data
        at = 0
        while at < len(data):
            if self._owed:
                step = min(self._owed, len(data) - at)
                self._owed -= step
                at += step
                continue
            end = data.find(b"\n", at)
            if end < 0:
                break
            words = data[at:end].split()
            verb = words[0].upper() if words else b""
            if verb in (b"PUB", b"HPUB") and words[-1].isdigit():
                self._owed = int(words[-1]) + 2
            elif verb.startswith(b"PING"):
                self._pings_sent += 1
            at = end + 1
        self._half = data[at:]

    @property
    def can_settle(self) -> bool:
        return self.introduced and not self.closed and not self._owed and not self._half

    def pump(self, wait_s: float) -> bool:
        """Read what came within the time; False when nothing did."""
        if self.closed:
            return False
        data = self.line.receive(wait_s)
        if data is None:
            self.closed = True
            return False
        self.inbox += data
        self._scan()
        return bool(data)

    def _scan(self) -> None:
        while (end := self.inbox.find(b"\r\n", self._mark)) >= 0:
            words = self.inbox[self._mark : end].split()
            size = end + 2 - self._mark
            if words and words[0] in (b"MSG", b"HMSG"):
                size += int(words[-1]) + 2
                if self._mark + size > len(self.inbox):
                    return
            elif words == [b"PONG"]:
                self._pongs.append(self._mark)
                self._pongs_seen += 1
            elif words == [b"PING"] and self._pass_pings:
                del self.inbox[self._mark : end + 2]
                continue
            self._mark += size

    def take(self, count: int) -> bytes:
        data = bytes(self.inbox[:count])
        del self.inbox[:count]
        self._mark = max(0, self._mark - count)
        self._pongs = [at - count for at in self._pongs if at >= count]
        return data

    def take_line(self, patience_s: float = PATIENCE_S) -> bytes | None:
        """Take one line without its CRLF; None when none came in time."""
        ends = self._now() + patience_s
        while (end := self.inbox.find(b"\r\n")) < 0:
            if self.closed or self._now() > ends:
                return None
            self.pump(0.2)
        return self.take(end + 2)[:-2]

    def settle(self) -> None:
        """See to it that all that was sent is done and all that is due is here, by a PING whose PONG is hidden."""
        self.unsettled = False
        if not self.can_settle:
            return
        self.send(b"PING\r\n")
        self.unsettled = False
        ends = self._now() + PATIENCE_S
        while self._pongs_seen < self._pings_sent and not self.closed:
            if self._now() > ends:
                raise Mismatch(f"{self.name}: no PONG came; unread: {brief(self.inbox)}")
            self.pump(0.2)
        if self._pongs_seen >= self._pings_sent:
            at = self._pongs.pop()
            del self.inbox[at : at + 6]
            self._mark -= 6


def brief(data: bytes | bytearray) -> str:
    if len(data) < 400:
        return repr(bytes(data))
    return f"{bytes(data[:200])!r}...{bytes(data[-100:])!r} ({len(data)} bytes)"


class Player:
    """Plays one transcript at one place; `cut` divides what is sent."""

    def __init__(self, transcript: Transcript, place: Place, cut: Cut | None = None) -> None:
        self._transcript = transcript
        self._place = place
        self._cut = cut
        self._talks: dict[str, Talk] = {}
        self._sender = ""

    def play(self) -> None:
        """Play to the end; raises Mismatch at the first difference."""
        try:
            for step in self._transcript.steps:
                try:
                    getattr(self, f"_{step.kind}")(step)
                except Mismatch as mismatch:
                    raise Mismatch(f"{self._transcript.name}:{step.number}: {mismatch}") from None
            for talk in self._talks.values():
                talk.pump(0)
                if talk.inbox:
                    raise Mismatch(f"{self._transcript.name}: at the end {talk.name} has {brief(talk.inbox)}")
        finally:
            for talk in self._talks.values():
                talk.line.close()

    def _named(self, names: list[str]) -> Iterator[Talk]:
        for name in list(self._talks) if names == ["all"] else names:
            yield self._talks[name] if name in self._talks else self._dial(name)

    def _dial(self, name: str) -> Talk:
        talk = self._talks[name] = Talk(name, self._place, not self._transcript.is_about_pings)
        manner = self._transcript.connect.get(name, self._transcript.connect.get("", MANNER))
        if manner == "raw":
            return talk
        greeting = talk.take_line()
        if greeting is None or not greeting.startswith(b"INFO {"):
            raise Mismatch(f"{name}: greeted with {greeting!r}")
        if manner == "no":
            return talk
        talk.send(b"CONNECT " + plain(manner) + b"\r\nPING\r\n")
        while (line := talk.take_line()) != b"PONG":
            if line != b"+OK":
                raise Mismatch(f"{name}: CONNECT was answered with {line!r}")
        if self._place.version >= (2, 12) and json.loads(manner).get("protocol"):
            talk.take_line()
        talk.introduced, talk.unsettled = True, False
        return talk

    def _opens(self, step: Step) -> None:
        for talk in self._named(step.who):
            talk.pump(0)

    def _closes(self, step: Step) -> None:
        for talk in self._named(step.who):
            talk.settle()
            self._place.hang_up(talk.line)
            talk.closed = True

    def _send(self, step: Step) -> None:
        data = b"".join(plain(text) + b"\r\n" * ended for _, text, ended in step.lines)
        for talk in self._named(step.who):
            if talk.name != self._sender:
                for other in self._talks.values():
                    if other is not talk and other.unsettled:
                        other.settle()
            self._sender = talk.name
            talk.send(data, self._cut)
            if not step.lines[-1][2]:
                self._place.wait(PIECE_S)

    def _expect(self, step: Step) -> None:
        if not step.one_of:
            for talk in self._named(step.who):
                self._match(talk, step)
            return
        talks = list(self._named(step.who))
        ends = self._place.now() + PATIENCE_S
        while not (ready := [talk for talk in talks if talk.inbox]):
            if self._place.now() > ends:
                raise Mismatch(f"nothing came to any of {', '.join(step.who)}")
            for talk in talks:
                talk.pump(0.01)
        self._match(ready[0], step)

    def _match(self, talk: Talk, step: Step) -> None:
        for number, text, ended in step.lines:
            if ended and is_pattern(text):
                line = talk.take_line()
                why = "closed or silent" if line is None else misfit(text, line)
                if why:
                    got = brief(line or talk.inbox)
                    raise Mismatch(f"line {number}: {talk.name} wanted {text}\n  got {got}: {why}")
                continue
            want = plain(text) + b"\r\n" * ended
            ends = self._place.now() + PATIENCE_S
            while len(talk.inbox) < len(want) and want.startswith(bytes(talk.inbox)):
                if talk.closed or self._place.now() > ends:
                    break
                talk.pump(0.2)
            if not talk.inbox.startswith(want):
                state = "closed" if talk.closed else "open"
                raise Mismatch(f"line {number}: {talk.name} wanted {brief(want)}\n  got {brief(talk.inbox)} ({state})")
            talk.take(len(want))

    def _quiet(self, step: Step) -> None:
        talks = [talk for talk in self._named(step.who) if not talk.closed]
        for talk in self._talks.values():
            talk.settle()
        for talk in talks:
            talk.settle()
        blind = [talk for talk in talks if not talk.can_settle]
        if blind:
            self._place.wait(self._place.settle_s)
        for talk in blind:
            while talk.pump(0):
                pass
        for talk in talks:
            if talk.inbox:
                raise Mismatch(f"{talk.name} should be quiet, got {brief(talk.inbox)}")
            if talk.closed:
                raise Mismatch(f"{talk.name} should be quiet, was closed")

    def _closed(self, step: Step) -> None:
        for talk in self._named(step.who):
            ends = self._place.now() + PATIENCE_S
            while not talk.closed:
                if self._place.now() > ends:
                    raise Mismatch(f"{talk.name} should be closed, is open; unread {brief(talk.inbox)}")
                talk.pump(0.2)
            if talk.inbox:
                raise Mismatch(f"{talk.name} was closed after {brief(talk.inbox)}")

    def _wait(self, step: Step) -> None:
        self._place.wait(step.value)

    def _server(self, step: Step) -> None:
        self._place.tell(step.who[0])
