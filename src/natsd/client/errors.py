"""What can go wrong for a client, one class per thing a caller may want to tell apart.

The texts are those that scripts know from other NATS clients.
"""

from __future__ import annotations

from natsd.base.errors import NatsdError


class ClientError(NatsdError):
    """Everything this client raises on purpose."""

    text = "nats: error"

    def __init__(self, text: str = "") -> None:
        super().__init__(text or self.text)


class BadUrl(ClientError):
    """A server address that cannot be understood."""


class BadSubject(ClientError):
    """A subject, reply subject or queue group that must not be sent."""

    text = "nats: invalid subject"


class BadHeader(ClientError):
    """A header that cannot be written."""


class NoServers(ClientError):
    """Not one of the servers could be reached; `reasons` says why, per server."""

    text = "nats: no servers available for connection"

    def __init__(self, reasons: list[tuple[str, str]] | None = None) -> None:
        super().__init__()
        self.reasons = reasons or []


class ConnectionClosed(ClientError):
    """The connection was closed, by us or for good."""

    text = "nats: connection closed"


class Timeout(ClientError):
    """Nothing came in time."""

    text = "nats: timeout"


class NoResponders(ClientError):
    """Nobody is subscribed to the subject of a request."""

    text = "nats: no responders available for request"


class MaxPayload(ClientError):
    """The message is longer than the server takes."""

    text = "nats: maximum payload exceeded"


class HeadersUnsupported(ClientError):
    """The server has headers switched off."""

    text = "nats: headers not supported by server"


class TlsRequired(ClientError):
    """TLS is wanted and not to be had."""

    text = "nats: secure connection not available"


class BadTlsFile(ClientError):
    """A certificate or key that cannot be used."""


class ProtocolBroken(ClientError):
    """The peer does not speak the NATS protocol."""


class SlowConsumer(ClientError):
    """Messages were dropped because a subscription's queue is full."""

    text = "nats: slow consumer, messages dropped"


class ServerError(ClientError):
    """Any other -ERR of the server."""


class AuthorizationViolation(ServerError):
    """The server does not let us in, or not any longer."""


class PermissionsViolation(ServerError):
    """The user may not publish or subscribe there."""


_REFUSED = (
    "authorization violation",
    "user authentication expired",
    "user authentication revoked",
    "account authentication expired",
    "authentication timeout",
)


def error_of(text: str) -> ServerError:
    """The exception for the text of an -ERR."""
    lower = text.lower()
    message = "nats: " + text
    if lower.startswith("permissions violation"):
        return PermissionsViolation(message)
    if lower.startswith(_REFUSED):
        return AuthorizationViolation(message)
    return ServerError(message)
