"""Requests about messages of a stream: get one, delete one, purge many."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from natsd.jetstream.api.request import Route
from natsd.jetstream.dates import parse_moment, render_date
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.purging import Purge
from natsd.jetstream.streams.stream_config import Record
from natsd.subjects.valid import is_valid

if TYPE_CHECKING:
    from natsd.jetstream.api.request import ApiRequest
    from natsd.jetstream.streams.stream import Stream
    from natsd.store.contract import Message


class GetRequest(Record):
    """Which messages are asked for, by MSG.GET and by DIRECT.GET."""

    UNSIGNED = ("seq", "up_to_seq")

    seq: int = 0
    last_by_subj: str = ""
    next_by_subj: str = ""
    batch: int = 0
    max_bytes: int = 0
    start_time: str | None = None
    multi_last: list[str] = []
    up_to_seq: int = 0
    up_to_time: str | None = None
    no_hdr: bool = False


class DeleteRequest(Record):
    UNSIGNED = ("seq",)

    seq: int = 0
    no_erase: bool = False


class PurgeRequest(Record):
    UNSIGNED = ("seq", "keep")

    seq: int = 0
    filter: str = ""
    keep: int = 0


def find(stream: Stream, seq: int, last_by: str, next_by: str) -> Message | None:
    """One message among those that are visible."""
    store, visible = stream.store, stream.visible_seq
    if next_by:
        return store.next_match(max(seq, 1), [next_by.encode()], visible)
    if seq:
        return store.load(seq) if seq <= visible else None
    return find_last(stream, last_by.encode())


def find_last(stream: Stream, subject: bytes) -> Message | None:
    """The last visible message of a subject, which may have wildcards."""
    store, visible = stream.store, stream.visible_seq
    last = store.last_seq_of(subject) if b"*" not in subject and b">" not in subject else 0
    if 0 < last <= visible:
        return store.load(last)
    return store.last_match([subject], visible)


def date_in(text: str) -> int:
    """The wall clock time of a request. Raises ApiError."""
    try:
        return parse_moment(text)
    except ValueError as error:
        raise ApiError("INVALID_JSON", err=f"json: {error}") from None


def get(request: ApiRequest) -> dict[str, Any]:
    """One message, with its bytes in base64."""
    if request.is_empty:
        raise ApiError("BAD_REQUEST")
    body = request.decode(GetRequest)
    start_ns, _ = (date_in(text) if text is not None else None for text in (body.start_time, body.up_to_time))
    by_time = start_ns is not None
    if (
        (body.batch > 0 or body.max_bytes > 0)
        or (body.seq and (body.last_by_subj or by_time))
        or not (body.seq or body.last_by_subj or body.next_by_subj or by_time)
        or (body.last_by_subj and (by_time or body.next_by_subj))
    ):
        raise ApiError("BAD_REQUEST")
    stream = request.stream
    seq = body.seq if start_ns is None else stream.store.seq_at(start_ns)
    message = find(stream, seq, body.last_by_subj, body.next_by_subj)
    if message is None:
        raise ApiError("NO_MESSAGE_FOUND")
    found, subject, header, payload, time_ns = message
    shown: dict[str, Any] = {"subject": subject.decode("utf-8", "replace"), "seq": found}
    if header and not body.no_hdr:
        shown["hdrs"] = b64encode(header).decode()
    if payload:
        shown["data"] = b64encode(payload).decode()
    shown["time"] = render_date(time_ns)
    return {"message": shown}


def delete(request: ApiRequest) -> dict[str, Any] | None:
    """Remove one message, and overwrite its bytes unless told not to."""
    if request.is_empty:
        raise ApiError("BAD_REQUEST")
    body = request.decode(DeleteRequest)
    stream = request.stream
    if stream.config.sealed:
        raise ApiError("STREAM_SEALED")
    if stream.config.deny_delete:
        raise ApiError("STREAM_MSG_DELETE_FAILED", err="message delete not permitted")
    if stream.config.storage == "file":  # the Go server's two stores say it differently
        if body.seq > stream.store.last_seq:
            raise ApiError("STREAM_MSG_DELETE_FAILED", err="stream store EOF")
        if body.seq < stream.store.first_seq:
            raise ApiError("STREAM_MSG_DELETE_FAILED", err="no message found")
    if not stream.remove([body.seq], erase=not body.no_erase):
        raise ApiError("SEQUENCE_NOT_FOUND", seq=body.seq)
    stream.when_durable(lambda: request.answer({"success": True}), request.refuse_unstored)
    return None


def purge(request: ApiRequest) -> dict[str, Any] | None:
    """Remove all messages, or those that the body says."""
    body = request.decode_optional(PurgeRequest)
    if body.seq and body.keep:
        raise ApiError("BAD_REQUEST")
    stream = request.stream
    if stream.config.sealed:
        raise ApiError("STREAM_SEALED")
    if stream.config.deny_purge:
        raise ApiError("STREAM_PURGE_FAILED", err="stream purge not permitted")
    if body.filter and not is_valid(body.filter.encode()):
        stream.when_durable(lambda: request.answer({"success": True, "purged": 0}), request.refuse_unstored)
    else:

        def answer(purged: int) -> None:
            page = {"success": True, "purged": purged}
            stream.when_durable(lambda: request.answer(page), request.refuse_unstored)

        Purge(stream, body.filter, body.seq, body.keep, answer, request.refuse).start()
    return None


ROUTES = (
    Route("STREAM.MSG.GET.*", get, "stream_msg_get_response", audited=False),
    Route("STREAM.MSG.DELETE.*", delete, "stream_msg_delete_response"),
    Route("STREAM.PURGE.*", purge, "stream_purge_response", always={"purged": 0}),
)
