"""What the wire tells a session of TLS: how the handshake goes, and what came of it."""

from __future__ import annotations

from natsd.protocol import errors
from natsd.session.facts import TlsFacts
from natsd.session.speech import Speech


class Secured(Speech):
    """A connection that may speak TLS."""

    __slots__ = ()

    def greet(self, *, tls_first: bool = False) -> None:
        """Send INFO."""
        raise NotImplementedError("a kind of session greets and begins in its own way")

    def begin(self) -> None:
        """From here on the client may speak."""
        raise NotImplementedError("a kind of session greets and begins in its own way")

    def on_handshake(self) -> None:
        """The handshake may begin."""
        self._debug("Starting TLS client connection handshake")

    def on_throttled(self) -> None:
        """Too many handshakes have begun just now."""
        self._refuse(errors.THROTTLED)

    def on_secure(self, version: str, cipher: str, certificate: bytes | None, *, first: bool) -> None:
        """The handshake is done; `first` when it came before INFO. The certificate is the client's, in DER."""
        self.tls = TlsFacts(version, cipher, certificate, first)
        if first:
            self.greet(tls_first=True)
        self.begin()
        self._debug("TLS handshake complete")
        self._debug(f"TLS version {version}, cipher suite {cipher}")

    def on_tls_failed(self, text: str, *, probe: bool) -> None:
        """The handshake cannot succeed; a probe was no handshake at all."""
        if self.reason:
            return
        text = f"TLS handshake error: {text}"
        if probe:
            self._debug(text)
        else:
            self.roster.complaints.seldom(self.label, text)
        self.close(errors.TLS_HANDSHAKE_FAILURE)

    def on_tls_timeout(self) -> None:
        """The client had its time for the handshake."""
        self._debug("TLS handshake timeout")
        self._refuse(errors.TLS_REQUIRED)
