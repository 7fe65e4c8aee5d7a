"""Passwords and tokens: plain, or as bcrypt hashes."""

from __future__ import annotations

BCRYPT_BYTES = 72  # what bcrypt looks at of a password


def is_bcrypt(secret: str) -> bool:
    """Whether a configured secret is a hash: `$2a$`, `$2b$`, `$2x$` or `$2y$`, and a cost of two digits."""
    return (
        len(secret) > 7
        and secret[:2] == "$2"
        and secret[2] in "abxy"
        and secret[3] == "$"
        and secret[4:6].isdecimal()
        and secret[6] == "$"
    )


class Password:
    """A configured secret, to compare with what clients give."""

    __slots__ = ("_hash", "_known", "_salt", "_secret")

    def __init__(self, secret: str, salt: bytes) -> None:
        """salt: random bytes that nobody else knows."""
        self._secret = secret.encode("utf-8", "surrogatepass")
        self._hash = is_bcrypt(secret)
        self._salt = salt
        self._known = b""  # digest of the last password that was right: a hash is slow, by design, only once

    def __eq__(self, other: object) -> bool:
        from hmac import compare_digest

        return isinstance(other, Password) and compare_digest(self._secret, other._secret)

    __hash__ = None  # type: ignore[assignment]

    def check(self, given: str) -> bool:
        """Whether it is this one. Takes as long for a wrong first character as for a wrong last one."""
        from hmac import compare_digest, digest

        raw = given.encode("utf-8", "surrogatepass")
        if not self._hash:
            return compare_digest(self._secret, raw)
        mine = digest(self._salt, raw, "sha256")
        if self._known and compare_digest(self._known, mine):
            return True
        from bcrypt import checkpw

        try:
            right = checkpw(raw[:BCRYPT_BYTES], self._secret)
        except ValueError:  # no hash after all, or a NUL in what was given
            return False
        if right:
            self._known = mine
        return right
