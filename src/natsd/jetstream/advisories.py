"""What JetStream tells of itself: events below `$JS.EVENT.ADVISORY.` for whoever subscribes to them.

Nothing is put together where nobody listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from natsd.jetstream.dates import render_date

if TYPE_CHECKING:
    from natsd.jetstream.api.request import ApiRequest
    from natsd.jetstream.home import Home

PREFIX = "$JS.EVENT.ADVISORY."
TYPE_PREFIX = "io.nats.jetstream.advisory.v1."
METRIC_PREFIX = "$JS.EVENT.METRIC."
METRIC_TYPE_PREFIX = "io.nats.jetstream.metric.v1."

_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Advisories:
    """The voice of one account."""

    __slots__ = ("_home",)

    def __init__(self, home: Home) -> None:
        self._home = home

    def wanted(self, subject: str) -> bool:
        """Whether anybody listens to an advisory; the subject stands without its prefix."""
        return self._home.sublist.has_interest((PREFIX + subject).encode())

    def publish(self, subject: str, kind: str, event: dict[str, Any]) -> None:
        """Send an event, such as ("CONSUMER.CREATED.S.C", "consumer_action", {...}); id, time and domain are added."""
        self._send(PREFIX + subject, TYPE_PREFIX + kind, event)

    def measure(self, subject: str, kind: str, event: dict[str, Any]) -> None:
        """The same for a metric, such as ("CONSUMER.ACK.S.C", "consumer_ack", {...})."""
        self._send(METRIC_PREFIX + subject, METRIC_TYPE_PREFIX + kind, event)

    def _send(self, subject: str, kind: str, event: dict[str, Any]) -> None:
        home = self._home
        if not home.sublist.has_interest(subject.encode()):
            return
        page = {"type": kind, "id": self.new_id(), "timestamp": render_date(home.clock.wall_ns()), **event}
        if home.domain:
            page["domain"] = home.domain
        home.publish(subject.encode(), None, None, msgspec.json.encode(page))

    def new_id(self) -> str:
        """An identifier nobody else has: 22 digits and letters."""
        return bytes(_DIGITS[byte % 62] for byte in self._home.chance.take(22)).decode()

    def tell_of_stream(self, stream: str, action: str) -> None:
        """A stream was created, modified or deleted."""
        verb = {"create": "CREATED", "modify": "UPDATED", "delete": "DELETED"}[action]
        self.publish(f"STREAM.{verb}.{stream}", "stream_action", {"stream": stream, "action": action})

    def tell_of_request(self, request: ApiRequest, response: bytes) -> None:
        """Somebody used the API."""
        if not self.wanted("API"):
            return
        event: dict[str, Any] = {
            "server": self._home.jetstream.server_name,
            "client": {"acc": self._home.name},
            "subject": request.subject.decode("utf-8", "replace"),
        }
        if request.payload:
            event["request"] = request.payload.decode("utf-8", "replace")
        event["response"] = response.decode("utf-8", "replace")
        self.publish("API", "api_audit", event)
