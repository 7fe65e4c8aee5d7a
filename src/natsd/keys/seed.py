"""Secret nkeys (seeds) and what is signed with them; credentials files, in which a seed stands beside a JWT.

Layout of a seed before base32: two bytes that hold the prefix of a seed and that of its kind, 32 bytes of secret,
CRC-16 of all of them as two bytes, the low one first.
"""

from __future__ import annotations

from binascii import crc_hqx

from natsd.keys.nkey import ALPHABET, KEY_BYTES, PREFIXES, render_public

SEED_CHARS = 58
_SEED_PREFIX = 18 << 3
_KINDS = {value: kind for kind, value in PREFIXES.items()}


class Seed:
    """A secret key: signs, and knows its public nkey. It never shows its secret."""

    __slots__ = ("_secret", "kind")

    def __init__(self, kind: str, secret: bytes) -> None:
        self.kind = kind
        self._secret = secret

    @property
    def public(self) -> str:
        """The public nkey."""
        from nacl.signing import SigningKey

        return render_public(self.kind, bytes(SigningKey(self._secret).verify_key))

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature."""
        from nacl.signing import SigningKey

        return SigningKey(self._secret).sign(data).signature


def parse_seed(text: str) -> Seed:
    """Read a seed. Raises ValueError, without the text, for what is none."""
    text = text.strip()
    if len(text) != SEED_CHARS or not text.startswith("S"):
        raise ValueError(f"a seed has {SEED_CHARS} characters and begins with S")
    number = 0
    for char in text:
        value = ALPHABET.find(char)
        if value < 0:
            raise ValueError("a character that no seed has")
        number = number << 5 | value
    # 58 characters are 290 bits, of which 288 are used.
    raw = (number >> 2).to_bytes(KEY_BYTES + 4, "big")
    body = raw[:-2]
    if crc_hqx(body, 0) != int.from_bytes(raw[-2:], "little"):
        raise ValueError("the checksum of the seed is wrong")
    kind = _KINDS.get((body[0] & 7) << 5 | (body[1] & 248) >> 3)
    if body[0] & 248 != _SEED_PREFIX or kind is None:
        raise ValueError("not the seed of a known kind of key")
    return Seed(kind, body[2:])


def find_seed(text: str) -> Seed:
    """The seed in a text that may have other lines around it. Raises ValueError."""
    for line in text.splitlines():
        word = line.strip()
        if len(word) == SEED_CHARS and word.startswith("S") and not word.startswith("S-"):
            return parse_seed(word)
    raise ValueError("there is no seed in it")


def parse_credentials(text: str) -> tuple[str, Seed | None]:
    """JWT and seed of a credentials file; the seed is None where there is none. Raises ValueError without a JWT."""
    jwt = seed = ""
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines[:-1]):
        if line.startswith("---") and "BEGIN" in line:
            content = lines[number + 1]
            if "JWT" in line:
                jwt = jwt or content
            elif "SEED" in line:
                seed = seed or content
    if not jwt and text.strip().count(".") == 2 and len(text.split()) == 1:
        jwt = text.strip()
    if not jwt:
        raise ValueError("there is no user JWT in it")
    return jwt, parse_seed(seed) if seed else None
