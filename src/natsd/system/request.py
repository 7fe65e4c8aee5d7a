"""What a request to the system account asks for: its JSON options by the tables of each kind, and whom it is for.

Keys and texts of errors are the Go server's, because tools were written against them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.monitor.query import Query
from natsd.protocol.peer_json import load_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from natsd.protocol.info import Info

    class Tagged(Protocol):
        """The options that a request may choose servers by."""

        @property
        def server_tags(self) -> Sequence[str]: ...

    Row = tuple[str, str, str]

FILTERS = (
    # JSON key, type, the parameter of the page (empty: it is none).
    ("server_name", "string", ""),
    ("cluster", "string", ""),
    ("host", "string", ""),
    ("exact_match", "bool", ""),
    ("tags", "[]string", ""),
    ("domain", "string", ""),
)
_PAGED = (("offset", "int", "offset"), ("limit", "int", "limit"))
_SUBS = (("subscriptions", "bool", "subs"), ("subscriptions_detail", "bool", "detail"))

KINDS: dict[str, tuple[str, tuple[Row, ...]]] = {
    # What the options are called in errors, and their rows.
    "STATSZ": ("StatszEventOptions", ()),
    "VARZ": ("VarzEventOptions", ()),
    "SUBSZ": (
        "SubszEventOptions",
        (*_PAGED, ("subscriptions", "bool", "subs"), ("account", "string", "acc"), ("test", "string", "test")),
    ),
    "CONNZ": (
        "ConnzEventOptions",
        (
            *_PAGED,
            *_SUBS,
            ("sort", "server.SortOpt", "sort"),
            ("auth", "bool", "auth"),
            ("cid", "uint64", "cid"),
            ("mqtt_client", "string", "mqtt_client"),
            ("state", "server.ConnState", "state"),
            ("user", "string", "user"),
            ("acc", "string", "acc"),
            ("filter_subject", "string", "filter_subject"),
        ),
    ),
    "ROUTEZ": ("RoutezEventOptions", _SUBS),
    "GATEWAYZ": (
        "GatewayzEventOptions",
        (*_SUBS, ("name", "string", "gw_name"), ("accounts", "bool", "accs"), ("account_name", "string", "acc_name")),
    ),
    "LEAFZ": ("LeafzEventOptions", (("subscriptions", "bool", "subs"), ("account", "string", "acc"))),
    "ACCOUNTZ": ("AccountzEventOptions", (("account", "string", "acc"),)),
    "JSZ": (
        "JszEventOptions",
        (
            *_PAGED,
            ("account", "string", "acc"),
            ("accounts", "bool", "accounts"),
            ("streams", "bool", "streams"),
            ("consumer", "bool", "consumers"),
            ("direct_consumer", "bool", "direct-consumers"),
            ("config", "bool", "config"),
            ("leader_only", "bool", "leader-only"),
            ("raft", "bool", "raft"),
            ("stream_leader_only", "bool", "stream-leader-only"),
        ),
    ),
    "HEALTHZ": (
        "HealthzEventOptions",
        (
            ("js-enabled", "bool", "js-enabled"),
            ("js-enabled-only", "bool", "js-enabled-only"),
            ("js-server-only", "bool", "js-server-only"),
            ("js-meta-only", "bool", "js-meta-only"),
            ("account", "string", "account"),
            ("stream", "string", "stream"),
            ("consumer", "string", "consumer"),
            ("details", "bool", "details"),
        ),
    ),
    "PROFILEZ": (
        "ProfilezEventOptions",
        (("name", "string", "name"), ("debug", "int", "debug"), ("duration", "time.Duration", "duration")),
    ),
    "EXPVARZ": ("ExpvarzEventOptions", ()),
    "IPQUEUESZ": ("IpqueueszEventOptions", (("all", "bool", "all"), ("filter", "string", "queues"))),
    "RAFTZ": ("RaftzEventOptions", (("account", "string", "acc"), ("group", "string", "group"))),
    "STATZ": ("AccountStatzEventOptions", (("accounts", "[]string", ""), ("include_unused", "bool", "unused"))),
    "INFO": ("AccInfoEventOptions", ()),
    "KICK": ("EventFilterOptions", (("cid", "uint64", "cid"),)),
    "LDM": ("EventFilterOptions", (("cid", "uint64", "cid"),)),
    "RELOAD": ("EventFilterOptions", ()),
}

_STATES = {0: "open", 1: "closed", 2: "all"}
_KINDS_OF_VALUES = {str: "string", bool: "bool", int: "number", float: "number", tuple: "object", list: "array"}
_BOUNDS = {
    "int": (-(2**63), 2**63),
    "uint64": (0, 2**64),
    "server.ConnState": (-(2**63), 2**63),
    "time.Duration": (-(2**63), 2**63),
}
_TYPES: dict[str, type] = {"string": str, "server.SortOpt": str, "bool": bool, "[]string": list}


class BadRequest(Exception):
    """A body that cannot be read; the text goes back with code 400."""


class Request:
    """One request, read: the parameters of the page it asks for, and all values by their keys."""

    __slots__ = ("query", "values")

    def __init__(self, query: Query, values: dict[str, Any]) -> None:
        self.query = query
        self.values = values

    def is_for(self, info: Info, options: Tagged) -> bool:
        """Whether a server is meant."""
        exact = bool(self.values.get("exact_match"))
        for key, mine in (("server_name", info.server_name), ("host", info.host), ("cluster", info.cluster)):
            wanted = self.values.get(key)
            if wanted and (wanted != mine if exact else wanted not in mine):
                return False
        tags = [tag.lower() for tag in options.server_tags]
        if not all(tag.lower() in tags for tag in self.values.get("tags") or ()):
            return False
        domain = self.values.get("domain")
        return not domain or domain == info.domain


def parse(kind: str, body: bytes) -> Request:
    """The request in a body; an empty one asks for everything. Raises BadRequest."""
    name, rows = KINDS[kind]
    values: dict[str, Any] = {}
    if body:
        known = {row[0]: row[1] for row in (*FILTERS, *rows)}
        for key, value in _pairs(name, body):
            key = key if key in known else key.lower()
            if key in known and value is not None:
                values[key] = _checked(name, key, known[key], value)
    return Request(Query(_parameters(rows, values)), values)


def _pairs(name: str, body: bytes) -> tuple[tuple[str, Any], ...]:
    try:
        found = load_json(body)
    except ValueError as error:
        whole = str(error).startswith(("Expecting", "Unterminated")) and _ends_early(error, body)
        raise BadRequest("unexpected end of JSON input" if whole else f"invalid JSON: {error}") from None
    if found is None:
        return ()
    if not isinstance(found, tuple):
        raise BadRequest(f"json: cannot unmarshal {_kind(found)} into Go value of type server.{name}")
    return found


def _ends_early(error: ValueError, body: bytes) -> bool:
    at = getattr(error, "pos", 0)
    text = body.decode("utf-8", "replace")
    return at >= len(text.rstrip()) or str(error).startswith("Unterminated")


def _checked(name: str, key: str, kind: str, value: Any) -> Any:
    about = f"{name}.{key}"
    wanted = _TYPES.get(kind)
    if wanted is not None:
        if type(value) is not wanted:
            raise _mismatch(_kind(value), about, kind)
        if isinstance(value, list):
            for item in value:
                if not isinstance(item, str):
                    raise _mismatch(_kind(item), about, "string")
    else:
        least, limit = _BOUNDS[kind]
        if type(value) is not int:
            raise _mismatch(_kind(value) + (f" {value}" if type(value) is float else ""), about, kind)
        if not least <= value < limit:
            raise _mismatch(f"number {value}" if abs(value) < 1 << 128 else "number", about, kind)
    return value


def _mismatch(what: str, about: str, kind: str) -> BadRequest:
    return BadRequest(f"json: cannot unmarshal {what} into Go struct field {about} of type {kind}")


def _kind(value: Any) -> str:
    return _KINDS_OF_VALUES[type(value)]


def _parameters(rows: tuple[Row, ...], values: dict[str, Any]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for key, kind, parameter in rows:
        if key not in values or not parameter:
            continue
        value = values[key]
        if kind == "bool":
            parameters[parameter] = "1" if value else "0"
        elif kind == "server.ConnState":
            parameters[parameter] = _STATES.get(value, str(value))
        else:
            parameters[parameter] = str(value)
    if parameters.pop("detail", "0") == "1":
        parameters["subs"] = "detail"
    return parameters


def accepted_encoding(header: bytes | None) -> str:
    """How an answer may be compressed by the header of its request: "snappy", "gzip", "identity", or not at all."""
    if not header:
        return ""
    for line in header.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"Accept-Encoding":
            wanted = value.strip().lower()
            if b"snappy" in wanted or b"s2" in wanted:
                return "snappy"
            return "gzip" if b"gzip" in wanted else "identity" if wanted else ""
    return ""
