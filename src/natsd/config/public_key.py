"""Whether a text is an nkey as it stands in a configuration: base32 of a prefix, 32 bytes and a checksum."""

from __future__ import annotations

from base64 import b32decode
from binascii import Error, crc_hqx

PREFIXES = {"user": 20 << 3, "account": 0, "operator": 14 << 3, "server": 13 << 3, "cluster": 2 << 3, "curve": 23 << 3}
"""Prefix byte of the public key of each kind; it makes the first letter: U, A, O, N, C, X."""

SEED_PREFIX = 18 << 3
_KEY_BYTES = 32


def is_public_key(text: str, *kinds: str) -> bool:
    """Whether it is a public key of one of these kinds; of any kind when none is named."""
    body = _decode(text)
    wanted = kinds or tuple(PREFIXES)
    return len(body) == _KEY_BYTES + 1 and body[0] in [PREFIXES[kind] for kind in wanted]


def is_seed(text: str, kind: str) -> bool:
    """Whether it is the seed of a key of this kind."""
    body = _decode(text)
    if len(body) != _KEY_BYTES + 2:
        return False
    prefix = (body[0] & 7) << 5 | body[1] >> 3
    return body[0] & 248 == SEED_PREFIX and prefix == PREFIXES[kind]


def _decode(text: str) -> bytes:
    """Prefix and key, or nothing."""
    try:
        data = b32decode(text + "=" * (-len(text) % 8))
    except (Error, ValueError):
        return b""
    body, checksum = data[:-2], data[-2:]
    return body if crc_hqx(body, 0).to_bytes(2, "little") == checksum else b""
