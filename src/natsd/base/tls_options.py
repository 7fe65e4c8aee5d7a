"""What can be set about TLS, as a plain record, and the names that ciphers have in Go and in OpenSSL.

Nothing here loads the ssl module: a server without TLS must not pay for it. Files are read in net/tls_context.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_TIMEOUT_S = 2.0
HANDSHAKE_FIRST_DELAY_S = 0.05
"""How long `handshake_first: auto` waits for a client to begin before it sends INFO."""
MIN_VERSIONS = ("1.2", "1.3")
PIN_DIGITS = 64

CIPHERS = {
    "TLS_AES_128_GCM_SHA256": "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384": "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256": "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
"""By the name in a configuration. The first three are of TLS 1.3, where the choice is not ours: they change nothing."""

CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""By the name in a configuration. What else Go has is made of these and others, which the ssl module cannot choose."""

DEFAULT_CIPHERS = tuple(name for name in CIPHERS if name.endswith(("SHA256", "SHA384")))


class TlsOptions:
    """TLS of one listener. Files are PEM.

    certs: (cert_file, key_file) pairs instead of the one pair, chosen by the name a client asks for.
    pinned_certs: SHA-256 in hex of the public keys (SubjectPublicKeyInfo, DER) that clients may have.
    handshake_first: True when the handshake comes before INFO; seconds when INFO is sent after that time without one.
    allow_non_tls: clients may also do without. curves: the first one of CURVES among them is the only one used, since
    the ssl module takes no more; empty for those of OpenSSL. connection_rate_limit: handshakes begun per second, 0 for
    any number.
    """

    __slots__ = (
        "allow_non_tls",
        "ca_file",
        "cert_file",
        "certs",
        "ciphers",
        "connection_rate_limit",
        "curves",
        "handshake_first",
        "key_file",
        "min_version",
        "pinned_certs",
        "timeout_s",
        "verify",
        "verify_and_map",
    )

    def __init__(
        self,
        *,
        cert_file: str = "",
        key_file: str = "",
        ca_file: str = "",
        certs: Sequence[tuple[str, str]] = (),
        verify: bool = False,
        verify_and_map: bool = False,
        timeout_s: float = 0.0,
        min_version: str = "",
        ciphers: Sequence[str] = (),
        pinned_certs: Sequence[str] = (),
        handshake_first: bool | float = False,
        allow_non_tls: bool = False,
        curves: Sequence[str] = (),
        connection_rate_limit: int = 0,
    ) -> None:
        self.cert_file = cert_file
        self.key_file = key_file
        self.ca_file = ca_file
        self.certs = tuple(certs)
        self.verify = verify or verify_and_map
        self.verify_and_map = verify_and_map
        self.timeout_s = timeout_s or DEFAULT_TIMEOUT_S
        self.min_version = min_version or MIN_VERSIONS[0]
        self.ciphers = tuple(ciphers)
        self.pinned_certs = frozenset(pin.lower() for pin in pinned_certs)
        self.handshake_first = handshake_first
        self.allow_non_tls = allow_non_tls
        self.curves = tuple(curves)
        self.connection_rate_limit = connection_rate_limit

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every certificate with its key."""
        return self.certs or ((self.cert_file, self.key_file),)

    @property
    def required(self) -> bool:
        """Whether a client that speaks no TLS is turned away."""
        return not self.allow_non_tls or self.handshake_first is True

    @property
    def curve(self) -> str:
        """The one curve that is used, by OpenSSL's name; empty for its choice."""
        return next((CURVES[name] for name in self.curves if name in CURVES), "")

    def check(self) -> None:
        """Raises OptionsError for what cannot be. Files are not looked into."""
        if self.certs and (self.cert_file or self.key_file):
            raise OptionsError("tls: cert_file and certs exclude each other, give one of them")
        for cert_file, key_file in self.pairs:
            if not cert_file:
                raise OptionsError("tls: cert_file is missing, expected the file of the server's certificate")
            if not key_file:
                raise OptionsError(f"tls: key_file is missing, expected the file of the private key to {cert_file!r}")
        if self.timeout_s < 0:
            raise OptionsError(f"tls: timeout {self.timeout_s:g} is less than 0, expected seconds")
        if self.min_version not in MIN_VERSIONS:
            raise OptionsError(f"tls: min_version {self.min_version!r} is not one of {', '.join(MIN_VERSIONS)}")
        for name in self.ciphers:
            if name not in CIPHERS:
                raise OptionsError(f"tls: cipher_suites: {name!r} is not one of {', '.join(CIPHERS)}")
        if self.curves and not self.curve:
            raise OptionsError(
                f"tls: curve_preferences: {', '.join(self.curves)} is not supported yet without one of"
                f" {', '.join(CURVES)}"
            )
        if self.connection_rate_limit < 0:
            raise OptionsError(f"tls: connection_rate_limit {self.connection_rate_limit} is less than 0")
        for pin in sorted(self.pinned_certs):
            if len(pin) != PIN_DIGITS or not all(digit in "0123456789abcdef" for digit in pin):
                raise OptionsError(
                    f"tls: pinned_certs: {pin!r} is no SHA-256 in hex ({PIN_DIGITS} digits) of a public key"
                )
        if self.pinned_certs and not self.verify:
            raise OptionsError("tls: pinned_certs without verify would let nobody in, as no certificate is asked for")
        if not isinstance(self.handshake_first, bool) and self.handshake_first <= 0:
            raise OptionsError(f"tls: handshake_first {self.handshake_first!r} is neither a boolean nor more than 0 s")


def common_name_of(cipher: str) -> str:
    """The name that Go and the standards have for an OpenSSL cipher."""
    return next((name for name, other in CIPHERS.items() if other == cipher), cipher)
