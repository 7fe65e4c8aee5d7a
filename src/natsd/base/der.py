"""The two things the ssl module does not tell of an X.509 certificate: its public key, and the names of one's own.

To be given certificates that OpenSSL has accepted already; what does not have their shape raises ValueError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SEQUENCE = 0x30
VERSION = 0xA0
EXTENSIONS = 0xA3
OCTETS = 0x04
DNS_NAME = 0x82
SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
_FIELDS_BEFORE_KEY = 5  # serial number, signature algorithm, issuer, validity, subject


def public_key(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a DER certificate, whole."""
    return _fields(certificate)[_FIELDS_BEFORE_KEY][1]


def dns_names(certificate: bytes) -> list[str]:
    """The DNS names a DER certificate is for, in lower case."""
    for tag, _, content in _fields(certificate):
        if tag == EXTENSIONS:
            ((_, _, extensions),) = _items(content)
            for _, _, extension in _items(extensions):
                if extension.startswith(SUBJECT_ALT_NAME):
                    value = [part for kind, _, part in _items(extension) if kind == OCTETS][0]
                    ((_, _, names),) = _items(value)
                    found = [name for kind, _, name in _items(names) if kind == DNS_NAME]
                    return [name.decode("ascii", "replace").lower() for name in found]
    return []


def _fields(certificate: bytes) -> list[tuple[int, bytes, bytes]]:
    """The fields of the signed part from the serial number on."""
    try:
        whole = next(_items(certificate))
        signed = next(_items(whole[2]))
        fields = [field for field in _items(signed[2]) if field[0] != VERSION]
        if fields[_FIELDS_BEFORE_KEY][0] != SEQUENCE:
            raise ValueError("no public key where one should be")
        return fields
    except (IndexError, StopIteration):
        raise ValueError("not a certificate") from None


def _items(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each element as its tag, all of its bytes, and its content."""
    at = 0
    while at < len(data):
        start = at
        if at + 2 > len(data):
            raise ValueError("an element without a length")
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            if not 0 < count <= 4 or at + count > len(data):
                raise ValueError("an element without a proper length")
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + size > len(data):
            raise ValueError("an element longer than what it is in")
        yield tag, data[start : at + size], data[at : at + size]
        at += size
