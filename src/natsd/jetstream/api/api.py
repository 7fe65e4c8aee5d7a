"""The JetStream API of one account: subscriptions that share one batch, and one table of who answers what.

Requests of one read are answered in their order. A reply is a dict; what a handler raises as ApiError becomes the
`error` of a reply of the same type. Nobody answers what is not in the table. DIRECT.GET is a matter of each stream
(direct.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from natsd.accounts.permissions import covers
from natsd.base.surprise import tell
from natsd.jetstream.api.request import TYPE_PREFIX, ApiRequest, Route
from natsd.jetstream.errors import ApiError
from natsd.jetstream.headers import asks_for_more
from natsd.jetstream.turns import Requests
from natsd.kernel import Subscription
from natsd.store.contract import StoreError
from natsd.subjects.valid import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.base.steps import Steps
    from natsd.jetstream.api.request import Reply
    from natsd.jetstream.home import Home

    Message = tuple[bytes, bytes | None, bytes | None, bytes]

API = b"$JS.API."
ROOMS = (b"INFO", b"STREAM.>", b"CONSUMER.>")
PAGE: dict[str, Any] = {"total": 0, "offset": 0, "limit": 0}


def _find_routes() -> dict[tuple[str, ...], list[Route]]:
    """By the words in front of the wildcards."""
    from natsd.jetstream.api import cluster_api, consumer_api, message_api, snapshot_api, stream_api
    from natsd.jetstream.sql import sql_api

    table: dict[tuple[str, ...], list[Route]] = {}
    for room in (stream_api, consumer_api, message_api, snapshot_api, cluster_api, sql_api):
        for route in room.ROUTES:
            words = tuple(word for word in route.pattern.split(".") if word not in ("*", ">"))
            table.setdefault(words, []).append(route)
    return table


class Api:
    """Takes the requests of an account."""

    __slots__ = ("_home", "_prefixes", "_routes", "_subs", "_turns")

    def __init__(self, home: Home) -> None:
        self._home = home
        self._turns = home.jetstream.turns
        self._routes = _find_routes()
        self._prefixes = [API]
        self._subs: list[Subscription] = []

    def open(self) -> None:
        """Subscribe, also to `$JS.<domain>.API.>` where there is a domain."""
        home = self._home
        if home.domain:
            self._prefixes.append(b"$JS.%b.API." % home.domain.encode())
        for prefix in self._prefixes:
            for room in ROOMS:
                sub = Subscription(prefix + room, b"", handler=self.take)
                if self._subs:
                    sub.lead = self._subs[0]
                home.sublist.insert(sub)
                self._subs.append(sub)

    def decline(self) -> None:
        """Answer by saying that this account has no JetStream, but for what it imports from one that has."""
        imported = [tokens(service.to) for service in self._home.account.service_imports.values()]
        for room in ROOMS:
            wanted = tokens(API + room)
            if not any(covers(subject, wanted) for subject in imported):
                sub = Subscription(API + room, b"", handler=self._say_no)
                if self._subs:
                    sub.lead = self._subs[0]
                self._home.sublist.insert(sub)
                self._subs.append(sub)

    def _say_no(self, batch: list[Message]) -> None:
        for subject, reply, header, payload in batch:
            route, names = self._find(subject[len(API) :].decode("utf-8", "replace").split("."))
            if route is not None:
                request = ApiRequest(self._home, subject, names, reply, header, payload, route)
                self.refuse(request, ApiError("NOT_ENABLED_FOR_ACCOUNT"))

    def close(self) -> None:
        """Subscribe no more."""
        for sub in self._subs:
            self._home.sublist.remove(sub)
        self._subs.clear()

    @property
    def is_open(self) -> bool:
        return bool(self._subs)

    def take(self, batch: list[Message]) -> None:
        """Answer the requests of one read."""
        turns = self._turns
        turns.take(self._home.sublist.road, Requests(self, turns.is_over).answer, batch)

    def answer_one(
        self, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes
    ) -> Iterator[None] | None:
        """Answer a request; what takes long is done by whoever goes through the steps that are returned."""
        prefix = API if subject.startswith(API) else self._prefixes[-1]
        parts = subject[len(prefix) :].decode("utf-8", "replace").split(".")
        route, names = self._find(parts)
        home = self._home
        if route is None:
            home.log.debug(f"{home.name}: nobody answers the request {subject!r}")
            return None
        request = ApiRequest(home, subject, names, reply, header, payload, route)
        # What has no answer in JSON says it in its own way.
        if header is not None and route.response and asks_for_more(header, home.jetstream.api_level):
            self.refuse(request, ApiError("REQUIRED_API_LEVEL"))
            return None
        try:
            answer = route.handler(request)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not cost the rest of this read its answers
            self._fail(request, error)
            return None
        if isinstance(answer, dict):
            self.answer(request, answer)
        elif answer is not None:
            return self._go_through(request, answer)
        return None

    def _go_through(self, request: ApiRequest, steps: Steps[Reply]) -> Iterator[None]:
        try:
            answer = yield from steps
        except Exception as error:  # noqa: BLE001 - as above: whoever goes through the steps has others waiting
            self._fail(request, error)
            return
        if answer is not None:
            self.answer(request, answer)

    def _fail(self, request: ApiRequest, error: Exception) -> None:
        """Say what a request came to that raised an error."""
        if isinstance(error, ApiError):
            self.refuse(request, error)
        elif isinstance(error, StoreError):
            request.refuse_unstored(str(error))
        else:
            tell(self._home.log, f"the request {request.subject.decode('utf-8', 'replace')}", error)
            self.refuse(request, ApiError("STREAM_GENERAL_ERROR", err="internal error, see the log of the server"))

    def _find(self, parts: list[str]) -> tuple[Route | None, list[str]]:
        for n in range(min(len(parts), 3), 0, -1):
            for route in self._routes.get(tuple(parts[:n]), ()):
                names = parts[n:]
                wanted = route.pattern.split(".")[n:]
                if len(wanted) == len(names) or (wanted and wanted[-1] == ">" and len(names) >= len(wanted)):
                    return route, names
        return None, []

    def answer(self, request: ApiRequest, reply: dict[str, Any]) -> None:
        """Send a reply; its type is added."""
        home = self._home
        if request.route.audited:
            home.api_total += 1
            home.jetstream.api_total += 1
        self._send(request, {"type": TYPE_PREFIX + request.route.response, **reply})

    def refuse(self, request: ApiRequest, error: ApiError) -> None:
        """Send an error."""
        home = self._home
        for counter in (home, home.jetstream):
            counter.api_total += 1
            counter.api_errors += 1
        if not request.route.response:
            return
        page: dict[str, Any] = {"type": TYPE_PREFIX + request.route.response, "error": error.as_dict()}
        if request.route.paged:
            page |= PAGE
        page |= request.route.always
        self._send(request, page)

    def _send(self, request: ApiRequest, page: dict[str, Any]) -> None:
        response = msgspec.json.encode(page)
        if request.reply:
            self._home.publish(request.reply, None, None, response)
        if request.route.audited:
            self._home.advisories.tell_of_request(request, response)
