"""Requests about streams: create, update, delete, tell, list; and what the account uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.jetstream.api.request import Route
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.stream import create_stream
from natsd.jetstream.streams.stream_check import check_config, check_create, check_update, invalid, stamp_level
from natsd.jetstream.streams.stream_config import Record, StreamRequest

if TYPE_CHECKING:
    from natsd.jetstream.api.request import ApiRequest
    from natsd.jetstream.streams.stream import Stream

NAMES_PAGE = 1024
LIST_PAGE = 256
SUBJECTS_PAGE = 100_000
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


def create(request: ApiRequest) -> dict[str, Any] | None:
    """A new stream, or the one that is just so already."""
    body = request.decode(StreamRequest)
    given = body.config()
    _check_name(request, given.name)
    if given.sealed:
        raise invalid("stream configuration for create can not be sealed")
    if given.mirror_direct and given.mirror is None:
        raise invalid("stream has no mirror but does have mirror direct")
    home = request.home
    if given.name in home.restoring:
        raise ApiError("STREAM_NAME_EXIST")
    stamp_level(given)
    most = home.limits.max_streams
    if 0 < most <= len(home.streams) - (given.name in home.streams):
        raise ApiError("MAXIMUM_STREAMS_LIMIT")
    config = check_config(given, home, pedantic=body.pedantic)
    stamp_level(config)
    wanted = check_create(config, home)
    if wanted is None:
        stream = home.streams[config.name]
    else:
        home.check_room(config)
        stream = create_stream(home, wanted)
    return _when_durable(request, stream, {**stream.info(), "did_create": True})


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


def update(request: ApiRequest) -> dict[str, Any] | None:
    """Change what may be changed."""
    body = request.decode(StreamRequest)
    given, home = body.config(), request.home
    checked = check_config(given, home, pedantic=body.pedantic)
    if request.tokens[0] != given.name:
        raise ApiError("STREAM_MISMATCH")
    stream = request.stream
    stamp_level(checked)
    config = check_update(stream.config, checked, home, pedantic=body.pedantic)
    stamp_level(config)
    stream.check_store()

    def answer() -> None:
        if stream.closed:
            request.refuse(ApiError("STREAM_NOT_FOUND"))
        else:
            _when_durable(request, stream, stream.info())

    stream.update(config, answer)
    return None


def delete(request: ApiRequest) -> dict[str, Any] | None:
    """Delete a stream with all it has."""
    if not request.is_empty:
        raise ApiError("NOT_EMPTY_REQUEST")
    stream = request.stream
    stream.check_store()
    stream.delete()
    return _when_durable(request, stream, {"success": True})


def info(request: ApiRequest) -> dict[str, Any]:
    """A stream's configuration and state; its subjects where they are asked for."""
    body = request.decode_optional(InfoRequest)
    stream = request.stream
    leader = stream.home.jetstream.server_name
    page = {**PAGE, **stream.info(deleted=body.deleted_details), "cluster": {"leader": leader}}
    if body.subjects_filter:
        found = dict(stream.store.subjects([body.subjects_filter.encode()]))
        if found:
            offset = min(max(body.offset, 0), len(found))
            names = sorted(found)[offset : offset + SUBJECTS_PAGE]
            state = page["state"]
            if names:
                state["subjects"] = {name.decode("utf-8", "replace"): found[name] for name in names}
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
