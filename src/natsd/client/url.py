"""Addresses of servers as users write them: ``nats://user:pass@host:4222``, ``host``, ``[::1]:4222``, comma lists."""

from __future__ import annotations

from natsd.client.errors import BadUrl

DEFAULT_PORT = 4222
DEFAULT_URL = "nats://127.0.0.1:4222"


class ServerUrl:
    """One server: host, port and the credentials the address carries. A user without a password is a token."""

    __slots__ = ("discovered", "host", "name", "password", "port", "tls", "token", "user")

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        user: str = "",
        password: str = "",
        token: str = "",
        *,
        tls: bool = False,
        name: str = "",
    ) -> None:
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.token = token
        self.tls = tls
        self.name = name or host
        """What the certificate has to be for."""
        self.discovered = False

    @property
    def address(self) -> str:
        """The address without credentials: ``nats://host:port``."""
        return f"{'tls' if self.tls else 'nats'}://{self.authority}"

    @property
    def authority(self) -> str:
        """``host:port``, the host in brackets where it is an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_url(text: str) -> ServerUrl:
    """Parse one address. Raises BadUrl."""
    rest = text.strip()
    scheme, found_scheme, after = rest.partition("://")
    if found_scheme:
        rest = after
        scheme = scheme.lower()
        if scheme not in ("nats", "tls"):
            raise BadUrl(f'nats: unknown scheme in server address "{without_secret(text)}"')
    for mark in "/?#":
        rest = rest.partition(mark)[0]
    credentials, found, authority = rest.rpartition("@")
    user = password = token = ""
    if found:
        user, with_password, password = credentials.partition(":")
        user, password = _unquote(user), _unquote(password)
        if not with_password:
            user, token = "", user
    host, port = _split_authority(authority, text)
    return ServerUrl(host, port, user, password, token, tls=bool(found_scheme) and scheme == "tls")


def parse_urls(text: str) -> list[ServerUrl]:
    """Parse a comma list of addresses; an empty one gives the default server."""
    servers = [parse_url(part) for part in text.split(",") if part.strip()]
    return servers or [parse_url(DEFAULT_URL)]


def _split_authority(authority: str, text: str) -> tuple[str, int]:
    if authority.startswith("["):
        host, closed, tail = authority[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            raise BadUrl(f'nats: bad server address "{without_secret(text)}"')
        port_text = tail[1:]
    elif authority.count(":") > 1:
        # A bare IPv6 address; with a port it needs brackets.
        host, port_text = authority, ""
    else:
        host, _, port_text = authority.partition(":")
    if not host:
        raise BadUrl(f'nats: no host in server address "{without_secret(text)}"')
    if not port_text:
        return host, DEFAULT_PORT
    if not (port_text.isascii() and port_text.isdigit()) or len(port_text) > 5 or not 0 < int(port_text) < 65536:
        raise BadUrl(f'nats: bad port in server address "{without_secret(text)}"')
    return host, int(port_text)


def without_secret(text: str) -> str:
    """An address with stars in the place of its credentials."""
    before, found, after = text.rpartition("@")
    if not found:
        return text
    scheme, found, _ = before.partition("://")
    return f"{scheme}://***@{after}" if found else f"***@{after}"


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    parts = text.split("%")
    raw = bytearray(parts[0].encode())
    for part in parts[1:]:
        digits = part[:2]
        if len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            raw += bytes.fromhex(digits) + part[2:].encode()
        else:
            raw += b"%" + part.encode()
    return raw.decode("utf-8", "surrogateescape")
