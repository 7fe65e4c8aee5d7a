"""A monitoring document as text: JSON in the layout of Go's encoder, made in pieces.

Builders give dictionaries whose long lists may be lazy; `pieces` renders them bit by bit, so that whoever sends the
text can let the event loop do other work in between. What a document says is the builders' business.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from types import GeneratorType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any

    Document = dict[str, object]
    Steps = Generator[str, None, Document]

INDENT = "  "
PIECE_CHARS = 8192
PAUSE = ""
"""A piece of nothing: what builders yield (Steps) that look through long lists before they know the document."""
CHUNK = 256
"""How many connections such a builder looks at between two pauses."""


class Rows:
    """A list of documents that are built when they are rendered: `build` is called once for each of `sources`."""

    __slots__ = ("sources", "build")

    def __init__(self, sources: Iterable[Any], build: Callable[[Any], object]) -> None:
        self.sources = sources
        self.build = build

    def __iter__(self) -> Iterator[object]:
        return map(self.build, self.sources)


def pieces(value: object, indent: str = INDENT) -> Iterator[str]:
    """The text of a document in pieces of bounded work; with an empty `indent` on one line, without spaces.

    What yields pauses instead of being a document is run first, and its pauses are pieces too.
    """
    if isinstance(value, GeneratorType):
        value = yield from value
    gathered = ""
    for fragment in _fragments(value, "", indent):
        gathered += fragment
        if len(gathered) >= PIECE_CHARS:
            yield gathered
            gathered = ""
    if gathered:
        yield gathered


def finish(steps: Steps) -> Document:
    """The document without a pause."""
    try:
        while True:
            next(steps)
    except StopIteration as done:
        document: Document = done.value
        return document


def _fragments(value: object, outer: str, indent: str) -> Iterator[str]:
    """The text of a value bit by bit where it holds Rows, otherwise as a whole."""
    newline, colon = ("\n" + outer + indent, ": ") if indent else ("", ":")
    closing = "\n" + outer if indent else ""
    if isinstance(value, Rows):
        yield "["
        before = newline
        for row in value:
            yield before
            yield from _fragments(row, outer + indent, indent)
            before = "," + newline
        yield "]" if before == newline else closing + "]"
    elif isinstance(value, dict) and _holds_rows(value):
        before = "{" + newline
        for key, item in value.items():
            yield f"{before}{quote(key)}{colon}"
            yield from _fragments(item, outer + indent, indent)
            before = "," + newline
        yield closing + "}"
    else:
        yield render(value, outer, indent)


def _holds_rows(document: dict[str, object]) -> bool:
    return any(isinstance(item, Rows) or (isinstance(item, dict) and _holds_rows(item)) for item in document.values())


def render(value: object, outer: str = "", indent: str = INDENT) -> str:
    """One value as JSON text; `outer` is the indentation of the line it starts on."""
    plain = SCALARS.get(type(value))
    if plain is not None:
        return plain(value)
    newline, colon = ("\n" + outer + indent, ": ") if indent else ("", ":")
    inner = outer + indent
    items = []
    if isinstance(value, dict):
        opening, closing = "{", "}"
        for key, item in value.items():
            plain = SCALARS.get(type(item))
            items.append(quote(key) + colon + (plain(item) if plain is not None else render(item, inner, indent)))
    elif isinstance(value, list | tuple):
        opening, closing = "[", "]"
        items += (render(item, inner, indent) for item in value)
    else:
        raise TypeError(f"a document cannot hold {type(value).__name__}")
    if not items:
        return opening + closing
    return f"{opening}{newline}{(',' + newline).join(items)}{newline[: len(newline) - len(indent)]}{closing}"


def quote(text: str) -> str:
    """A JSON string; like Go's encoder it is also safe inside a script element of a page."""
    quoted = encode_basestring(text)
    if not quoted.isprintable() or "<" in quoted or ">" in quoted or "&" in quoted:
        quoted = quoted.translate(ESCAPES).encode("utf-8", "replace").decode()
    return quoted


ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def boolean(value: bool) -> str:
    return "true" if value else "false"


def null(value: None) -> str:
    return "null"


def number(value: float) -> str:
    """A float in the shortest form, with an exponent only where Go uses one."""
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    if "e-" in text and abs(value) >= 1e-6:
        digits, _, exponent = text.lstrip("-").partition("e-")
        text = f"{'-' if value < 0 else ''}0.{'0' * (int(exponent) - 1)}{digits.replace('.', '')}"
    return text


SCALARS: dict[type, Callable[[Any], str]] = {
    str: quote,
    int: str,
    bool: boolean,
    float: number,
    type(None): null,
}
"""How each kind of value that holds no others is written."""
