"""Who may connect, in the simplest form: one token, or one user with a password.

Where both are set the token alone decides, as in the Go server. Every refusal looks the same to the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.protocol.connect import Connect


class Credentials:
    """What a client has to know. With neither a token nor a user everybody is admitted."""

    __slots__ = ("password", "required", "token", "user")

    def __init__(self, *, token: str = "", user: str = "", password: str = "") -> None:
        self.token = token
        self.user = user
        self.password = password
        self.required = bool(token or user)

    def admit(self, connect: Connect) -> bool:
        """Whether what the client said of itself is enough."""
        if self.token:
            return _equal(self.token, connect.token)
        if self.user:
            return self.user == connect.user and _equal(self.password, connect.password)
        return True


def _equal(secret: str, given: str) -> bool:
    # Takes as long for a wrong first character as for a wrong last one.
    from hmac import compare_digest

    return compare_digest(secret.encode("utf-8", "surrogatepass"), given.encode("utf-8", "surrogatepass"))
