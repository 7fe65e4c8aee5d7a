"""Requests about consumers: create, tell, list, delete, pause, unpin, reset; and requests for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.jetstream.api.request import Route
from natsd.jetstream.consumers.consumer import Consumer
from natsd.jetstream.consumers.consumer_check import check_dates, is_group
from natsd.jetstream.consumers.consumer_config import CreateRequest, stamp_level
from natsd.jetstream.consumers.consumer_create import add_consumer, change_consumer
from natsd.jetstream.consumers.consumer_info import info as tell
from natsd.jetstream.consumers.fetching import take_request
from natsd.jetstream.dates import NO_DATE, NO_DATE_NS, parse_date, parse_moment, render_date
from natsd.jetstream.errors import ApiError
from natsd.jetstream.headers import asks_for_more, status
from natsd.jetstream.streams.stream_config import Record

if TYPE_CHECKING:
    from natsd.jetstream.api.request import ApiRequest
    from natsd.jetstream.consumers.consumer_config import ConsumerConfig
    from natsd.jetstream.streams.stream import Stream

NAMES_PAGE = 1024
LIST_PAGE = 256


class PageRequest(Record):
    offset: int = 0


class PauseRequest(Record):
    pause_until: str | None = None


class UnpinRequest(Record):
    group: str = ""


class ResetRequest(Record):
    UNSIGNED = ("seq",)

    seq: int = 0


# Creation.


def create_unnamed(request: ApiRequest) -> dict[str, Any] | None:
    """CONSUMER.CREATE.<stream>: an ephemeral one, whose name may stand in the body."""
    body = _decode_create(request)
    _check_stream(request, body)
    _check_path(body.config.name)
    if body.config.durable_name:
        raise ApiError("CONSUMER_EPHEMERAL_WITH_DURABLE_NAME")
    return _create(request, body)


def create_named(request: ApiRequest) -> dict[str, Any] | None:
    """CONSUMER.CREATE.<stream>.<consumer>, with a filter behind it or not."""
    body = _decode_create(request)
    config = body.config
    _check_stream(request, body)
    name = request.tokens[1]
    _check_path(name)
    if config.durable_name and config.durable_name != name:
        raise ApiError("CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT")
    config.name = name
    filtered = ".".join(request.tokens[2:])
    if filtered and config.filter_subjects:
        raise ApiError("CONSUMER_MULTIPLE_FILTERS_NOT_ALLOWED")
    if filtered and config.filter_subject != filtered:
        raise ApiError("CONSUMER_CREATE_FILTER_SUBJECT_MISMATCH")
    return _create(request, body)


def create_durable(request: ApiRequest) -> dict[str, Any] | None:
    """CONSUMER.DURABLE.CREATE.<stream>.<consumer>."""
    body = _decode_create(request)
    config = body.config
    if len(request.tokens) != 2:
        raise ApiError("CONSUMER_DURABLE_NAME_NOT_IN_SUBJECT")
    _check_stream(request, body)
    name = request.tokens[1]
    _check_path(name)
    if not config.durable_name:
        raise ApiError("CONSUMER_DURABLE_NAME_NOT_SET")
    if config.durable_name != name:
        raise ApiError("CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT")
    config.name = name
    return _create(request, body)


def _decode_create(request: ApiRequest) -> CreateRequest:
    body = request.decode(CreateRequest)
    check_dates(body.config)
    return body


def _check_stream(request: ApiRequest, body: CreateRequest) -> None:
    if body.stream_name != request.tokens[0]:
        raise ApiError("STREAM_MISMATCH")


def _check_path(name: str) -> None:
    if "/" in name or "\\" in name:
        raise ApiError("CONSUMER_NAME_CONTAINS_PATH_SEPARATORS")


def _create(request: ApiRequest, body: CreateRequest) -> dict[str, Any] | None:
    config = body.config
    if config.num_replicas > 1:
        raise ApiError("STREAM_REPLICAS_NOT_SUPPORTED")
    stream = request.stream
    known = stream.consumers.get(config.durable_name or config.name)
    if isinstance(known, Consumer):
        # A pause is changed by CONSUMER.PAUSE alone.
        config.pause_until = known.config.pause_until
    stamp_level(config)
    stream.check_store()
    consumer, _ = add_consumer(stream, config, body.action, pedantic=body.pedantic)

    def answer() -> None:
        request.answer(tell(consumer))
        if consumer.pause.on:
            consumer.events.paused()
        consumer.begin()

    stream.when_durable(answer, request.refuse_unstored)
    return None


# Telling.


def _consumer(request: ApiRequest) -> Consumer:
    found = request.stream.consumers.get(request.tokens[1])
    if not isinstance(found, Consumer):
        raise ApiError("CONSUMER_NOT_FOUND")
    return found


def _public(stream: Stream) -> dict[str, Consumer]:
    """By name, but for those that streams use among themselves."""
    found = {name: consumer for name, consumer in stream.consumers.items() if isinstance(consumer, Consumer)}
    return {name: found[name] for name in sorted(found) if not found[name].config.direct}


def info(request: ApiRequest) -> dict[str, Any]:
    """One consumer's configuration and numbers."""
    if not request.is_empty:
        raise ApiError("NOT_EMPTY_REQUEST")
    return tell(_consumer(request))


def names(request: ApiRequest) -> dict[str, Any]:
    """A page of names."""
    body = request.decode_optional(PageRequest)
    found = list(_public(request.stream))
    offset = min(max(body.offset, 0), len(found))
    page = found[offset : offset + NAMES_PAGE]
    return {"total": len(found), "offset": offset, "limit": NAMES_PAGE, "consumers": page}


