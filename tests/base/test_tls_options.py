"""What TLS options can be, and what is said of those that cannot."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.base.errors import OptionsError
from natsd.base.tls_options import TlsOptions, common_name_of

PAIR = {"cert_file": "c.pem", "key_file": "k.pem"}


def test_the_defaults_are_those_of_the_go_server() -> None:
    options = TlsOptions(**PAIR)
    options.check()
    assert (options.timeout_s, options.min_version, options.verify, options.required) == (2.0, "1.2", False, True)
    assert options.pairs == (("c.pem", "k.pem"),)


def test_with_a_choice_tls_is_required_only_where_the_handshake_comes_first() -> None:
    assert not TlsOptions(**PAIR, allow_non_tls=True).required
    assert not TlsOptions(**PAIR, allow_non_tls=True, handshake_first=0.05).required
    assert TlsOptions(**PAIR, allow_non_tls=True, handshake_first=True).required


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"cert_file": ""}, "cert_file is missing"),
        ({"key_file": ""}, "key_file is missing, expected the file of the private key to 'c.pem'"),
        ({"certs": [("a", "b")]}, "cert_file and certs exclude each other"),
        ({"timeout_s": -1.0}, "timeout -1 is less than 0"),
        ({"min_version": "1.1"}, "min_version '1.1' is not one of 1.2, 1.3"),
        ({"ciphers": ["RC4"]}, "cipher_suites: 'RC4' is not one of TLS_AES_128_GCM_SHA256"),
        ({"pinned_certs": ["abc"], "verify": True}, "pinned_certs: 'abc' is no SHA-256"),
        ({"pinned_certs": ["ab" * 32]}, "pinned_certs without verify"),
        ({"handshake_first": -0.5}, "handshake_first -0.5 is neither"),
    ],
)
def test_what_cannot_be_is_named_with_what_was_expected(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionsError, match=text.replace("(", ".")):
        TlsOptions(**(PAIR | wrong)).check()


def test_a_cipher_has_the_name_that_standards_have_for_it() -> None:
    assert common_name_of("ECDHE-RSA-AES128-GCM-SHA256") == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    assert common_name_of("TLS_AES_128_GCM_SHA256") == "TLS_AES_128_GCM_SHA256"
    assert common_name_of("SOMETHING") == "SOMETHING"
