"""Requests to back a stream up and to bring it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from natsd.jetstream.api.request import Route
from natsd.jetstream.backups.restore import Restore
from natsd.jetstream.backups.snapshot import Snapshot, tell_of_start
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.stream_check import check_config, stamp_level
from natsd.jetstream.streams.stream_config import Record, StreamConfig
from natsd.subjects.valid import is_valid_literal

if TYPE_CHECKING:
    from natsd.jetstream.api.request import ApiRequest


MOST_RESTORES = 32
"""Of one account at a time: each may hold the longest message there is."""


class SnapshotRequest(Record):
    deliver_subject: str = ""
    no_consumers: bool = False
    chunk_size: int = 0
    window_size: int = 0
    jsck: bool = False


class RestoreRequest(Record):
    config: StreamConfig = msgspec.field(default_factory=StreamConfig)
    state: dict[str, Any] = {}


def snapshot(request: ApiRequest) -> None:
    """Send a backup of the stream to a subject."""
    if request.is_empty:
        raise ApiError("BAD_REQUEST")
    body = request.decode(SnapshotRequest)
    stream = request.stream
    if not is_valid_literal(body.deliver_subject.encode()):
        raise ApiError("SNAPSHOT_DELIVER_SUBJECT_INVALID")
    request.answer({"config": stream.config.as_dict(), "state": stream.state()})
    tell_of_start(stream)
    Snapshot(stream, body).start()


def restore(request: ApiRequest) -> dict[str, Any]:
    """Say where the chunks of a backup are to be sent."""
    if request.is_empty:
        raise ApiError("BAD_REQUEST")
    body = request.decode(RestoreRequest)
    home, name = request.home, request.tokens[0]
    body.config.name = body.config.name or name
    if body.config.name != name:
        raise ApiError("STREAM_MISMATCH")
    if "/" in name or "\\" in name:
        raise ApiError("STREAM_NAME_CONTAINS_PATH_SEPARATORS")
    config = check_config(body.config, home)
    stamp_level(config)
    if config.num_replicas > 1:
        raise ApiError("STREAM_REPLICAS_NOT_SUPPORTED")
    if 0 < home.limits.max_streams <= len(home.streams):
        raise ApiError("MAXIMUM_STREAMS_LIMIT")
    home.check_room(config)
    if name in home.streams or name in home.restoring:
        raise ApiError("STREAM_NAME_EXIST_RESTORE_FAILED")
    if len(home.restoring) >= MOST_RESTORES:
        raise ApiError("STREAM_RESTORE", err=f"{MOST_RESTORES} others are under way")
    task = Restore(home, config)
    task.start()
    return {"deliver_subject": task.subject.decode()}


ROUTES = (
    Route("STREAM.SNAPSHOT.*", snapshot, "stream_snapshot_response"),
    Route("STREAM.RESTORE.*", restore, "stream_restore_response"),
)
