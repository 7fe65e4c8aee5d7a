"""The configuration language: text in, a map of settings out. It knows no option.

What a parser keeps, so that no file can hang or exhaust the server:
1. one pass from left to right, maps and lists on a stack of its own, never a call per level;
2. nesting, includes and environment variables have a depth, everything together a number of bytes, files and values,
   and a value that is referred to counts as often as it is referred to;
3. a mistake in the form of a file ends the reading of that file; all others are collected and the reading goes on.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from natsd.config.problems import ParseError, Problem, quoted
from natsd.config.scalars import BadScalar, is_variable, plain_scalar, unescape
from natsd.config.setting import Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.config.setting import Map, Value

MAX_NESTING = 100
MAX_INCLUDE_DEPTH = 20
MAX_FILES = 1_000
MAX_BYTES = 32 << 20
MAX_VALUES = 2_000_000

_SPACE_AND_COMMENTS = re.compile(r"(?:\s++|\#[^\n\r]*+|//[^\n\r]*+)*+")
_SPACE = re.compile(r"\s*+")
_BLANKS = re.compile(r"[ \t]*+")
_BLANKS_AND_COMMENTS = re.compile(r"(?:[ \t]++|\#[^\n\r]*+|//[^\n\r]*+)*+")
_KEY = re.compile(r"[^\s=:]++")
_BARE = re.compile(r"(?:[^\n\r\t ;,\]}'\\]++|\\[^\n\r])*+")
_QUOTED = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)
_INCLUDED = re.compile(r"[^\n\r\t ;}]*+")
_BLOCK_END = re.compile(r"\n\)(?=\r?\n|\Z)")

_TOP, _BRACES, _MAP, _LIST = range(4)
_ENV_KEY = "value"


class World:
    """What parsing needs from outside, and what all files of one configuration share.

    `read` gives the bytes of a path and raises OSError; `environment` gives the text of a variable or None.
    """

    __slots__ = (
        "bytes_left",
        "environment",
        "files_left",
        "open_files",
        "open_variables",
        "problems",
        "read",
        "values_left",
    )

    def __init__(self, read: Callable[[str], bytes], environment: Callable[[str], str | None]) -> None:
        self.read = read
        self.environment = environment
        self.problems: list[Problem] = []
        self.open_files: list[str] = []
        self.open_variables: list[str] = []
        self.bytes_left = MAX_BYTES
        self.files_left = MAX_FILES
        self.values_left = MAX_VALUES


class _Mistake(Exception):
    """The form of a text is wrong at `at`; what comes behind it cannot be understood."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(text)
        self.at = at


class _Frame:
    """A map or a list that is being read."""

    __slots__ = ("after", "at", "count", "height", "items", "key", "key_at", "kind", "settings")

    def __init__(self, kind: int, at: int, settings: Map) -> None:
        self.kind = kind
        self.at = at
        self.settings = settings
        self.items: list[Setting] = []
        self.key = ""
        self.key_at = at
        self.after = False  # a value has just ended
        self.height = 0
        self.count = 1


def parse_file(path: str, world: World) -> Map:
    """The settings of a file and of all that it includes. Raises ConfigError, and OSError for the file itself."""
    data = world.read(path)
    world.open_files.append(path)
    settings = _parse_bytes(data, path, world, 0)
    if world.problems:
        raise ParseError(world.problems)
    return settings


def parse_text(text: str, file: str = "", world: World | None = None) -> Map:
    """The settings of a text. Raises ConfigError. Without a world nothing can be included and no variable is set."""
    if world is None:
        world = World(_no_files, _no_variable)
    settings = _Parser(text, file, world, 0).parse()
    if world.problems:
        raise ParseError(world.problems)
    return settings


