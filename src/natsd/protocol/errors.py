"""One table of what a client is told by -ERR and why a connection ended.

Texts and reasons are those of the Go server, because clients compare the texts and operators search for the reasons.
A row says whether the connection ends and, if so, under which reason it is remembered.
"""

from __future__ import annotations

# Reasons for a connection's end that come with no -ERR.
CLIENT_CLOSED = "Client Closed"
READ_ERROR = "Read Error"
WRITE_ERROR = "Write Error"
PARSE_ERROR = "Parse Error"
PROTOCOL_VIOLATION = "Protocol Violation"
SERVER_SHUTDOWN = "Server Shutdown"
KICKED = "Kicked"
TLS_HANDSHAKE_FAILURE = "TLS Handshake Failure"
SLOW_CONSUMER_PENDING = "Slow Consumer (Pending Bytes)"
SLOW_CONSUMER_DEADLINE = "Slow Consumer (Write Deadline)"

UNFLUSHED = frozenset((READ_ERROR, WRITE_ERROR, SLOW_CONSUMER_PENDING, SLOW_CONSUMER_DEADLINE))
"""Reasons after which what is pending is not sent any more."""

UNLINGERED = UNFLUSHED | {CLIENT_CLOSED, KICKED, SERVER_SHUTDOWN}
"""Reasons after which nothing is lost by closing the socket at once."""


class Refusal:
    """One row: the text of the -ERR and the reason the connection is closed for, None where it stays open."""

    __slots__ = ("line", "reason", "text")

    def __init__(self, text: str, reason: str | None = None) -> None:
        self.text = text
        self.reason = reason
        self.line = render_err(text)


def render_err(text: str) -> bytes:
    """The -ERR line for a text."""
    return f"-ERR '{text}'\r\n".encode()


UNKNOWN_OPERATION = Refusal("Unknown Protocol Operation", PROTOCOL_VIOLATION)
AUTHORIZATION_VIOLATION = Refusal("Authorization Violation", "Authentication Failure")
AUTHENTICATION_TIMEOUT = Refusal("Authentication Timeout", "Authentication Timeout")
MAX_CONNECTIONS = Refusal("maximum connections exceeded", "Maximum Connections Exceeded")
THROTTLED = Refusal("Connection throttling is active. Please try again later.", MAX_CONNECTIONS.reason)
MAX_ACCOUNT_CONNECTIONS = Refusal("maximum account active connections exceeded", "Maximum Account Connections Exceeded")
MAX_PAYLOAD = Refusal("Maximum Payload Violation", "Maximum Message Payload Exceeded")
MAX_CONTROL_LINE = Refusal("maximum control line exceeded", "Maximum Control Line Exceeded")
STALE_CONNECTION = Refusal("Stale Connection", "Stale Connection")
BAD_CLIENT_PROTOCOL = Refusal("invalid client protocol", "Bad Client Protocol Version")
NO_RESPONDERS_WITHOUT_HEADERS = Refusal("no responders requires headers support", "No Responders Requires Headers")
MAX_SUBSCRIPTIONS = Refusal("maximum subscriptions exceeded")
TLS_REQUIRED = Refusal("Secure Connection - TLS Required", TLS_HANDSHAKE_FAILURE)
INVALID_SUBJECT = Refusal("Invalid Subject")
INVALID_PUBLISH_SUBJECT = Refusal("Invalid Publish Subject")


def publish_denied(subject: bytes) -> str:
    """Text for a publish without the right to. The connection stays open."""
    return f"Permissions Violation for Publish to {quoted(subject)}"


def reply_denied(reply: bytes) -> str:
    """Text for a publish with a reply subject that is not a client's to use."""
    return f"Permissions Violation for Publish with Reply of {quoted(reply)}"


def subscribe_denied(subject: bytes, queue: bytes | None) -> str:
    """Text for a subscription without the right to."""
    text = f"Permissions Violation for Subscription to {quoted(subject)}"
    return text if queue is None else f"{text} using queue {quoted(queue)}"


def too_many_tokens(subject: bytes) -> str:
    """Text for a subscription with more tokens than max_sub_tokens."""
    return f"Permissions Violation for Subscription to {quoted(subject)}, too many tokens"


_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quoted(raw: bytes) -> str:
    """Bytes of a peer between double quotes, with escapes for whatever does not print, as Go's %q has them."""
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_quote_char(char) for char in text) + '"'


def _quote_char(char: str) -> str:
    escape = _ESCAPES.get(char)
    if escape is not None:
        return escape
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte that is no UTF-8
    if char.isprintable():
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
