"""One request to the JetStream API, and a row of the table that says who answers it.

A handler has the form `handler(request) -> dict | None`: the reply without its `type`, or None where there is none or
it follows later by `request.answer`. What is refused is raised as ApiError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from natsd.jetstream.api.request_json import decode
from natsd.jetstream.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from natsd.jetstream.home import Home
    from natsd.jetstream.streams.stream import Stream

    Handler = Callable[["ApiRequest"], "dict[str, Any] | None"]

Body = TypeVar("Body")

TYPE_PREFIX = "io.nats.jetstream.api.v1."


class Route(NamedTuple):
    """Which subjects below `$JS.API.` a handler answers.

    pattern: words and `*`, with `>` at the end for one or more tokens. response: the last word of the reply's type;
    empty where the reply is not JSON. paged: such replies show total, offset and limit even when they are errors.
    always: what else they show then. audited: whether `$JS.EVENT.ADVISORY.API` tells of it.
    """

    pattern: str
    handler: Handler
    response: str
    paged: bool = False
    always: Mapping[str, Any] = {}
    audited: bool = True


class ApiRequest:
    """What was asked. `tokens`: those of the subject that stand where the pattern has wildcards."""

    __slots__ = ("header", "home", "payload", "reply", "route", "subject", "tokens")

    def __init__(
        self,
        home: Home,
        subject: bytes,
        tokens: list[str],
        reply: bytes | None,
        header: bytes | None,
        payload: bytes,
        route: Route,
    ) -> None:
        self.home = home
        self.subject = subject
        self.tokens = tokens
        self.reply = reply
        self.header = header
        self.payload = payload
        self.route = route

    def decode(self, kind: type[Body]) -> Body:
        """The body as a record. Raises ApiError."""
        return decode(self.payload, kind, strict=self.home.strict)

    def decode_optional(self, kind: type[Body]) -> Body:
        """The same, where anything that is no JSON object or array counts as nothing said."""
        if self.payload.lstrip(b" \t\r\n")[:1] in (b"{", b"["):
            return self.decode(kind)
        return kind()

    @property
    def is_empty(self) -> bool:
        """Whether the body says nothing: no bytes, or an empty object."""
        payload = self.payload.strip()
        return not payload or (payload[:1] == b"{" and payload[-1:] == b"}" and not payload[1:-1].strip())

    @property
    def stream(self) -> Stream:
        """The stream that the first token names. Raises ApiError."""
        found = self.home.streams.get(self.tokens[0])
        if found is None:
            raise ApiError("STREAM_NOT_FOUND")
        return found

    def answer(self, reply: dict[str, Any]) -> None:
        """Send the reply later, after the handler has returned None."""
        self.home.api.answer(self, reply)

    def refuse(self, error: ApiError) -> None:
        """Send an error later."""
        self.home.api.refuse(self, error)

    def refuse_unstored(self, text: str) -> None:
        """What was done could not be stored."""
        self.refuse(ApiError("STREAM_STORE_FAILED", err=text))
