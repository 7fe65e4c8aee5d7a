"""The tls block."""

from __future__ import annotations

import pytest

from natsd.config.problems import ConfigError
from natsd.config.records import TlsRecord
from tests.config.readings import checks, complaints, read_all, values

PIN = "A" * 64


def test_a_certificate_and_its_key() -> None:
    assert values("tls {cert_file: c.pem, key_file: k.pem, ca_file: a.pem, verify: true}")["tls"] == TlsRecord(
        [("c.pem", "k.pem")], "a.pem", verify=True
    )


def test_several_certificates() -> None:
    text = "tls {certs: [{cert_file: a, key_file: b}, {cert_file: c, key_file: d}]}"
    assert values(text)["tls"] == TlsRecord([("a", "b"), ("c", "d")])
    assert values("tls {cert_file: a, key_file: b, certs: []}")["tls"] == TlsRecord([("a", "b")])


def test_all_the_rest() -> None:
    text = f"""tls {{
      verify_and_map: true, insecure: true, timeout: "1500ms", min_version: "1.3", connection_rate_limit: 5
      cipher_suites: [TLS_AES_128_GCM_SHA256], curve_preferences: [CurveP256, X25519], pinned_certs: [{PIN}]
      ocsp_peer: true
    }}"""
    record = values(text)["tls"]
    assert record == TlsRecord(
        verify=True,
        verify_and_map=True,
        insecure=True,
        timeout_s=1.5,
        min_version="1.3",
        connection_rate_limit=5,
        cipher_suites=["TLS_AES_128_GCM_SHA256"],
        curve_preferences=["CurveP256", "X25519"],
        pinned_certs=frozenset([PIN.lower()]),
        ocsp_peer={"verify": True},
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("true", (True, 0.0)),
        ("false", (False, 0.0)),
        ('"on"', (True, 0.0)),
        ('"OFF"', (False, 0.0)),
        ("auto", (True, 0.05)),
        ("auto_fallback", (True, 0.05)),
        ('"300ms"', (True, 0.3)),
    ],
)
@pytest.mark.parametrize("name", ["handshake_first", "first", "immediate"])
def test_the_handshake_may_come_first(name: str, text: str, wanted: tuple[bool, float]) -> None:
    record = values(f"tls {{ {name}: {text} }}")["tls"]
    assert (record.handshake_first, record.handshake_fallback_s) == wanted


def test_weak_suites_have_to_be_allowed() -> None:
    text = "cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"
    assert "cannot be used without allow_insecure_cipher_suites" in complaints(f"tls {{ {text} }}")[0]
    assert not complaints(f"tls {{ {text}, allow_insecure_cipher_suites: true }}")


def test_the_files_are_asked_about() -> None:
    asked = []

    def tls(record: TlsRecord) -> str:
        asked.append(record.certs)
        return "cannot read them"

    with pytest.raises(ConfigError, match="main.conf:1:1: cannot read them"):
        read_all("tls {cert_file: c.pem, key_file: k.pem}", checks(tls))
    assert asked == [[("c.pem", "k.pem")]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hello: world", '1:6: unknown field "hello"'),
        ("cert_file: 5", '"cert_file" must be a string, not an integer'),
        ("cert_file: a", "tls has no key_file"),
        ("key_file: a", "tls has no cert_file"),
        ("verify: 5", '"verify" must be a boolean, not an integer'),
        ("verify_cert_and_check_known_urls: true", "verify_cert_and_check_known_urls is for routes and gateways only"),
        ("certs: 5", '"certs" must be a list, not an integer'),
        ("certs: [5]", '"certs" must be a map, not an integer'),
        ("certs: [{cert_file: a}]", "a certificate needs both cert_file and key_file"),
        ("certs: [{cert_file: a, key_file: 5}]", '"key_file" must be a string, not an integer'),
        ("certs: [{cert_file: a, key_file: b, x: c}]", 'unknown field "x"'),
        ("certs: [{cert_file: a, key_file: b}], cert_file: c, key_file: d", "tls has both cert_file and certs"),
        ("cipher_suites: []", '"cipher_suites" cannot be empty'),
        ("cipher_suites: x", '"cipher_suites" must be a list, not a string'),
        ("cipher_suites: [x]", '"x" is no cipher suite; there are TLS_AES_128_GCM_SHA256'),
        ("curve_preferences: []", '"curve_preferences" cannot be empty'),
        ("curve_preferences: [CurveP5210000]", '"CurveP5210000" is no curve; there are CurveP256'),
        ("timeout: true", '"timeout" must be a number of seconds or a duration'),
        ("connection_rate_limit: x", '"connection_rate_limit" must be an integer'),
        ("pinned_certs: x", '"pinned_certs" must be a list, not a string'),
        ("pinned_certs: [abc]", '"abc" is no SHA-256 of a public key in hexadecimal'),
        ("first: 123", '"first" must be a boolean, auto or a duration, not an integer'),
        ('first: "123"', '"first" must be a boolean, auto or a duration, not "123"'),
        ('min_version: "1.1"', '"min_version" must be 1.2 or 1.3, not "1.1"'),
        ("min_version: 1.2", '"min_version" must be a string, not a float'),
        ("cert_store: WindowsCurrentUser", "cert_store is for Windows only"),
        ("ocsp_peer {x: 1}", 'unknown field "x"'),
        ("ocsp_peer: 5", '"ocsp_peer" must be a map, not an integer'),
    ],
)
def test_what_cannot_be_is_refused(text: str, complaint: str) -> None:
    told = complaints(f"tls {{{text}}}")
    assert len(told) == 1 and complaint in told[0], told
