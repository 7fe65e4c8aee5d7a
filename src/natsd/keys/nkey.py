"""Public nkeys: Ed25519 keys written as 56 base32 characters, the first of which says whose key it is.

Layout before base32: prefix byte, 32 bytes of key, CRC-16/XMODEM of both as two bytes, the low one first. Only this one
spelling of a key is taken. Secret keys (seeds) are not read here.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, crc_hqx

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
KEY_BYTES = 32
SIGNATURE_BYTES = 64
PUBLIC_CHARS = 56
NONCE_BYTES = 11
NONCE_CHARS = 15

PREFIXES = {
    "server": 13 << 3,
    "cluster": 2 << 3,
    "operator": 14 << 3,
    "account": 0,
    "user": 20 << 3,
    "curve": 23 << 3,
}
"""What the first byte is for each kind of key: the letters N, C, O, A, U and X once written."""

_VALUES = {char: value for value, char in enumerate(ALPHABET)}


def render_public(kind: str, key: bytes) -> str:
    """The public nkey of a kind for 32 bytes of key. Raises ValueError for another length."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a public key has {KEY_BYTES} bytes, not {len(key)}")
    body = bytes((PREFIXES[kind],)) + key
    number = int.from_bytes(body + crc_hqx(body, 0).to_bytes(2, "little"), "big")
    return "".join(ALPHABET[number >> shift & 31] for shift in range(275, -1, -5))


def parse_public(kind: str, text: str) -> bytes:
    """The 32 bytes of a public nkey. Raises ValueError, without the text, for whatever is no nkey of this kind."""
    if len(text) != PUBLIC_CHARS:
        raise ValueError(f"a public nkey has {PUBLIC_CHARS} characters, not {len(text)}")
    number = 0
    for char in text:
        value = _VALUES.get(char)
        if value is None:
            raise ValueError("a character that no nkey has")
        number = number << 5 | value
    raw = number.to_bytes(KEY_BYTES + 3, "big")
    body = raw[:-2]
    if crc_hqx(body, 0) != int.from_bytes(raw[-2:], "little"):
        raise ValueError("the checksum of the nkey is wrong")
    if body[0] != PREFIXES[kind]:
        raise ValueError(f"not a public nkey of kind {kind}")
    return body[1:]


def is_public(kind: str, text: str) -> bool:
    """Whether it is a public nkey of this kind."""
    try:
        parse_public(kind, text)
    except ValueError:
        return False
    return True


def render_nonce(raw: bytes) -> str:
    """The 15 characters that a client signs, from 11 random bytes. Raises ValueError for another length."""
    if len(raw) != NONCE_BYTES:
        raise ValueError(f"a nonce takes {NONCE_BYTES} bytes, not {len(raw)}")
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(raw).decode().rstrip("=")


def parse_signature(text: str) -> bytes | None:
    """A signature in unpadded URL or in padded standard base64; None where it is neither, or not 64 bytes."""
    if not text.isascii():
        return None
    raw: bytes
    try:
        if len(text) == 86:
            if "+" in text or "/" in text:
                return None
            raw = a2b_base64(text.replace("-", "+").replace("_", "/") + "==", strict_mode=True)
        elif len(text) == 88:
            raw = a2b_base64(text, strict_mode=True)
        else:
            return None
    except Error:
        return None
    return raw if len(raw) == SIGNATURE_BYTES else None


def verify(key: bytes, signed: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature is this key's. Lengths are looked at before the library sees anything."""
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    from nacl.exceptions import CryptoError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(key).verify(signed, signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return True
