"""What a session says: lines to its client, texts to the log, refusals in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.protocol import errors
from natsd.protocol import ops as op
from natsd.session.facts import Facts, Named

if TYPE_CHECKING:
    from natsd.protocol.errors import Refusal


class Speech(Facts):
    """A connection that can be spoken to."""

    __slots__ = ()

    def close(self, reason: str) -> None:
        """End the connection."""
        raise NotImplementedError("a kind of session ends in its own way")

    def _say(self, line: bytes) -> None:
        self.outbound.append(line)
        self._trace(b"->>", line.rstrip(b"\r\n").lstrip(b"+"))

    def _trace(self, direction: bytes, line: bytes) -> None:
        trace = self.roster.road.trace
        if trace is not None:
            trace.append((Named(self.label, self.account), direction, line, None))

    def _say_err(self, text: str) -> None:
        self._say(errors.render_err(text))

    def _debug(self, text: str) -> None:
        log = self.roster.log
        if log.debugging:
            log.debug(f"{self.label} - {text}")

    def _notice(self, text: str) -> None:
        if self.roster.complaints.admit():
            self.roster.log.notice(f"{self.label} - {text}")

    def _error(self, text: str) -> None:
        self.roster.complaints.error(self.label, text)

    # Refusals.

    def _refuse(self, refusal: Refusal) -> None:
        self._say(refusal.line)
        if refusal.reason is not None:
            self.close(refusal.reason)

    def _refuse_bad(self, kind: int, snippet: bytes) -> None:
        if kind == op.BAD_VERB:
            self._error(f"Client parser ERROR: proto='{errors.quoted(snippet)}...'")
            self._refuse(errors.UNKNOWN_OPERATION)
        elif kind == op.BAD_MAX_PAYLOAD:
            limit = self.inbound.max_payload
            limit = self.roster.road.max_payload if limit < 0 else limit
            self._error(f"maximum payload exceeded: {text_of(snippet)} vs {limit}")
            self._refuse(errors.MAX_PAYLOAD)
        elif kind == op.BAD_CONTROL_LINE:
            self._error(f"{errors.MAX_CONTROL_LINE.text} (snip: {errors.quoted(snippet)}...)")
            self._refuse(errors.MAX_CONTROL_LINE)
        elif kind == op.BAD_HEADERS_OFF:
            self._error("message headers not supported")
            self.close(errors.PROTOCOL_VIOLATION)
        else:
            self._error(f"Parse Error: {errors.quoted(snippet)}")
            self.close(errors.PROTOCOL_VIOLATION)

    # For whoever decides about sessions from outside, as a reload does.
    refuse = _refuse
    say_err = _say_err


def text_of(raw: bytes) -> str:
    """Bytes of a client as text for the log."""
    return raw.decode("utf-8", "replace")
