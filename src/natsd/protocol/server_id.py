"""A server's name for itself, written like the public nkey of a server: 56 base32 characters that begin with N.

Layout before base32: prefix byte, 32 bytes, CRC-16/XMODEM of both as two bytes, the low one first.
"""

from __future__ import annotations

from binascii import crc_hqx

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
PREFIX_SERVER = 13 << 3
KEY_BYTES = 32


def render_server_id(key: bytes) -> str:
    """The identity for 32 random bytes (or a public Ed25519 key). Raises ValueError for another length."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a server identity takes {KEY_BYTES} bytes, not {len(key)}")
    body = bytes((PREFIX_SERVER,)) + key
    number = int.from_bytes(body + crc_hqx(body, 0).to_bytes(2, "little"), "big")
    return "".join(ALPHABET[number >> shift & 31] for shift in range(275, -1, -5))
