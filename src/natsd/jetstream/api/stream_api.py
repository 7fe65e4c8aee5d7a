"""Requests about streams: create, update, delete, tell, list; and what the account uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.base.steps import in_order
from natsd.jetstream.api.request import Route
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.stream import create_stream
from natsd.jetstream.streams.stream_check import check_config, check_create, check_update, invalid, settled, stamp_level
from natsd.jetstream.streams.stream_config import Record, StreamRequest

if TYPE_CHECKING:
    from natsd.base.steps import Steps
    from natsd.jetstream.api.request import ApiRequest, Reply
    from natsd.jetstream.home import Home
    from natsd.jetstream.streams.stream import Stream
    from natsd.jetstream.streams.stream_config import StreamConfig

NAMES_PAGE = 1024
LIST_PAGE = 256
SUBJECTS_PAGE = 100_000
SUBJECTS = 2048
"""How many are looked at between two yields."""
PAGE = {"total": 0, "offset": 0, "limit": 0}


class ListRequest(Record):
    offset: int = 0
    subject: str = ""


class InfoRequest(Record):
    offset: int = 0
    deleted_details: bool = False
    subjects_filter: str = ""


def account_info(request: ApiRequest) -> dict[str, Any]:
    """What the account has and uses."""
    return request.home.usage()


def create(request: ApiRequest) -> Steps[Reply]:
    """A new stream, or the one that is just so already."""
    body = request.decode(StreamRequest)
    given = body.config()
    _check_name(request, given.name)
    if given.sealed:
        raise invalid("stream configuration for create can not be sealed")
    if given.mirror_direct and given.mirror is None:
        raise invalid("stream has no mirror but does have mirror direct")
    home = request.home
    stamp_level(given)
    config, is_new = yield from settled(home, lambda: _check_create(home, given, body.pedantic))
    if is_new:
        home.check_room(config)
        stream = create_stream(home, config)
    else:
        stream = home.streams[config.name]
    return _when_durable(request, stream, {**stream.info(), "did_create": True})


def _check_create(home: Home, given: StreamConfig, pedantic: bool) -> Steps[tuple[StreamConfig, bool]]:
    if given.name in home.restoring:
        raise ApiError("STREAM_NAME_EXIST")
    most = home.limits.max_streams
    if 0 < most <= len(home.streams) - (given.name in home.streams):
        raise ApiError("MAXIMUM_STREAMS_LIMIT")
    config = yield from check_config(given, home, pedantic=pedantic)
    stamp_level(config)
    return config, (yield from check_create(config, home))


def _when_durable(request: ApiRequest, stream: Stream, reply: dict[str, Any]) -> dict[str, Any] | None:
    """What is on the way to the disk is confirmed when it has arrived."""
    stream.when_durable(lambda: request.answer(reply), request.refuse_unstored)
    return None


def _check_name(request: ApiRequest, name: str) -> None:
    subject = request.tokens[0]
    if subject != name:
        raise ApiError("STREAM_MISMATCH")
    if "/" in subject or "\\" in subject:
        raise ApiError("STREAM_NAME_CONTAINS_PATH_SEPARATORS")


def update(request: ApiRequest) -> Steps[Reply]:
    """Change what may be changed."""
    body = request.decode(StreamRequest)
    given, home = body.config(), request.home
    config = yield from settled(home, lambda: _check_update(request, given, body.pedantic))
    stream = request.stream
    stream.check_store()

    def answer() -> None:
        if stream.closed:
            request.refuse(ApiError("STREAM_NOT_FOUND"))
        else:
            _when_durable(request, stream, stream.info())

    stream.update(config, answer)
    return None


def _check_update(request: ApiRequest, given: StreamConfig, pedantic: bool) -> Steps[StreamConfig]:
    home = request.home
    config = yield from check_config(given, home, pedantic=pedantic)
    if request.tokens[0] != given.name:
        raise ApiError("STREAM_MISMATCH")
    stamp_level(config)
    yield from check_update(request.stream.config, config, home)
    stamp_level(config)
    return config


def delete(request: ApiRequest) -> dict[str, Any] | None:
    """Delete a stream with all it has."""
    if not request.is_empty:
        raise ApiError("NOT_EMPTY_REQUEST")
    stream = request.stream
    stream.check_store()
    stream.delete()
    return _when_durable(request, stream, {"success": True})


def info(request: ApiRequest) -> dict[str, Any] | Steps[Reply]:
    """A stream's configuration and state; its subjects where they are asked for."""
    body = request.decode_optional(InfoRequest)
    stream = request.stream
    return _with_subjects(request, stream, body) if body.subjects_filter else _page(stream, body)


def _page(stream: Stream, body: InfoRequest) -> dict[str, Any]:
    leader = stream.home.jetstream.server_name
    return {**PAGE, **stream.info(deleted=body.deleted_details), "cluster": {"leader": leader}}


def _with_subjects(request: ApiRequest, stream: Stream, body: InfoRequest) -> Steps[Reply]:
    found: dict[bytes, int] = {}
    search = stream.store.search([body.subjects_filter.encode()])
    while not search.done:
        found.update(search.subjects(SUBJECTS))
        yield
    offset, all_names = min(max(body.offset, 0), len(found)), list(found)
    parts = []
    for at in range(0, len(all_names), SUBJECTS):
        parts.append(sorted(all_names[at : at + SUBJECTS]))
        yield
    shown: dict[str, int] = {}
    names = (yield from in_order(parts, offset + SUBJECTS_PAGE))[offset:]
    for at in range(0, len(names), SUBJECTS):
        shown.update((name.decode("utf-8", "replace"), found[name]) for name in names[at : at + SUBJECTS])
        yield
    if stream.closed:
        raise ApiError("STREAM_NOT_FOUND")
    page = _page(stream, body)
    if shown:
        page["state"]["subjects"] = shown
    if found:
        page |= {"total": len(found), "offset": max(body.offset, 0), "limit": SUBJECTS_PAGE}
    return page


def _chosen(request: ApiRequest) -> tuple[list[str], int]:
    """The names asked for, sorted, and where the page begins."""
    body = request.decode_optional(ListRequest)
    home = request.home
    names = sorted(home.subjects.matching(body.subject) if body.subject else home.streams)
    return names, min(max(body.offset, 0), len(names))


def names(request: ApiRequest) -> dict[str, Any]:
    """A page of names."""
    found, offset = _chosen(request)
    page = found[offset : offset + NAMES_PAGE]
    return {"total": len(found), "offset": offset, "limit": NAMES_PAGE, "streams": page or None}


def listing(request: ApiRequest) -> dict[str, Any]:
    """A page of streams with all about them."""
    found, offset = _chosen(request)
    streams = request.home.streams
    page = [streams[name].info(dynamic=False) for name in found[offset : offset + LIST_PAGE]]
    return {"total": len(found), "offset": offset, "limit": LIST_PAGE, "streams": page}


ROUTES = (
    Route("INFO", account_info, "account_info_response"),
    Route("STREAM.CREATE.*", create, "stream_create_response"),
    Route("STREAM.UPDATE.*", update, "stream_update_response"),
    Route("STREAM.DELETE.*", delete, "stream_delete_response"),
    Route("STREAM.INFO.*", info, "stream_info_response", paged=True),
    Route("STREAM.NAMES", names, "stream_names_response", paged=True, always={"streams": None}),
    Route("STREAM.LIST", listing, "stream_list_response", paged=True, always={"streams": []}),
)