def _no_files(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", path)


def _no_variable(name: str) -> str | None:
    return None


def _parse_bytes(data: bytes, file: str, world: World, nesting: int) -> Map:
    # What is no UTF-8 stays as it is; passwords have been seen that are none.
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return _Parser(text, file, world, nesting).parse()


class _Parser:
    """One text: a file, or what an environment variable stands for."""

    __slots__ = ("_file", "_frames", "_line_ends", "_nesting", "_text", "_world")

    def __init__(self, text: str, file: str, world: World, nesting: int) -> None:
        self._text = text
        self._file = file
        self._world = world
        self._nesting = nesting
        self._frames: list[_Frame] = []
        self._line_ends: list[int] | None = None

    def parse(self) -> Map:
        """What could be read; everything that is wrong is put into the problems of the world."""
        settings: Map = {}
        text, world = self._text, self._world
        world.bytes_left -= len(text)
        try:
            if world.bytes_left < 0:
                raise _Mistake(0, f"the configuration is larger than {MAX_BYTES} bytes")
            if "\0" in text:
                raise _Mistake(text.index("\0"), "a NUL character; this is no text")
            self._frames.append(_Frame(_TOP, 0, settings))
            at = 0
            while at >= 0:
                frame = self._frames[-1]
                if frame.after:
                    at = self._end_of_value(frame, at)
                elif frame.kind == _LIST:
                    at = self._element(frame, at)
                else:
                    at = self._pair(frame, at)
        except _Mistake as mistake:
            self._complain(mistake.at, str(mistake))
        return settings

    # Places.

    def _place(self, at: int) -> tuple[int, int]:
        ends = self._line_ends
        if ends is None:
            ends = self._line_ends = [match.start() for match in re.finditer("\n", self._text)]
        line = bisect_right(ends, at - 1)
        return line + 1, at - (ends[line - 1] if line else -1)

    def _complain(self, at: int, text: str) -> None:
        self._world.problems.append(Problem(self._file, *self._place(at), text))

    # What stands between values.

    def _pair(self, frame: _Frame, at: int) -> int:
        """A key and its value, an include, or the end of the map. Returns where to go on, -1 at the end of it all."""
        text = self._text
        at = self._end_of(_SPACE_AND_COMMENTS, at)
        char = text[at : at + 1]
        if not char:
            if frame.kind != _TOP:
                raise _Mistake(frame.at, 'this "{" is never closed')
            return -1
        if char == "}":
            if frame.kind == _TOP:
                # One brace too many at the very end has always been forgiven.
                if self._end_of(_SPACE_AND_COMMENTS, at + 1) == len(text):
                    return -1
                raise _Mistake(at, '"}" without a "{" before it')
            return self._close(frame, at)
        if char == "{" and frame.kind != _MAP:
            return self._open(_BRACES, at, frame.settings)
        if char in "=:":
            raise _Mistake(at, f"a key is missing before {quoted(char)}")
        if char in "{}[](),;":
            raise _Mistake(at, f"a key is expected here, not {quoted(char)}")
        if char in "'\"":
            end = text.find(char, at + 1)
            if end < 0:
                raise _Mistake(at, "the quote that begins here is never closed")
            frame.key, frame.key_at = text[at + 1 : end], at + 1
            return self._value_of(frame, end + 1)
        end = self._end_of(_KEY, at)
        frame.key, frame.key_at = text[at:end], at
        if frame.key.lower() == "include" and text[end : end + 1].isspace():
            return self._include(frame, end)
        return self._value_of(frame, end)

    def _value_of(self, frame: _Frame, at: int) -> int:
        text = self._text
        at = self._end_of(_SPACE, at)
        if text[at : at + 1] in ("=", ":"):
            at = self._end_of(_SPACE if frame.kind == _MAP else _BLANKS, at + 1)
        char = text[at : at + 1]
        if not char or char in "}]\n\r,;":
            raise _Mistake(frame.key_at, f"{quoted(frame.key)} has no value")
        return self._value(frame, at)

    def _element(self, frame: _Frame, at: int) -> int:
        """An element of a list, or its end."""
        at = self._end_of(_SPACE_AND_COMMENTS, at)
        char = self._text[at : at + 1]
        if not char:
            raise _Mistake(frame.at, 'this "[" is never closed')
        if char == "]":
            return self._close(frame, at)
        if char in ",;}":
            raise _Mistake(at, f"an element is expected here, not {quoted(char)}")
        if char == "/":
            raise _Mistake(at, "in a list a value that begins with a slash needs quotes")
        frame.key_at = at
        return self._value(frame, at)

    def _end_of_value(self, frame: _Frame, at: int) -> int:
        """The separator behind a value, or the end of its map or list."""
        kind = frame.kind
        at = self._end_of(_BLANKS_AND_COMMENTS, at)
        char = self._text[at : at + 1]
        frame.after = False
        if not char:
            if kind != _TOP:
                raise _Mistake(frame.at, f'this "{"[" if kind == _LIST else "{"}" is never closed')
            return -1
        if char in "\n\r,":
            return at + 1
        if kind == _LIST:
            if char == "]":
                return self._close(frame, at)
        elif char == ";":
            return at + 1
        elif char == "}":
            return at + 1 if kind == _TOP else self._close(frame, at)
        raise _Mistake(at, f"unexpected {quoted(char)} behind a value; strings with such characters need quotes")

    def _end_of(self, pattern: re.Pattern[str], at: int) -> int:
        match = pattern.match(self._text, at)
        return match.end() if match else at

    # Maps and lists.

    def _open(self, kind: int, at: int, settings: Map) -> int:
        if self._nesting + len(self._frames) > MAX_NESTING:
            raise _Mistake(at, f"nested deeper than {MAX_NESTING} levels")
        self._frames.append(_Frame(kind, at, settings))
        return at + 1

    def _close(self, frame: _Frame, at: int) -> int:
        self._frames.pop()
        parent = self._frames[-1]
        if frame.kind == _BRACES:
            # Braces around everything, or around a part, mean nothing; what follows them needs no separator.
            parent.height = max(parent.height, frame.height)
            parent.after = parent.kind == _BRACES
        else:
            value: Value = frame.items if frame.kind == _LIST else frame.settings
            self._put(parent, value, height=frame.height + 1, count=frame.count)
        return at + 1

    def _put(self, frame: _Frame, value: Value, *, height: int = 0, count: int = 1) -> Setting:
        """A value is complete: into its map or list with it."""
        setting = Setting(value, self._file, *self._place(frame.key_at), height=height, count=count)
        if frame.kind == _LIST:
            frame.items.append(setting)
        else:
            frame.settings[frame.key] = setting
        frame.after = True
        self._account(frame, height, count)
        return setting

    def _account(self, frame: _Frame, height: int, count: int) -> None:
        frame.height = max(frame.height, height)
        frame.count += count
        if self._nesting + len(self._frames) + height > MAX_NESTING + 1:
            raise _Mistake(frame.key_at, f"nested deeper than {MAX_NESTING} levels")
        if frame.count > MAX_VALUES:
            raise _Mistake(frame.key_at, f"more than {MAX_VALUES} values")

    # Values.

    def _value(self, frame: _Frame, at: int) -> int:
        text = self._text
        char = text[at]
        if char == "[":
            return self._open(_LIST, at, {})
        if char == "{":
            return self._open(_MAP, at, {})
        self._world.values_left -= 1
        if self._world.values_left < 0:
            raise _Mistake(at, f"more than {MAX_VALUES} values")
        if char == '"':
            return self._quoted(frame, at)
        if char == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise _Mistake(at, "the quote that begins here is never closed")
            self._put(frame, text[at + 1 : end])
            return end + 1
        if char == "(":
            end_of_block = _BLOCK_END.search(text, at)
            if end_of_block is None:
                raise _Mistake(at, 'this block has no end: a ")" alone on its line')
            self._put(frame, text[at + 1 : end_of_block.start() + 1])
            return end_of_block.end()
        return self._bare(frame, at)

    def _quoted(self, frame: _Frame, at: int) -> int:
        end = self._end_of(_QUOTED, at + 1)
        if self._text[end : end + 1] != '"':
            raise _Mistake(at, "the quote that begins here is never closed")
        self._put(frame, self._unescape(at + 1, end))
        return end + 1

    def _unescape(self, at: int, end: int) -> str:
        try:
            return unescape(self._text[at:end])
        except BadScalar as error:
            raise _Mistake(at + error.at, str(error)) from None

    def _bare(self, frame: _Frame, at: int) -> int:
        end = self._end_of(_BARE, at)
        word = self._text[at:end]
        if self._text[end : end + 1] in ("'", "\\"):
            raise _Mistake(end, "a string with quotes or a backslash at its end needs quotes around it")
        if "\\" in word:
            self._put(frame, self._unescape(at, end))
        elif is_variable(word):
            self._refer(frame, word[1:], at)
        else:
            try:
                self._put(frame, plain_scalar(word))
            except BadScalar as error:
                if error.fatal:
                    raise _Mistake(at, str(error)) from None
                self._complain(at, str(error))
                frame.after = True
        return end

    # Variables.

    def _refer(self, frame: _Frame, name: str, at: int) -> None:
        """Put what a variable stands for: a key of an enclosing map, from the innermost out, or the environment."""
        for outer in reversed(self._frames):
            if outer.kind != _LIST and name in outer.settings:
                found: Setting | None = outer.settings[name]
                break
        else:
            found = self._from_environment(name, at)
        if found is None:
            frame.after = True
            return
        found.used = True
        self._put(frame, found.value, height=found.height, count=found.count)

    def _from_environment(self, name: str, at: int) -> Setting | None:
        world = self._world
        if name in world.open_variables:
            self._complain(at, f"variable ${name} is defined by way of itself")
            return None
        if len(world.open_variables) >= MAX_INCLUDE_DEPTH:
            self._complain(at, f"variables refer to each other more than {MAX_INCLUDE_DEPTH} levels deep")
            return None
        text = world.environment(name)
        if text is None:
            self._complain(at, f"variable ${name} is set neither before this place nor in the environment")
            return None
        before = len(world.problems)
        world.open_variables.append(name)
        nesting = self._nesting + len(self._frames)
        settings = _Parser(f"{_ENV_KEY}={text}", f"${name}", world, nesting).parse()
        world.open_variables.pop()
        if len(world.problems) > before:
            # The value may be a secret; its own complaints could quote it.
            del world.problems[before:]
            self._complain(at, f"the value of variable ${name} in the environment cannot be read as a value")
            return None
        return settings.get(_ENV_KEY)

    # Includes.

    def _include(self, frame: _Frame, at: int) -> int:
        text = self._text
        at = self._end_of(_BLANKS, at)
        char = text[at : at + 1]
        if char in ("'", '"'):
            end = text.find(char, at + 1)
            if end < 0:
                raise _Mistake(at, "the quote that begins here is never closed")
            path, go_on = text[at + 1 : end], end + 1
        else:
            go_on = self._end_of(_INCLUDED, at)
            path = text[at:go_on]
        if not path or char in "[{(\\-0123456789":
            raise _Mistake(at, "include needs the name of a file; in quotes where it begins with no letter")
        self._take_in(frame, path)
        frame.after = True
        return go_on

    def _take_in(self, frame: _Frame, path: str) -> None:
        from os.path import dirname, normpath

        world = self._world
        # Always relative to the including file, with a slash before it too.
        where = normpath(f"{dirname(self._file) or '.'}/{path}")
        if where in map(normpath, world.open_files):
            self._complain(frame.key_at, f"{path} is being included by way of itself")
        elif len(world.open_files) > MAX_INCLUDE_DEPTH:
            self._complain(frame.key_at, f"files include each other more than {MAX_INCLUDE_DEPTH} levels deep")
        elif world.files_left <= 0:
            raise _Mistake(frame.key_at, f"more than {MAX_FILES} files are included")
        else:
            world.files_left -= 1
            try:
                data = world.read(where)
            except OSError as error:
                self._complain(frame.key_at, f"cannot include {path}: {(error.strerror or str(error)).lower()}")
                return
            world.open_files.append(where)
            settings = _parse_bytes(data, where, world, self._nesting + len(self._frames) - 1)
            world.open_files.pop()
            for key, setting in settings.items():
                frame.settings[key] = setting
                self._account(frame, setting.height, setting.count)
