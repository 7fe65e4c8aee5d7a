"""The monitoring site of a server: its pages on a port.

To be imported only where pages are wanted: this room takes longer to load than a server may take to be ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.monitor.http import Listener
from natsd.monitor.pages import Pages
from natsd.net.listener import ANY_HOSTS, bind, join_host_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext

    from natsd.base.log import Log
    from natsd.base.tls_options import TlsOptions
    from natsd.monitor.view import ServerView


class Site:
    """Serves the pages of one server until `stop`; may start before the server does and stop after it."""

    __slots__ = ("_context", "_listener", "_log", "_pages", "host", "port")

    def __init__(self, server: ServerView, log: Log, host: str, port: int, tls: TlsOptions | None = None) -> None:
        """`port` -1 stands for any free one; `tls` makes it an HTTPS one. Raises OptionsError for certificates."""
        self._context: SSLContext | None = None
        if tls is not None:
            from natsd.net.tls_context import make_context

            self._context = make_context(tls, verify=False)  # a browser has no certificate to show
        self.host = host
        self.port = port
        self._log = log
        self._pages = Pages(server, log)
        self._listener = Listener(self._pages.find, log, server.clock)

    @property
    def scheme(self) -> str:
        return "http" if self._context is None else "https"

    @property
    def url(self) -> str:
        """Where somebody on this machine finds the index page."""
        return f"{self.scheme}://{join_host_port('127.0.0.1' if self.host in ANY_HOSTS else self.host, self.port)}"

    async def start(self) -> None:
        """Listen. Raises ListenError."""
        sock = bind(self.host, max(self.port, 0))
        self.port = int(sock.getsockname()[1])
        if self._context is None:
            self._pages.http_port = self.port
        else:
            self._pages.https_port = self.port
        self._log.notice(f"Starting {self.scheme} monitor on {join_host_port(self.host, self.port)}")
        await self._listener.start(sock, self._context)

    def renew(self, tls: TlsOptions) -> None:
        """Show other certificates to visitors to come. Raises OptionsError, and then nothing has changed."""
        if self._context is None:
            return
        from natsd.net.tls_context import make_context

        context = make_context(tls, verify=False)

        chooser: Callable[[Any, Any, Any], int | None] | None = context.sni_callback

        def choose(wanted: Any, name: Any, first: Any) -> None:
            wanted.context = context
            if chooser is not None:
                chooser(wanted, name, context)

        self._context.sni_callback = choose

    def stop(self) -> None:
        """Stop listening and cut off whoever reads; idempotent."""
        self._listener.stop()
