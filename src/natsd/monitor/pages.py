"""The monitoring pages of one server: which path shows what, and how often each was asked for."""

from __future__ import annotations

from posixpath import normpath
from typing import TYPE_CHECKING

from natsd.base.log import quote
from natsd.base.version import NATS_VERSION, VERSION
from natsd.monitor.accounts import accountz, accstatz
from natsd.monitor.connz import connz
from natsd.monitor.document import INDENT, pieces
from natsd.monitor.healthz import healthz
from natsd.monitor.http import PLAIN, Page, note
from natsd.monitor.mesh import gatewayz, leafz, routez
from natsd.monitor.query import NotThere
from natsd.monitor.queues import ipqueuesz, raftz
from natsd.monitor.subsz import subsz
from natsd.monitor.usage import Usage
from natsd.monitor.varz import varz

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.base.log import Log
    from natsd.monitor.document import Document, Steps
    from natsd.monitor.query import Query
    from natsd.monitor.view import ServerView

    Build = Callable[[ServerView, Query], Document | Steps]

JSON = "application/json"
SCRIPT = "application/javascript"
ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
CALLBACK_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.")
"""What the name of a JavaScript function is made of; anything else in `callback` would be somebody else's program."""


def jsz(server: ServerView, query: Query) -> Document | Steps:
    """The page of JetStream, which few servers load."""
    from natsd.monitor.jsz import jsz

    return jsz(server, query)


BUILDERS: dict[str, Build] = {
    "/connz": connz,
    "/subsz": subsz,
    "/accountz": accountz,
    "/accstatz": accstatz,
    "/routez": routez,
    "/leafz": leafz,
    "/gatewayz": gatewayz,
    "/jsz": jsz,
    "/ipqueuesz": ipqueuesz,
    "/raftz": raftz,
}
"""Pages that are what their builder says."""

ENDPOINTS = (
    ("/varz", "General"),
    ("/jsz", "JetStream"),
    ("/connz", "Connections"),
    ("/accountz", "Accounts"),
    ("/accstatz", "Account Stats"),
    ("/subsz", "Subscriptions"),
    ("/routez", "Routes"),
    ("/leafz", "LeafNodes"),
    ("/gatewayz", "Gateways"),
    ("/raftz", "Raft Groups"),
    ("/healthz", "Health Probe"),
    ("/debug/vars", "Expvar"),
    ("/metrics", "Metrics"),
)
"""What the index page links to."""


def base_path(path: str) -> str:
    """What all paths begin with, without a slash at its end."""
    return normpath("/" + path.strip("/")).rstrip("/") if path.strip("/") else ""


class Pages:
    """Finds pages for a Listener; `http_port` or `https_port` is where they are served, once that is known.

    Where the server has an http_base_path, all of them are below it, and nothing is above.
    """

    __slots__ = ("_base", "_by_path", "_index", "_log", "_requests", "_server", "_usage", "http_port", "https_port")

    def __init__(self, server: ServerView, log: Log) -> None:
        self.http_port = 0
        self.https_port = 0
        self._server = server
        self._log = log
        self._usage = Usage(server.clock)
        self._requests = server.http_requests
        self._base = base_path(server.options.http_base_path)
        self._index: Callable[[Query], Page] = self._links
        self._by_path: dict[str, tuple[str, Callable[[Query], Page]]] = {
            "/varz": ("/varz", lambda query: self._json(200, self._varz(), query)),
            "/healthz": ("/healthz", self._healthz),
            "/stacksz": ("/stacksz", self._stacks),
            "/debug/vars": ("/debug/vars", self._variables),
            "/metrics": ("/metrics", self._metrics),
        }
        for path, build in BUILDERS.items():
            self._by_path[path] = (path, self._page_of(build))
        self._by_path["/subscriptionsz"] = self._by_path["/subsz"]

    def find(self, path: str, query: Query) -> Page | None:
        """The page of a path, None where there is none. Raises BadQuery."""
        if path and path in (self._base, self._base + "/"):
            counted_as, build = "/", self._index
        elif path.startswith(self._base) and path[len(self._base) :] in self._by_path:
            counted_as, build = self._by_path[path[len(self._base) :]]
        else:
            return None
        self._requests[counted_as] = self._requests.get(counted_as, 0) + 1
        try:
            return build(query)
        except NotThere as error:
            return note(404, str(error))

    def _page_of(self, build: Build) -> Callable[[Query], Page]:
        return lambda query: self._json(200, build(self._server, query), query)

    def _varz(self) -> Document:
        return varz(
            self._server,
            http_port=self.http_port,
            https_port=self.https_port,
            cpu=self._usage.cpu(),
            memory=self._usage.memory(),
            requests=self._requests,
        )

    def _healthz(self, query: Query) -> Page:
        status, page = healthz(self._server, query)
        if "error" in page:
            self._log.warn(f"Healthcheck failed: {quote(str(page['error']))}")
        elif "errors" in page:
            self._log.warn("Healthcheck failed: 1 errors")
        return self._json(status, page, query, indent="")

    def _stacks(self, query: Query) -> Page:
        from natsd.monitor.process import stacks

        return Page(200, PLAIN, iter((stacks(),)), (ANY_ORIGIN,))

    def _variables(self, query: Query) -> Page:
        from natsd.monitor.process import variables

        return self._json(200, variables(self._usage.memory()), query)

    def _metrics(self, query: Query) -> Page:
        from natsd.monitor.metrics import CONTENT_TYPE, metrics

        return Page(200, CONTENT_TYPE, metrics(self._server, self._varz()))

    def _json(self, status: int, document: Document | Steps, query: Query, indent: str = INDENT) -> Page:
        text = pieces(document, indent)
        callback = query.text("callback")
        if not callback:
            return Page(status, JSON, text, (ANY_ORIGIN,))
        if not CALLBACK_CHARS.issuperset(callback):
            return note(400, "Error decoding callback: not the name of a function")
        return Page(status, SCRIPT, (part for parts in ((f"{callback}(",), text, (")",)) for part in parts))

    def _links(self, query: Query) -> Page:
        links = "\n".join(
            f'    <li><a href="{self._base or "."}{path}">{title}</a> <code>{path}</code></li>'
            for path, title in ENDPOINTS
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
