"""Who may connect, and as whom: the one door for every way in.

Order, the Go server's: users with an nkey, users with a name, then a single token, then a single user. What one kind
refuses no later kind lets in. no_auth_user stands in for a client that said nothing of itself, whether by an empty
CONNECT or by beginning with another verb, and goes through the same door. All refusals look the same to the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.auth.passwords import Password, is_bcrypt
from natsd.keys.nkey import parse_public, parse_signature, verify

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from natsd.accounts.permissions import Rights
    from natsd.accounts.users import User
    from natsd.auth.certificate import Certificate, Owners

    class Said(Protocol):
        """What a client said of itself in CONNECT."""

        user: str
        password: str
        token: str
        nkey: str
        signature: str


class Admission:
    """Who somebody was admitted as. account: empty for the global one; rights: None for all of them."""

    __slots__ = ("account", "nkey", "rights", "user")

    def __init__(self, user: str = "", nkey: str = "", account: str = "", rights: Rights | None = None) -> None:
        self.user = user
        self.nkey = nkey
        self.account = account
        self.rights = rights


ANYBODY = Admission()
"""Where nothing is asked for."""


class _Entry:
    """A user, ready to be let in."""

    __slots__ = ("admission", "connection_types", "password", "proxy_required")

    def __init__(self, user: User, rights: Rights | None, salt: bytes) -> None:
        self.admission = Admission(user.user, user.nkey, user.account, rights)
        self.connection_types = user.connection_types
        self.proxy_required = user.proxy_required
        self.password = Password(user.password, salt)

    def asks_the_same(self, other: _Entry) -> bool:
        """Whether whoever was let in by the other is let in by this one."""
        return (
            self.password == other.password
            and self.connection_types == other.connection_types
            and self.proxy_required == other.proxy_required
        )

    def takes(self, connection_type: str) -> bool:
        return (not self.connection_types or connection_type in self.connection_types) and not self.proxy_required


class Credentials:
    """What a client has to know. With no user and no token everybody is admitted.

    users: with their compiled rights. salt: random bytes that nobody else knows.
    """

    __slots__ = (
        "_nkeys",
        "_owners",
        "_single",
        "_token",
        "_users",
        "needs_nonce",
        "no_auth_user",
        "plaintext",
        "required",
        "user",
    )

    def __init__(
        self,
        *,
        token: str = "",
        user: str = "",
        password: str = "",
        users: Iterable[tuple[User, Rights | None]] = (),
        no_auth_user: str = "",
        salt: bytes = b"",
    ) -> None:
        self._token = Password(token, salt) if token else None
        self._single = Password(password, salt)
        self.user = user
        self.no_auth_user = no_auth_user
        self._users: dict[str, _Entry] = {}
        self._nkeys: dict[str, _Entry] = {}
        self._owners: Owners | None = None  # by distinguished names, made when first asked for
        self.plaintext = bool(password) and not is_bcrypt(password)
        """Whether some password is written as it is."""
        for one, rights in users:
            if one.nkey:
                self._nkeys[one.nkey] = _Entry(one, rights, salt)
            else:
                self._users[one.user] = _Entry(one, rights, salt)
                self.plaintext = self.plaintext or not is_bcrypt(one.password)
        self.required = bool(token or user or self._users or self._nkeys)
        self.needs_nonce = bool(self._nkeys)
        """Whether INFO has to carry something to sign."""

    @property
    def announced(self) -> bool:
        """Whether INFO says that a client has to authenticate."""
        return self.required and not self.no_auth_user

    def rights_of(self, name: str) -> Rights | None:
        """The compiled rights of a user or nkey, where it has any."""
        entry = self._nkeys.get(name) or self._users.get(name)
        return None if entry is None else entry.admission.rights

    def account_of(self, admission: Admission) -> str | None:
        """The account of the user that somebody was admitted as; None where it is none of the users."""
        entry = self._entry_of(admission)
        return None if entry is None else entry.admission.account

    def readmit(self, admission: Admission, before: Credentials) -> Admission | None:
        """Admit somebody anew by what it was admitted as by other credentials, without looking at secrets.

        None where the same is not asked for any more, so that everything has to be looked at again.
        """
        if not self.required:
            return ANYBODY if not before.required else None
        entry, earlier = self._entry_of(admission), before._entry_of(admission)
        if entry is not None or earlier is not None:
            if entry is None or earlier is None or not entry.asks_the_same(earlier):
                return None
            return entry.admission
        if self._users or self._nkeys or not before.required or before._users or before._nkeys:
            return None
        if self._token == before._token and self.user == before.user and self._single == before._single:
            return admission
        return None

    def _entry_of(self, admission: Admission) -> _Entry | None:
        if admission.nkey:
            return self._nkeys.get(admission.nkey)
        return self._users.get(admission.user)

    def admit(
        self,
        said: Said,
        connection_type: str = "STANDARD",
        nonce: str = "",
        certificate: Certificate | None = None,
    ) -> Admission | None:
        """Who a client is by what it said of itself; None to refuse it.

        certificate: this client's, where users are known by theirs (verify_and_map); None where they are not.
        """
        if not self.required:
            return ANYBODY
        silent = not (said.user or said.password or said.token)
        if self._nkeys:
            if said.nkey:
                return self._by_nkey(said, connection_type, nonce)
            if silent and self.no_auth_user in self._nkeys:
                return _let(self._nkeys[self.no_auth_user], connection_type)
        if self._users and certificate is not None:
            return self._by_certificate(said, connection_type, certificate)
        if self._users:
            if silent and self.no_auth_user in self._users:
                return _let(self._users[self.no_auth_user], connection_type)
            if said.user:
                entry = self._users.get(said.user)
                if entry is None or not entry.takes(connection_type) or not entry.password.check(said.password):
                    return None
                return entry.admission
        if self._token is not None:
            return ANYBODY if self._token.check(said.token) else None
        if self.user and self.user == said.user and self._single.check(said.password):
            return Admission(self.user)
        return None

    def _by_certificate(self, said: Said, connection_type: str, certificate: Certificate) -> Admission | None:
        names = list(certificate.names)
        if certificate.subject is not None:
            if self._owners is None:
                from natsd.auth.certificate import Owners

                self._owners = Owners(list(self._users))
            names += self._owners.find(certificate.subject)
        for name in names + certificate.texts:
            entry = self._users.get(name)
            if entry is not None and entry.takes(connection_type):
                # What it says of another user counts for nothing; a password counts where the user has one.
                return entry.admission if entry.password.check(said.password) else None
        return None

    def _by_nkey(self, said: Said, connection_type: str, nonce: str) -> Admission | None:
        entry = self._nkeys.get(said.nkey)
        if entry is None or not entry.takes(connection_type):
            return None
        if said.nkey != self.no_auth_user:
            signature = parse_signature(said.signature)
            if signature is None or not nonce:
                return None
            try:
                key = parse_public("user", said.nkey)
            except ValueError:
                return None
            if not verify(key, nonce.encode(), signature):
                return None
        return entry.admission


def _let(entry: _Entry, connection_type: str) -> Admission | None:
    return entry.admission if entry.takes(connection_type) else None
