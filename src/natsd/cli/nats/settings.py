"""What the global flags and the environment say, and connecting with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli import console
from natsd.cli.exit_codes import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from natsd.cli.contexts import Context
    from natsd.client.connection import Connection
    from natsd.client.jetstream import JetStream
    from natsd.client.url import ServerUrl

DEFAULT_TIMEOUT_NS = 5_000_000_000
DEFAULT_INBOX_PREFIX = "_INBOX"
# Keys of a context that ask for what this client cannot do, and what that is.
_UNSUPPORTED = (
    ("socks_proxy", "a SOCKS proxy"),
    ("windows_cert_store", "the Windows certificate store"),
)
# What says who we are, beside a user, a password and a token: attribute of the settings and key of a context.
_IDENTITIES = (("creds", "creds"), ("nkey", "nkey"), ("jwt", "user_jwt"), ("seed", "user_seed"))


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
        self.creds = ""
        self.nkey = ""
        self.jwt = ""
        self.seed = ""
        self.js_domain = ""
        self.js_api_prefix = ""
        self.js_event_prefix = ""
        self.connection_name = ""
        self.timeout_ns = DEFAULT_TIMEOUT_NS
        self.inbox_prefix = ""
        self.context = ""
        self.no_context = False
        self.trace = False

    @property
    def timeout_s(self) -> float:
        return self.timeout_ns / 1e9

    def load_context(self) -> None:
        """Fill in what flags and environment left open: from the context they name, or from the selected one."""
        context = self.find_context()
        if context is not None:
            self.use_context(context)
        self.inbox_prefix = self.inbox_prefix or DEFAULT_INBOX_PREFIX

    def find_context(self) -> Context | None:
        """The context of this run. Raises CommandFailed where it does not exist."""
        if self.no_context:
            return None
        from natsd.cli.contexts import Contexts

        contexts = Contexts()
        name = self.context or contexts.selected
        return contexts.load(name) if name else None

    def use_context(self, context: Context) -> None:
        """Take from a context what is not set yet. Raises CommandFailed for what this client cannot do."""
        is_anonymous = not self.user and not self.token and not any(getattr(self, name) for name, _ in _IDENTITIES)
        self.servers = self.servers or context.text("url")
        for key, what in _UNSUPPORTED:
            if context.data.get(key):
                raise _unsupported(context, key, what)
        if is_anonymous:
            self.user = context.text("user")
            # A password goes with its own user: not with somebody whom a flag names.
            self.password = self.password or context.value("password")
            self.token = context.value("token")
            if not self.user and not self.token and context.text("nsc"):
                raise _unsupported(context, "nsc", "the nsc store")
            for name, key in _IDENTITIES:
                setattr(self, name, context.value(key))
        self.inbox_prefix = self.inbox_prefix or context.text("inbox_prefix")
        self.tls_cert = self.tls_cert or context.value("cert")
        self.tls_key = self.tls_key or context.value("key")
        self.tls_ca = self.tls_ca or context.value("ca")
        self.tls_first = self.tls_first or context.flag("tls_first")
        if not self.js_api_prefix and not self.js_domain:
            self.js_domain = context.text("jetstream_domain")
            self.js_api_prefix = context.text("jetstream_api_prefix")
        self.js_event_prefix = self.js_event_prefix or context.text("jetstream_event_prefix")

    def connect(self, servers: Sequence[ServerUrl] = (), *, reconnect: bool = True, echo: bool = True) -> Connection:
        """A new connection, to `servers` when they are named. Raises NoServers and the like."""
        from natsd.base.version import VERSION
        from natsd.client.connection import Connection
        from natsd.client.transport import TlsFiles
        from natsd.kernel import ClientScanner

        nkey, jwt, sign = "", "", None
        if self.creds or self.nkey or self.jwt:
            from natsd.cli.nats.identity import read_identity

            nkey, jwt, sign = read_identity(self.creds, self.nkey, self.jwt, self.seed)
        connection = Connection(
            servers or self.servers,
            ClientScanner,
            name=self.connection_name or f"NATS CLI Version {VERSION}",
            version=VERSION,
            user=self.user,
            password=self.password,
            token=self.token,
            nkey=nkey,
            jwt=jwt,
            sign=sign,
            tls=TlsFiles(cert_file=self.tls_cert, key_file=self.tls_key, ca_file=self.tls_ca, first=self.tls_first),
            timeout_s=self.timeout_s,
            inbox_prefix=self.inbox_prefix or DEFAULT_INBOX_PREFIX,
            echo=echo,
            reconnect=reconnect,
            on_event=self._show_event,
        )
        connection.connect()
        return connection

    def jetstream(self, connection: Connection) -> JetStream:
        """The JetStream of a connection, at the prefix or in the domain that flags and context say."""
        from natsd.client.jetstream import DEFAULT_PREFIX, JetStream

        prefix = self.js_api_prefix or (f"$JS.{self.js_domain}.API" if self.js_domain else DEFAULT_PREFIX)
        return JetStream(connection, prefix.rstrip("."), self.timeout_s, console.note if self.trace else None)

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


def _unsupported(context: Context, key: str, what: str) -> CommandFailed:
    return CommandFailed(f'context "{context.name}" wants {what} ({key}), which is not supported yet')
