"""What the global flags and the environment say, and connecting with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from natsd.client.connection import Connection
    from natsd.client.url import ServerUrl

DEFAULT_TIMEOUT_NS = 5_000_000_000


class Settings:
    """The global flags of one run."""

    def __init__(self) -> None:
        self.servers = ""
        self.user = ""
        self.password = ""
        self.token = ""
        self.tls_cert = ""
        self.tls_key = ""
        self.tls_ca = ""
        self.tls_first = False
        self.connection_name = ""
        self.timeout_ns = DEFAULT_TIMEOUT_NS
        self.inbox_prefix = "_INBOX"
        self.no_context = False
        self.trace = False

    @property
    def timeout_s(self) -> float:
        return self.timeout_ns / 1e9

    def connect(self, servers: Sequence[ServerUrl] = (), *, reconnect: bool = True, echo: bool = True) -> Connection:
        """A new connection, to `servers` when they are named. Raises NoServers and the like."""
        from natsd.base.version import VERSION
        from natsd.client.connection import Connection
        from natsd.client.transport import TlsFiles
        from natsd.kernel import ClientScanner

        connection = Connection(
            servers or self.servers,
            ClientScanner,
            name=self.connection_name or f"NATS CLI Version {VERSION}",
            version=VERSION,
            user=self.user,
            password=self.password,
            token=self.token,
            tls=TlsFiles(cert_file=self.tls_cert, key_file=self.tls_key, ca_file=self.tls_ca, first=self.tls_first),
            timeout_s=self.timeout_s,
            inbox_prefix=self.inbox_prefix,
            echo=echo,
            reconnect=reconnect,
            on_event=self._show_event,
        )
        connection.connect()
        return connection

    def _show_event(self, kind: str, text: str) -> None:
        if kind == "disconnected":
            console.log(f">>> Disconnected due to: {text}, will attempt reconnect")
        elif self.trace:
            if kind == "connected":
                console.log(f">>> Connected to {text}")
            elif kind == "reconnected":
                console.log(f">>> Reconnected to {text}")
            elif kind == "discovered":
                console.log(f">>> Discovered new server {text}")
            elif kind == "error":
                console.log(f">>> Unexpected NATS error: {text}")
