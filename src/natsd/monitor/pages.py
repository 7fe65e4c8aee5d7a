"""The monitoring pages of one server: which path shows what, and how often each was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.log import quote
from natsd.base.version import NATS_VERSION, VERSION
from natsd.monitor.connz import connz
from natsd.monitor.document import INDENT, pieces
from natsd.monitor.healthz import healthz
from natsd.monitor.http import Page, note
from natsd.monitor.subsz import subsz
from natsd.monitor.usage import Usage
from natsd.monitor.varz import varz

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.base.log import Log
    from natsd.monitor.document import Document
    from natsd.monitor.query import Query
    from natsd.monitor.view import ServerView

JSON = "application/json"
SCRIPT = "application/javascript"
ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
CALLBACK_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.")
"""What the name of a JavaScript function is made of; anything else in `callback` would be somebody else's program."""

ENDPOINTS = (
    ("/varz", "General"),
    ("/connz", "Connections"),
    ("/subsz", "Subscriptions"),
    ("/jsz", "JetStream"),
    ("/healthz", "Health Probe"),
)
"""What the index page links to."""


class Pages:
    """Finds pages for a Listener; `http_port` or `https_port` is where they are served, once that is known."""

    __slots__ = ("_by_path", "_log", "_requests", "_server", "_usage", "http_port", "https_port")

    def __init__(self, server: ServerView, log: Log) -> None:
        self.http_port = 0
        self.https_port = 0
        self._server = server
        self._log = log
        self._usage = Usage(server.clock)
        self._requests: dict[str, int] = {}
        self._by_path: dict[str, tuple[str, Callable[[Query], Page]]] = {
            "/": ("/", self._index),
            "/varz": ("/varz", self._varz),
            "/connz": ("/connz", lambda query: self._json(200, connz(server, query), query)),
            "/subsz": ("/subsz", lambda query: self._json(200, subsz(server, query), query)),
            "/healthz": ("/healthz", self._healthz),
            "/jsz": ("/jsz", self._jsz),
        }
        self._by_path["/subscriptionsz"] = self._by_path["/subsz"]

    def find(self, path: str, query: Query) -> Page | None:
        """The page of a path, None where there is none. Raises BadQuery."""
        if path not in self._by_path:
            return None
        counted_as, build = self._by_path[path]
        self._requests[counted_as] = self._requests.get(counted_as, 0) + 1
        return build(query)

    def _varz(self, query: Query) -> Page:
        page = varz(
            self._server,
            http_port=self.http_port,
            https_port=self.https_port,
            cpu=self._usage.cpu(),
            memory=self._usage.memory(),
            requests=self._requests,
        )
        return self._json(200, page, query)

    def _healthz(self, query: Query) -> Page:
        status, page = healthz(self._server, query)
        if "error" in page:
            self._log.warn(f"Healthcheck failed: {quote(str(page['error']))}")
        elif "errors" in page:
            self._log.warn("Healthcheck failed: 1 errors")
        return self._json(status, page, query, indent="")

    def _jsz(self, query: Query) -> Page:
        from natsd.monitor.jsz import jsz

        return self._json(200, jsz(self._server, query), query)

    def _json(self, status: int, document: Document, query: Query, indent: str = INDENT) -> Page:
        text = pieces(document, indent)
        callback = query.text("callback")
        if not callback:
            return Page(status, JSON, text, (ANY_ORIGIN,))
        if not CALLBACK_CHARS.issuperset(callback):
            return note(400, "Error decoding callback: not the name of a function")
        return Page(status, SCRIPT, (part for parts in ((f"{callback}(",), text, (")",)) for part in parts))

    def _index(self, query: Query) -> Page:
        links = "\n".join(
            f'    <li><a href=".{path}">{title}</a> <code>{path}</code></li>' for path, title in ENDPOINTS
        )
        return Page(
            200,
            "text/html; charset=utf-8",
            iter(
                (
                    f"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>natsd</title>
  <style>body {{ font: 16px sans-serif; margin: 2rem }} code {{ color: #777 }}</style>
</head>
<body>
  <h1>natsd {VERSION}</h1>
  <p>NATS {NATS_VERSION}</p>
  <ul>
{links}
  </ul>
</body>
</html>
""",
                )
            ),
        )
