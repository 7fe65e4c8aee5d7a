"""The text of `nats-server --help_tls`: the tls block of a configuration file, from its table."""

from __future__ import annotations

from natsd.base.tls_options import CIPHERS, CURVES
from natsd.config.block_tables import BLOCKS

EXAMPLE = """\
TLS is set in the tls block of a configuration file:

    tls {
        cert_file: "./certs/server-cert.pem"
        key_file:  "./certs/server-key.pem"
        ca_file:   "./certs/ca.pem"
        verify:    true
        cipher_suites: ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]
        curve_preferences: ["X25519"]
    }

What can stand in it:
"""


def text() -> str:
    """The whole text."""
    keys = [f"    {option.name:<34} {option.doc}" for option in BLOCKS["tls"]]
    suites = [f"    {name}" for name in CIPHERS]
    curves = [f"    {name}" for name in CURVES]
    return "\n".join([EXAMPLE, *keys, "", "Cipher suites:", *suites, "", "Curves:", *curves])