def listing(request: ApiRequest) -> dict[str, Any]:
    """A page of consumers with all about them."""
    body = request.decode_optional(PageRequest)
    found = list(_public(request.stream).values())
    offset = min(max(body.offset, 0), len(found))
    page = [tell(consumer, dynamic=False) for consumer in found[offset : offset + LIST_PAGE]]
    return {"total": len(found), "offset": offset, "limit": LIST_PAGE, "consumers": page}


# Changing.


def delete(request: ApiRequest) -> dict[str, Any] | None:
    """Delete a consumer."""
    if not request.is_empty:
        raise ApiError("NOT_EMPTY_REQUEST")
    consumer = _consumer(request)
    stream = consumer.stream
    stream.check_store()
    consumer.remove(
        lambda: stream.when_durable(lambda: request.answer({"success": True}), request.refuse_unstored),
    )
    return None


def pause(request: ApiRequest) -> dict[str, Any]:
    """Deliver nothing until then; go on where nothing is said."""
    body = request.decode_optional(PauseRequest)
    consumer = _consumer(request)
    try:
        until = NO_DATE_NS if body.pause_until is None else parse_date(body.pause_until)
    except ValueError as error:
        raise ApiError("INVALID_JSON", err=f"parsing time: {error}") from None
    config = consumer.config.copy()
    config.pause_until = None if until == NO_DATE_NS else render_date(until)
    stamp_level(config)
    consumer.stream.check_store()
    rested = consumer.pause.on
    change_consumer(consumer, config)
    if rested and not consumer.pause.on:
        consumer.pump()
    rest = until - consumer.home.clock.wall_ns()
    page: dict[str, Any] = {"paused": rest > 0, "pause_until": render_date(until)}
    if rest > 0:
        page["pause_remaining"] = rest
    return page


def unpin(request: ApiRequest) -> dict[str, Any]:
    """Let the next client be pinned."""
    body = request.decode(UnpinRequest)
    if not body.group:
        raise ApiError("INVALID_JSON", err="consumer group not specified")
    if not is_group(body.group):
        raise ApiError("CONSUMER_INVALID_GROUP_NAME")
    consumer = _consumer(request)
    if body.group not in consumer.config.priority_groups:
        raise ApiError("CONSUMER_INVALID_PRIORITY_GROUP")
    consumer.pins.unassign()
    consumer.events.unpinned(body.group, "admin")
    consumer.pump()
    return {}


def reset(request: ApiRequest) -> dict[str, Any] | None:
    """Begin anew at a sequence, or behind what is acknowledged."""
    body = request.decode(ResetRequest)
    consumer = _consumer(request)
    seq = body.seq or consumer.state.floor_stream + 1
    if body.seq:
        _check_reset(consumer.stream, consumer.config, body.seq)
    consumer.stream.check_store()
    consumer.reset(seq)

    def answer() -> None:
        request.answer({**tell(consumer), "reset_seq": seq})
        consumer.pump()

    consumer.stream.when_durable(answer, request.refuse_unstored)
    return None


def _check_reset(stream: Stream, config: ConsumerConfig, seq: int) -> None:
    if config.deliver_policy == "all":
        return
    if config.deliver_policy == "by_start_sequence":
        if seq < config.opt_start_seq:
            raise ApiError("CONSUMER_INVALID_RESET", err="below start seq")
    elif config.deliver_policy == "by_start_time":
        if seq < stream.store.seq_at(parse_moment(config.opt_start_time or "")):
            raise ApiError("CONSUMER_INVALID_RESET", err="below start time")
    else:
        raise ApiError("CONSUMER_INVALID_RESET", err="not allowed")


def step_down(request: ApiRequest) -> dict[str, Any]:
    """There is no other leader on a single server."""
    raise ApiError("CLUSTER_REQUIRED")


# Messages.


def next_message(request: ApiRequest) -> dict[str, Any] | None:
    """A request for messages; where there is no consumer it is as if nobody had subscribed."""
    if request.reply:
        stream = request.home.streams.get(request.tokens[0])
        consumer = None if stream is None else stream.consumers.get(request.tokens[1])
        header, level = request.header, request.home.jetstream.api_level
        if isinstance(consumer, Consumer) and header is not None and asks_for_more(header, level):
            request.home.publish(request.reply, None, status(412, b"Required Api Level"), b"")
        elif isinstance(consumer, Consumer):
            take_request(consumer, request.reply, request.payload)
        else:
            request.home.consumers.nobody(request.reply)
    return None


ROUTES = (
    Route("CONSUMER.CREATE.*", create_unnamed, "consumer_create_response"),
    Route("CONSUMER.CREATE.*.*", create_named, "consumer_create_response"),
    Route("CONSUMER.CREATE.*.*.>", create_named, "consumer_create_response"),
    Route("CONSUMER.DURABLE.CREATE.*.>", create_durable, "consumer_create_response"),
    Route("CONSUMER.INFO.*.*", info, "consumer_info_response"),
    Route("CONSUMER.NAMES.*", names, "consumer_names_response", paged=True, always={"consumers": []}),
    Route("CONSUMER.LIST.*", listing, "consumer_list_response", paged=True, always={"consumers": []}),
    Route("CONSUMER.DELETE.*.*", delete, "consumer_delete_response"),
    Route("CONSUMER.PAUSE.*.*", pause, "consumer_pause_response", always={"paused": False, "pause_until": NO_DATE}),
    Route("CONSUMER.UNPIN.*.*", unpin, "consumer_unpin_response"),
    Route("CONSUMER.RESET.*.*", reset, "consumer_reset_response", always={"reset_seq": 0}),
    Route("CONSUMER.LEADER.STEPDOWN.*.*", step_down, "consumer_leader_stepdown_response"),
    Route("CONSUMER.MSG.NEXT.*.*", next_message, "", audited=False),
)
