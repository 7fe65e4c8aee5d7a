"""Certificates and rules of TLS, made ready for use: one Security per listener, made anew when its files change.

Each has contexts of its own, hence session tickets of its own: what one listener gave out is worth nothing elsewhere,
nor after a reload.
"""

from __future__ import annotations

import ssl
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from natsd.base.clock import to_ns
from natsd.base.der import dns_names, not_after_s, public_key
from natsd.base.errors import OptionsError
from natsd.base.tls_options import CIPHERS, DEFAULT_CIPHERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.base.tls_options import TlsOptions

SESSION_TICKETS = 1
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Security:
    """TLS of one listener as connections need it."""

    __slots__ = ("allow_non_tls", "context", "delay_ns", "first", "not_after_s", "pinned", "stamp", "timeout_ns")

    def __init__(self, options: TlsOptions) -> None:
        """Reads the files. Raises OptionsError."""
        options.check()
        self.timeout_ns = to_ns(options.timeout_s)
        self.first = bool(options.handshake_first)
        self.delay_ns = 0 if isinstance(options.handshake_first, bool) else to_ns(options.handshake_first)
        self.allow_non_tls = options.allow_non_tls
        self.pinned = options.pinned_certs
        self.context = make_context(options, verify=options.verify)
        self.stamp = stamp(options)
        self.not_after_s = ends_at_s(options.pairs[0][0])
        """When the first certificate ends, in seconds since the epoch; 0 where that cannot be told."""

    def admits(self, certificate: bytes | None) -> bool:
        """Whether a client with this certificate (DER) may come in, as far as pinned ones go."""
        if not self.pinned:
            return True
        return certificate is not None and sha256(public_key(certificate)).hexdigest() in self.pinned


def stamp(options: TlsOptions) -> bytes:
    """A digest of what is in the files. Raises OptionsError."""
    names = [name for pair in options.pairs for name in pair] + [options.ca_file]
    digest = sha256()
    for name in filter(None, names):
        try:
            with open(name, "rb") as file:
                content = file.read()
        except OSError as error:
            raise OptionsError(f"tls: {name!r}: {(error.strerror or str(error)).lower()}") from None
        digest.update(b"%d " % len(content) + content)
    return digest.digest()


def make_context(options: TlsOptions, *, verify: bool) -> ssl.SSLContext:
    """A context of its own for one listener. Raises OptionsError."""
    contexts = [_context_of(options, verify, *pair) for pair in options.pairs]
    if len(contexts) > 1:
        by_name: dict[str, ssl.SSLContext] = {}
        for context, (cert_file, _) in zip(contexts, options.pairs, strict=True):
            for name in _names_in(cert_file):
                by_name.setdefault(name, context)
        contexts[0].sni_callback = _chooser(by_name)
    return contexts[0]


def _context_of(options: TlsOptions, verify: bool, cert_file: str, key_file: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[options.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = SESSION_TICKETS
    chosen = [CIPHERS[name] for name in options.ciphers or DEFAULT_CIPHERS]
    before_1_3 = [name for name in chosen if not name.startswith("TLS_")]
    if before_1_3:
        context.set_ciphers(":".join(before_1_3))
    if options.curve:
        context.set_ecdh_curve(options.curve)
    _readable("cert_file", cert_file)
    _readable("key_file", key_file)
    try:
        # Without a password of ours OpenSSL would ask for one on the terminal.
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise OptionsError(
            f"tls: cert_file {cert_file!r} and key_file {key_file!r}: {describe(error)};"
            " expected a certificate and its unencrypted private key in PEM"
        ) from None
    if verify:
        context.verify_mode = ssl.CERT_REQUIRED
    if options.ca_file:
        _readable("ca_file", options.ca_file)
        try:
            context.load_verify_locations(options.ca_file)
        except (ssl.SSLError, OSError) as error:
            raise OptionsError(
                f"tls: ca_file {options.ca_file!r}: {describe(error)}; expected certificates in PEM"
            ) from None
    elif verify:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    return context


def _no_password() -> str:
    raise ValueError("the private key is encrypted")


def _readable(what: str, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        raise OptionsError(f"tls: {what} {path!r}: {text}") from None


def _first_in(cert_file: str) -> bytes:
    """The first certificate in a file, in DER. Raises ValueError."""
    with open(cert_file, encoding="ascii", errors="replace") as file:
        text = file.read()
    start, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    return ssl.PEM_cert_to_DER_cert(text[start : end + len(ssl.PEM_FOOTER)])


def _names_in(cert_file: str) -> list[str]:
    """The DNS names of the first certificate in a file; none where it cannot be told."""
    try:
        return dns_names(_first_in(cert_file))
    except ValueError:
        return []


def ends_at_s(cert_file: str) -> int:
    """When the first certificate in a file ends, in seconds since the epoch; 0 where it cannot be told."""
    try:
        return not_after_s(_first_in(cert_file))
    except ValueError:
        return 0


def _chooser(by_name: dict[str, ssl.SSLContext]) -> Callable[[Any, Any, ssl.SSLContext], None]:
    def choose(wanted: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if name:
            name = name.lower().rstrip(".")
            found = by_name.get(name) or by_name.get("*." + name.partition(".")[2])
            if found is not None and found is not context:
                wanted.context = found

    return choose


def describe(error: BaseException) -> str:
    """What was wrong, in OpenSSL's words without its coordinates."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
