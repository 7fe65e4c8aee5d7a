"""CONNECT, the line a client introduces itself with: its keys, their types, and what stands until it says otherwise.

Rules, all the Go server's: keys are compared without case and the last of equal ones counts; null leaves a field as it
was; a missing key leaves what an earlier CONNECT set; unknown keys may hold anything; a known key of another type is
an error, as is anything that is no JSON object (null is let through). Text that is no UTF-8 is mended, not refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.protocol.peer_json import load_json

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXT, _FLAG, _NUMBER, _PERMISSION = range(4)

FIELDS: dict[str, tuple[str, int]] = {
    "verbose": ("verbose", _FLAG),
    "pedantic": ("pedantic", _FLAG),
    "echo": ("echo", _FLAG),
    "headers": ("headers", _FLAG),
    "no_responders": ("no_responders", _FLAG),
    "protocol": ("protocol", _NUMBER),
    "name": ("name", _TEXT),
    "lang": ("lang", _TEXT),
    "version": ("version", _TEXT),
    "user": ("user", _TEXT),
    "pass": ("password", _TEXT),
    "auth_token": ("token", _TEXT),
    "account": ("account", _TEXT),
    "new_account": ("new_account", _FLAG),
    "tls_required": ("", _FLAG),
    "nkey": ("nkey", _TEXT),
    "jwt": ("", _TEXT),
    "sig": ("signature", _TEXT),
    "proxy_sig": ("", _TEXT),
    "remote_account": ("", _TEXT),
    "import": ("", _PERMISSION),
    "export": ("", _PERMISSION),
}
"""Key in JSON to the field of Connect and its type. A key without a field is checked and dropped."""

_INT64 = 1 << 63


def _is_permission(value: object) -> bool:
    """Whether it is an object whose `allow` and `deny`, where there are any, list subjects."""
    return isinstance(value, tuple) and all(
        key.lower() not in ("allow", "deny")
        or subjects is None
        or (isinstance(subjects, list) and all(isinstance(subject, str | None) for subject in subjects))
        for key, subjects in value
    )


_TYPES: tuple[Callable[[Any], bool], ...] = (
    lambda value: isinstance(value, str),
    lambda value: isinstance(value, bool),
    lambda value: type(value) is int and -_INT64 <= value < _INT64,
    _is_permission,
)


class Connect:
    """What a client said of itself so far; before it said anything, the defaults of a bare connection."""

    __slots__ = (
        "account",
        "echo",
        "headers",
        "lang",
        "name",
        "new_account",
        "nkey",
        "no_responders",
        "password",
        "pedantic",
        "protocol",
        "signature",
        "token",
        "user",
        "verbose",
        "version",
    )

    def __init__(self) -> None:
        self.verbose = True
        self.pedantic = True
        self.echo = True
        self.headers = False
        self.no_responders = False
        self.protocol = 0
        self.name = ""
        self.lang = ""
        self.version = ""
        self.user = ""
        self.password = ""
        self.token = ""
        self.nkey = ""
        self.signature = ""
        self.account = ""
        self.new_account = False

    def update(self, raw: bytes) -> None:
        """Take over what a CONNECT's JSON says. Raises ValueError where the Go server closes the connection."""
        pairs = load_json(raw)
        if pairs is None:
            return
        if not isinstance(pairs, tuple):
            raise ValueError(f"CONNECT takes a JSON object, not {type(pairs).__name__}")
        for key, value in pairs:
            found = FIELDS.get(key) or FIELDS.get(key.lower())
            if found is None or value is None:
                continue
            field, kind = found
            if not _TYPES[kind](value):
                raise ValueError(f"value of {key!r} has the wrong type")
            if field:
                setattr(self, field, _mended(value) if kind == _TEXT else value)


def _mended(text: str) -> str:
    # An escape such as \\ud800 alone decodes to half a character, which no encoder takes.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
