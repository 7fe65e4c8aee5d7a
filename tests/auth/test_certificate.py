"""What in a certificate may be the name of a user."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from natsd.auth.certificate import Certificate, Owners, escaped, parse_name
from tests.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def certificate(authority: Authority, name: str, *names: str, subject: str = "", also: str = "") -> Certificate:
    file, _ = authority.sign(name, *names, subject=subject, also=also)
    return Certificate(ssl.PEM_cert_to_DER_cert(Path(file).read_text()))


def test_addresses_come_before_hosts_and_hosts_before_uris(authority: Authority) -> None:
    found = certificate(authority, "all", "Host.test", also="URI:spiffe://x/y,email:anna@x.test")
    assert found.names == ["anna@x.test", "Host.test", "spiffe://x/y"]


def test_the_subject_is_there_as_parts_and_as_text(authority: Authority) -> None:
    found = certificate(authority, "subject", subject="/C=DE/O=Co, Ltd/OU=ops/CN=anna é")
    assert found.texts == ["CN=anna é,OU=ops,O=Co\\, Ltd,C=DE"]
    owners = Owners(["CN=anna é,OU=ops,O=Co\\, Ltd,C=DE", "C=DE,O=Co\\, Ltd,OU=ops,CN=anna é", "CN=anna é"])
    assert found.subject is not None
    first, *others = owners.find(found.subject)
    assert first == "CN=anna é,OU=ops,O=Co\\, Ltd,C=DE"
    assert set(others) == {first, "C=DE,O=Co\\, Ltd,OU=ops,CN=anna é"}


def test_domain_components_stand_behind_the_text(authority: Authority) -> None:
    found = certificate(authority, "dc", subject="/DC=org/DC=x/CN=anna")
    assert found.texts == ["CN=anna,DC=org,DC=x", "CN=anna"]
    assert found.subject == parse_name("CN=anna,DC=x,DC=org")


def test_no_certificate_and_rubbish_have_no_names() -> None:
    for der in (None, b"", b"rubbish", b"\x30\x80"):
        found = Certificate(der)
        assert (found.names, found.subject, found.texts) == ([], None, [])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("CN=a", [{("CN", "a")}]),
        (" cn = a b , O=c ", [{("CN", "a b")}, {("O", "c")}]),
        ("CN=a+OU=b,O=c", [{("CN", "a"), ("OU", "b")}, {("O", "c")}]),
        ("CN=a\\,b\\ ,O=\\C3\\A9", [{("CN", "a,b ")}, {("O", "é")}]),
        ("CN=", [{("CN", "")}]),
        ("anna", None),
        ("", None),
        ("CN=a,", None),
        ("CN=a\\", None),
        ("CN=a\\zz", None),
        ("=a", None),
        (",", None),
    ],
)
def test_a_distinguished_name_is_read(text: str, parts: list[set[tuple[str, str]]] | None) -> None:
    assert parse_name(text) == parts


@pytest.mark.parametrize("value", ["a", " a", "#a", "a ", 'a,b+c"\\<>;', "", " "])
def test_what_is_escaped_is_read_as_it_was(value: str) -> None:
    assert parse_name(f"CN={escaped(value)}") == [{("CN", value)}]
