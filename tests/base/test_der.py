"""Reading a certificate, and refusing what is none."""

from __future__ import annotations

import ssl
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.base.der import dns_names, not_after_s, public_key
from tests.certificates import Authority, pin_of


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("der"))


def der_of(path: str) -> bytes:
    text = Path(path).read_text()
    return ssl.PEM_cert_to_DER_cert(text[text.index(ssl.PEM_HEADER) :])


def test_the_public_key_is_the_one_openssl_finds(authority: Authority) -> None:
    certificate, _ = authority.sign("key")
    assert sha256(public_key(der_of(certificate))).hexdigest() == pin_of(certificate)


def test_names_are_those_of_the_extension(authority: Authority) -> None:
    certificate, _ = authority.sign("names", "One.test", "*.two.test")
    assert dns_names(der_of(certificate)) == ["one.test", "*.two.test"]
    assert dns_names(der_of(authority.file)) == []


def test_the_end_is_the_one_openssl_finds(authority: Authority) -> None:
    for days in (1, 20_000):
        certificate, _ = authority.sign("ends", days=days)
        shown = ssl._ssl._test_decode_cert(certificate)["notAfter"]  # type: ignore[attr-defined]
        assert not_after_s(der_of(certificate)) == ssl.cert_time_to_seconds(shown)


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    for read in (public_key, dns_names, not_after_s):
        with pytest.raises(ValueError):
            read(data)


def test_a_certificate_cut_short_is_refused(authority: Authority) -> None:
    whole = der_of(authority.file)
    for size in range(0, len(whole), 7):
        with pytest.raises(ValueError):
            public_key(whole[:size])
