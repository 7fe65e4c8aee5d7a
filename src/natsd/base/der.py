"""What the ssl module does not tell of an X.509 certificate: its public key, names, subject and end.

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
EMAIL_NAME = 0x81
DNS_NAME = 0x82
URI_NAME = 0x86
WIDE_TEXT = 0x1E
UTF8_TEXT = 0x0C
SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
UTC_TIME = 0x17
_FIELDS_BEFORE_VALIDITY = 3
_FIELDS_BEFORE_KEY = 5  # serial number, signature algorithm, issuer, validity, subject
_FIELDS_BEFORE_SUBJECT = 4


def public_key(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a DER certificate, whole."""
    return _fields(certificate)[_FIELDS_BEFORE_KEY][1]


def dns_names(certificate: bytes) -> list[str]:
    """The DNS names a DER certificate is for, in lower case."""
    return [name.lower() for kind, name in _names(certificate) if kind == DNS_NAME]


def alternative_names(certificate: bytes) -> list[str]:
    """The e-mail addresses, then the DNS names, then the URIs that a DER certificate is for."""
    names = _names(certificate)
    return [name for wanted in (EMAIL_NAME, DNS_NAME, URI_NAME) for kind, name in names if kind == wanted]


def subject_parts(certificate: bytes) -> list[list[tuple[str, str]]]:
    """The subject of a DER certificate: for each of its parts the object identifiers, in dots, and their values."""
    parts = []
    for _, _, part in _items(_fields(certificate)[_FIELDS_BEFORE_SUBJECT][2]):
        pairs = []
        for _, _, pair in _items(part):
            (_, _, kind), (tag, _, value) = _items(pair)
            pairs.append((_dotted(kind), _text(tag, value)))
        parts.append(pairs)
    return parts


def _dotted(identifier: bytes) -> str:
    numbers: list[int] = []
    number = 0
    for byte in identifier:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]])) if numbers else ""


def _text(tag: int, value: bytes) -> str:
    if tag == WIDE_TEXT:
        return value.decode("utf-16-be", "replace")
    return value.decode("utf-8" if tag == UTF8_TEXT else "latin-1", "replace")


def _names(certificate: bytes) -> list[tuple[int, str]]:
    for tag, _, content in _fields(certificate):
        if tag == EXTENSIONS:
            ((_, _, extensions),) = _items(content)
            for _, _, extension in _items(extensions):
                if extension.startswith(SUBJECT_ALT_NAME):
                    value = [part for kind, _, part in _items(extension) if kind == OCTETS][0]
                    ((_, _, names),) = _items(value)
                    wanted = (EMAIL_NAME, DNS_NAME, URI_NAME)
                    return [
                        (kind, name.decode("ascii", "replace")) for kind, _, name in _items(names) if kind in wanted
                    ]
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
