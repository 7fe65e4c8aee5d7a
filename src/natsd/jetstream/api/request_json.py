"""Bodies of requests as records, with what the Go server's JSON does: null says nothing, keys match in any case, and
what is no UTF-8 is replaced.

The common case is one strict decoding. Only a body that fails it is read a second time, with these rules.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, cast, get_args, get_origin, get_type_hints

import msgspec

from natsd.jetstream.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Hashable

Body = TypeVar("Body")

MAX_INT32 = (1 << 31) - 1
MAX_INT64 = (1 << 63) - 1
MAX_UINT64 = (1 << 64) - 1

_UNUSUAL = re.compile(rb"-[0-9]|[0-9]{10}")
"""Without one of these no number is out of bounds."""
_PATH = re.compile(r" - at `\$\.?(.*)`$")


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(cast("type[Any]", kind))
    return decoder


def decode(payload: bytes, kind: type[Body], *, strict: bool) -> Body:
    """A record of `kind`. strict: unknown keys are refused. Raises ApiError INVALID_JSON."""
    if payload.strip() in (b"", b"null"):
        return kind()
    try:
        body: Body = _decoder(cast("Hashable", kind)).decode(payload)
    except UnicodeDecodeError:
        return decode(payload.decode("utf-8", "replace").encode(), kind, strict=strict)
    except (msgspec.DecodeError, RecursionError):
        body = _decode_again(payload, kind, strict)
    else:
        if _UNUSUAL.search(payload) is None:
            return body
    _check_numbers(body)
    return body


def _decode_again(payload: bytes, kind: type[Body], strict: bool) -> Body:
    try:
        raw = msgspec.json.decode(payload)
    except UnicodeDecodeError:
        return _decode_again(payload.decode("utf-8", "replace").encode(), kind, strict)
    except msgspec.DecodeError as error:
        raise ApiError("INVALID_JSON", err=_first_down(str(error))) from None
    except RecursionError:
        raise ApiError("INVALID_JSON", err="nested too deeply") from None
    try:
        return msgspec.convert(_tidy(raw, kind, strict), kind)
    except msgspec.ValidationError as error:
        raise ApiError("INVALID_JSON", err="json: " + _as_go(str(error), kind)) from None


def _first_down(text: str) -> str:
    return text[:1].lower() + text[1:]


def _as_go(text: str, kind: type[Any]) -> str:
    found = _PATH.search(text)
    path = found[1] if found else ""
    what = text[: found.start()] if found else text
    expected = re.match(r"Expected `(.*?)`.*got `(.*?)`", what)
    if expected:
        return f"cannot unmarshal {expected[2]} into field {kind.__name__}.{path} of type {expected[1]}"
    return f"{_first_down(what)} in field {kind.__name__}.{path}" if path else _first_down(what)


class _Field(NamedTuple):
    """A key of a record. below: the record in it. blank: what null is within its list or map, None without those.

    picks: whether it is one of a few words.
    """

    name: str
    below: type[Any] | None
    blank: Any
    picks: bool


@cache
def _fields(kind: Hashable) -> dict[str, _Field]:
    """By keys in lower case."""
    hints = get_type_hints(cast("type[Any]", kind))
    fields = {}
    for field in msgspec.structs.fields(cast("type[Any]", kind)):
        below = blank = None
        parts = [hints[field.name], *_parts(hints[field.name])]
        for part in parts:
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                below = part
            if get_origin(part) in (list, dict):
                inner = get_args(part)[-1]
                blank = {int: 0, str: ""}.get(inner, {})
        picks = any(get_origin(part) is Literal for part in parts)
        fields[field.encode_name.lower()] = _Field(field.encode_name, below, blank, picks)
    return fields


def _parts(hint: Any) -> list[Any]:
    parts: list[Any] = []
    for part in get_args(hint):
        parts += [part, *_parts(part)]
    return parts


def _tidy(raw: Any, kind: type[Any] | None, strict: bool) -> Any:
    if not isinstance(raw, dict) or kind is None:
        return raw
    fields = _fields(cast("Hashable", kind))
    tidy: dict[str, Any] = {}
    for key, value in raw.items():
        field = fields.get(key.lower())
        if field is None:
            if strict:
                raise ApiError("INVALID_JSON", err=f'json: unknown field "{key}"')
        elif value is not None or field.picks:
            tidy[field.name] = _tidy_value(value, field, kind, strict)
    return tidy


def _tidy_value(value: Any, field: _Field, kind: type[Any], strict: bool) -> Any:
    if field.blank is not None:
        if isinstance(value, list):
            return [field.blank if item is None else _tidy(item, field.below, strict) for item in value]
        if isinstance(value, dict):
            return {key: field.blank if item is None else item for key, item in value.items()}
    if isinstance(value, str) and field.name in getattr(kind, "ANY_CASE", ()):
        return value.lower()
    return _tidy(value, field.below, strict)


def _check_numbers(body: Any) -> None:
    """Go's numbers have 64 bits; records here name those that have no sign in `UNSIGNED`, those of 32 in `SHORT`."""
    if not isinstance(body, msgspec.Struct):
        return
    for field in body.__struct_fields__:
        value = getattr(body, field)
        for item in value if isinstance(value, list) else (value,):
            if type(item) is int:
                _check_number(item, type(body), field)
            else:
                _check_numbers(item)


def _check_number(value: int, kind: type[Any], field: str) -> None:
    if field in getattr(kind, "UNSIGNED", ()):
        name, low, high = "uint64", 0, MAX_UINT64
    elif field in getattr(kind, "SHORT", ()):
        name, low, high = "int32", -MAX_INT32 - 1, MAX_INT32
    else:
        name, low, high = "int64", -MAX_INT64 - 1, MAX_INT64
    if not low <= value <= high:
        text = f"json: cannot unmarshal number {value} into field {kind.__name__}.{field} of type {name}"
        raise ApiError("INVALID_JSON", err=text)
