"""What the ssl module does not tell of an X.509 certificate: its public key; the names and the end of one's own.

To be given certificates that OpenSSL has accepted already; what does not have their shape raises ValueError.
"""

from __future__ import annotations

from calendar import timegm
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SEQUENCE = 0x30
VERSION = 0xA0
EXTENSIONS = 0xA3
OCTETS = 0x04
DNS_NAME = 0x82
SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
UTC_TIME = 0x17
_FIELDS_BEFORE_VALIDITY = 3
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


def not_after_s(certificate: bytes) -> int:
    """When a DER certificate ends, in seconds since the epoch. Years with two digits are those from 1950 to 2049."""
    try:
        tag, _, content = list(_items(_fields(certificate)[_FIELDS_BEFORE_VALIDITY][2]))[1]
    except IndexError:
        raise ValueError("no end where one should be") from None
    digits = content.decode("ascii", "replace")
    if tag == UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    if len(digits) != 15 or digits[14] != "Z" or not digits[:14].isdigit():
        raise ValueError(f"{digits!r} is no time")
    year, month, day, hour, minute, second = (
        int(digits[at : at + (4 if not at else 2)]) for at in (0, 4, 6, 8, 10, 12)
    )
    return timegm((year, month, day, hour, minute, second))


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
