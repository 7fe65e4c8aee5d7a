"""`--help_tls`."""

from __future__ import annotations

from natsd.base.tls_options import CIPHERS, CURVES
from natsd.cli.help_tls import text
from natsd.config.block_tables import BLOCKS


def test_it_names_every_key_every_cipher_suite_and_every_curve() -> None:
    words = text().split()
    for name in [*CIPHERS, *CURVES, *(option.name for option in BLOCKS["tls"])]:
        assert name in words
