"""Every number of every request of the API's table as what it should not be: a clear answer, and nothing is harmed.

What requests there are and what stands in them is found by asking, so a new one is tried like the others.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from natsd.jetstream.api import request as request_room
from natsd.jetstream.api.api import _find_routes
from natsd.jetstream.consumers.pull import NextRequest
from tests.jetstream.house import House
from tests.jetstream.test_publishing import put

Path = tuple[str, ...]

BASES: dict[str, Any] = {
    "STREAM.CREATE.*": {"name": "N", "subjects": ["n.>"]},
    "STREAM.UPDATE.*": {"name": "S", "subjects": ["s.>"]},
    "STREAM.RESTORE.*": {"config": {"name": "N"}, "state": {}},
    "STREAM.SNAPSHOT.*": {"deliver_subject": "nobody"},
    "CONSUMER.CREATE.*": {"stream_name": "S", "config": {"name": "D", "ack_policy": "explicit"}},
    "CONSUMER.CREATE.*.*": {"stream_name": "S", "config": {"ack_policy": "explicit"}},
    "CONSUMER.CREATE.*.*.>": {"stream_name": "S", "config": {"ack_policy": "explicit", "filter_subject": "s.a"}},
    "CONSUMER.DURABLE.CREATE.*.>": {"stream_name": "S", "config": {"durable_name": "D", "ack_policy": "explicit"}},
}
"""What makes a request a good one, where an empty object does not."""

NEW = ("STREAM.CREATE.*", "STREAM.RESTORE.*")
NEVER = ["1.5", "1e400", '"1"', "[]", "{}", "true", "1" * 400, '"\\u0000"', "-9223372036854775809"]
"""What is no number of any field."""
PERHAPS = ["-1", "0", "2147483648", "9223372036854775807", "18446744073709551615", "-9223372036854775808"]


@pytest.fixture
def house() -> House:
    return furnished()


def furnished() -> House:
    house = House()
    house.stream(allow_direct=True)
    put(house, "s.a", b"one")
    house.consumer()
    return house


def subject_of(pattern: str) -> str:
    """A subject of a route, about a stream S, its consumer C or D, or a new stream N."""
    words = pattern.split(".")
    consumer = "D" if "CREATE" in words else "C"
    names = iter(["N" if pattern in NEW else "S", consumer, "s.a"])
    if pattern.endswith(">") and pattern.count("*") == 1:
        words[-1] = "*"
    return ".".join(next(names) if word in ("*", ">") else word for word in words)


def numbers_in(kind: type[Any], above: Path = ()) -> list[Path]:
    """The way to each number of a record; a word that ends in [] leads into a list."""
    found: list[Path] = []
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        parts = [hint, *get_args(hint), *(inner for part in get_args(hint) for inner in get_args(part))]
        many = any(getattr(part, "__origin__", None) is list for part in parts)
        word = field.encode_name + ("[]" if many else "")
        for part in parts:
            if part is int:
                found.append((*above, word))
            elif isinstance(part, type) and issubclass(part, msgspec.Struct) and len(above) < 4:
                found += numbers_in(part, (*above, word))
    return found


@cache
def cases() -> list[tuple[str, Path]]:
    """Each request of the table with each number in it."""
    found: dict[tuple[str, Path], None] = {}
    real = request_room.decode
    for pattern in sorted({route.pattern for routes in _find_routes().values() for route in routes}):
        kinds: list[type[Any]] = []

        def note(payload: bytes, kind: type[Any], *, strict: bool, kinds: list[type[Any]] = kinds) -> Any:
            kinds.append(kind)
            return real(payload, kind, strict=strict)

        house = furnished()
        request_room.decode = note
        try:
            house.publish(
                f"$JS.API.{subject_of(pattern)}", json.dumps(BASES.get(pattern, {"x": 1})).encode(), "_INBOX.n"
            )
        finally:
            request_room.decode = real
        if pattern == "CONSUMER.MSG.NEXT.*.*":
            kinds.append(NextRequest)
        found |= {(pattern, path): None for kind in kinds for path in numbers_in(kind)}
    return list(found)


def body_with(pattern: str, path: Path, text: str | None) -> bytes:
    """A good body but for one number, as the text says it; without that number for None."""
    base = json.loads(json.dumps(BASES.get(pattern, {})))
    at = base
    for word in path[:-1]:
        name = word.removesuffix("[]")
        below = at.setdefault(name, [{}] if word != name else {})
        at = below[0] if isinstance(below, list) else below
        if name in ("mirror", "sources"):
            at.setdefault("name", "S")
    name = path[-1].removesuffix("[]")
    at.pop(name, None)
    if text is None:
        return json.dumps(base).encode()
    at[name] = ["@@"] if path[-1] != name else "@@"
    return json.dumps(base).replace('"@@"', text).encode()


def ask(house: House, pattern: str, body: bytes) -> list[tuple[int, str]]:
    """The code and the text of each answer; code 0 for no error. Pulls answer with statuses."""
    inbox = house.inbox()
    house.publish(f"$JS.API.{subject_of(pattern)}", body, inbox.name)
    answers = []
    for payload in inbox.payloads():
        if payload.startswith(b"{"):
            error = json.loads(payload).get("error", {})
            answers.append((error.get("err_code", 0), error.get("description", "")))
        else:
            answers.append((0, payload.decode()))
    inbox.close()
    return answers


def refresh(house: House) -> None:
    """Everything as it was before a request."""
    for name in list(house.home.streams):
        if name != "S":
            house.ask(f"STREAM.DELETE.{name}")
    for name in list(house.home.streams["S"].consumers):
        if name != "C":
            house.ask(f"CONSUMER.DELETE.S.{name}")


def test_the_table_is_searched_through() -> None:
    found = cases()
    assert ("STREAM.CREATE.*", ("consumer_limits", "max_ack_pending")) in found
    assert ("STREAM.CREATE.*", ("sources[]", "opt_start_seq")) in found
    assert ("CONSUMER.CREATE.*.*", ("config", "backoff[]")) in found
    assert ("STREAM.PURGE.*", ("keep",)) in found
    assert ("CONSUMER.MSG.NEXT.*.*", ("expires",)) in found
    assert len(found) > 100


@pytest.mark.parametrize(
    ("pattern", "path"), cases(), ids=lambda part: part if isinstance(part, str) else ".".join(part)
)
def test_a_number_that_is_none_is_refused(pattern: str, path: Path) -> None:
    house = furnished()
    for text in NEVER:
        for code, said in ask(house, pattern, body_with(pattern, path, text)):
            if pattern.startswith("CONSUMER.MSG.NEXT"):
                assert said.startswith("NATS/1.0 400 Bad Request"), (text, said)
            else:
                assert code == 10025, (text, code, said)
    assert set(house.home.streams) == {"S"}
    nothing = [ask(furnished(), pattern, body_with(pattern, path, text))[:1] for text in (None, "0")]
    assert ask(furnished(), pattern, body_with(pattern, path, "null"))[:1] in nothing
    for text in PERHAPS:
        for code, said in ask(house, pattern, body_with(pattern, path, text)):
            assert code == 0 or code >= 10000
            assert "internal error" not in said, (text, said)
        if "S" not in house.home.streams:
            house.stream()
        refresh(house)
    assert put(house, "s.b")["stream"] == "S"
    assert "error" not in house.ask("STREAM.INFO.S")
