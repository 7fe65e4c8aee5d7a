"""How consumers come to be: a new one, a changed one, those the store knows of. Raises ApiError."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from natsd.base.steps import at_once, until_settled
from natsd.jetstream.api.request_json import decode
from natsd.jetstream.consumers.consumer import Consumer
from natsd.jetstream.consumers.consumer_check import (
    MAX_NAME,
    ServerLimits,
    check,
    check_dates,
    check_update,
    fill_in,
    find_fault,
    is_name,
    same,
)
from natsd.jetstream.consumers.consumer_config import ConsumerConfig, stamp_level
from natsd.jetstream.consumers.consumer_start import SUBJECTS, find_lasts
from natsd.jetstream.errors import ApiError
from natsd.subjects.overlap import Overlaps

if TYPE_CHECKING:
    from natsd.base.steps import Steps
    from natsd.jetstream.backups import backup
    from natsd.jetstream.consumers.consumer_start import Lasts
    from natsd.jetstream.home import Home
    from natsd.jetstream.streams.stream import Stream
    from natsd.store.contract import Search

NAME_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAME_SIZE = 8


class Filters(NamedTuple):
    """What is found out about the filters of a consumer that is to be, before anything is done.

    rivals: consumers of a work queue that are about a subject of its own. search: what a cursor needs is made ready by
    it. lasts: what a new consumer begins with.
    """

    fault: ApiError | None
    rivals: frozenset[Consumer] = frozenset()
    search: Search | None = None
    lasts: Lasts | None = None


class Saved(msgspec.Struct):
    """What the store keeps of a consumer beside its records."""

    config: ConsumerConfig
    created: int


def add_consumer(
    stream: Stream, config: ConsumerConfig, filters: Filters, action: str = "", *, pedantic: bool = False
) -> tuple[Consumer, bool]:
    """The consumer that `config` describes, and whether it is new. A new one delivers nothing until its `begin`.

    The dates of `config` are known to be dates. filters: what `look_at_filters` found out, at this moment.
    """
    limits = _limits(stream.home)
    fill_in(config, stream.config, limits, pedantic)
    check(config, stream.config, limits, filters.fault)
    name = config.durable_name or config.name
    known = stream.consumers.get(name) if name else None
    if isinstance(known, Consumer):
        return _change(stream, known, config, filters, action), False
    if action == "update":
        raise ApiError("CONSUMER_DOES_NOT_EXIST")
    _check_count(stream)
    _check_work_queue(stream, config, filters, name)
    if not name:
        name = _new_name(stream)
    if len(name) > MAX_NAME:
        raise ApiError("CONSUMER_NAME_TOO_LONG", max=MAX_NAME)
    if not is_name(name):
        raise ApiError("CONSUMER_BAD_DURABLE_NAME")
    consumer = Consumer(stream, config, stream.home.clock.wall_ns(), [], name, filters.search, filters.lasts)
    stream.add_consumer(consumer, _saved(consumer) if consumer.persistent else None)
    consumer.start()
    consumer.events.created()
    return consumer, True


def _limits(home: Home) -> ServerLimits:
    server = home.jetstream.limits
    return ServerLimits(server.max_ack_pending, home.limits.max_ack_pending, server.max_request_batch)


def _change(stream: Stream, consumer: Consumer, config: ConsumerConfig, filters: Filters, action: str) -> Consumer:
    if action == "create" and not same(consumer.config, config):
        raise ApiError("CONSUMER_ALREADY_EXISTS")
    if stream.config.retention == "workqueue" and not _is_alone(stream, consumer.name, config, filters):
        raise ApiError("CONSUMER_WQ_CONSUMER_NOT_UNIQUE")
    change_consumer(consumer, config, filters.search)
    return consumer


def change_consumer(consumer: Consumer, config: ConsumerConfig, search: Search | None = None) -> None:
    """Have a consumer be as `config` says, where that may be. search: made ready for its filters."""
    bound = consumer.push is not None and consumer.home.sublist.has_interest(consumer.push.subject)
    check_update(consumer.config, config, bound)
    if not config.durable_name and config.inactive_threshold <= 0:
        config.inactive_threshold = consumer.config.inactive_threshold
    consumer.update(config, search)
    if consumer.persistent:
        stream = consumer.stream
        store = consumer.home.commits(stream.config.storage).store
        store.configure_consumer(stream.key, consumer.name, _saved(consumer))


def _check_count(stream: Stream) -> None:
    most = _most(stream)
    # Counting takes long where they are many: there is nothing to count while all of them together have room.
    if 0 < most <= len(stream.consumers) and most <= len(_counted(stream)):
        raise ApiError("MAXIMUM_CONSUMERS_LIMIT")


def _most(stream: Stream) -> int:
    """How many consumers there may be; 0 or less: any number."""
    most = stream.config.max_consumers
    account = stream.home.limits.max_consumers
    return account if most <= 0 or 0 < account < most else most


def _counted(stream: Stream) -> list[Consumer]:
    consumers = [consumer for consumer in stream.consumers.values() if isinstance(consumer, Consumer)]
    return [consumer for consumer in consumers if not (consumer.config.direct or consumer.config.sourcing)]


def _check_work_queue(stream: Stream, config: ConsumerConfig, filters: Filters, name: str) -> None:
    if stream.config.retention != "workqueue" or config.direct or config.sourcing:
        return
    if config.ack_policy not in ("explicit", "flow_control"):
        raise ApiError("CONSUMER_WQ_REQUIRES_EXPLICIT_ACK")
    if config.deliver_policy != "all":
        raise ApiError("CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL")
    if _counted(stream):
        if not config.filters:
            raise ApiError("CONSUMER_WQ_MULTIPLE_UNFILTERED")
        if not _is_alone(stream, name, config, filters):
            raise ApiError("CONSUMER_WQ_CONSUMER_NOT_UNIQUE")


def _is_alone(stream: Stream, name: str, config: ConsumerConfig, filters: Filters) -> bool:
    """Whether no other consumer is about one of its subjects."""
    others = [other for other in _counted(stream) if other.name != name]
    return not config.filters or not any(other in filters.rivals or not other.config.filters for other in others)


def look_at_filters(stream: Stream, config: ConsumerConfig) -> Steps[Filters]:
    """Find out what takes long where there are very many filters, or subjects that they may match."""
    fault = yield from find_fault(config)
    if fault is not None:
        return Filters(fault)
    search = stream.store.search([subject.encode() for subject in config.filters])
    yield
    while not search.prepare(SUBJECTS):
        yield
    is_known = (config.durable_name or config.name) in stream.consumers
    lasts = None if is_known else (yield from find_lasts(stream, config))
    rivals: frozenset[Consumer] = frozenset()
    if stream.config.retention == "workqueue" and config.filters:
        rivals = yield from _find_rivals(stream, config)
    return Filters(None, rivals, search, lasts)


def _find_rivals(stream: Stream, config: ConsumerConfig) -> Steps[frozenset[Consumer]]:
    return (yield from until_settled(lambda: _known_filters(stream), lambda: _compare(_known_filters(stream), config)))


def _known_filters(stream: Stream) -> list[tuple[Consumer, list[str]]]:
    return [(consumer, consumer.config.filters) for consumer in _counted(stream)]


def _compare(known: list[tuple[Consumer, list[str]]], config: ConsumerConfig) -> Steps[frozenset[Consumer]]:
    mine = Overlaps()
    yield from mine.add([subject.encode() for subject in config.filters])
    rivals: set[Consumer] = set()
    for consumer, subjects in known:
        for subject in subjects:
            if (yield from mine.colliding(subject.encode())):
                rivals.add(consumer)
                break
    return frozenset(rivals)


def _new_name(stream: Stream) -> str:
    while True:
        digits = stream.home.chance.take(NAME_SIZE)
        name = bytes(NAME_DIGITS[byte % 62] for byte in digits).decode()
        if name not in stream.consumers:
            return name


def _saved(consumer: Consumer) -> bytes:
    return msgspec.json.encode({"config": consumer.config.as_dict(), "created": consumer.created_ns})


def check_restored(stream: Stream, found: backup.Consumer, others: int) -> tuple[bytes, bool]:
    """What the store keeps of a consumer from a backup, and whether it waits for acknowledgements. Raises ApiError.

    others: how many the stream has beside it.
    """
    config = decode(found.config, ConsumerConfig, strict=False)
    check_dates(config)
    limits = _limits(stream.home)
    fill_in(config, stream.config, limits, False)
    check(config, stream.config, limits, at_once(find_fault(config)))
    name = config.durable_name or config.name
    if name != found.name:
        if name:
            raise ApiError("CONSUMER_CREATE_DURABLE_AND_NAME_MISMATCH")
        config.name = found.name
    if len(found.name) > MAX_NAME:
        raise ApiError("CONSUMER_NAME_TOO_LONG", max=MAX_NAME)
    if not is_name(found.name):
        raise ApiError("CONSUMER_BAD_DURABLE_NAME")
    if 0 < _most(stream) <= others:
        raise ApiError("MAXIMUM_CONSUMERS_LIMIT")
    stamp_level(config)
    created_ns = found.created_ns or stream.home.clock.wall_ns()
    return msgspec.json.encode({"config": config.as_dict(), "created": created_ns}), config.ack_policy != "none"


def restore_consumers(stream: Stream) -> None:
    """Those that the store knows of, as they were."""
    store = stream.home.commits(stream.config.storage).store
    for name, saved in store.consumer_configs(stream.key).items():
        try:
            found = msgspec.json.decode(saved, type=Saved)
            records = stream.store.consumer_records(name)
            consumer = Consumer(stream, found.config, found.created, records, name)
        except (msgspec.DecodeError, ValueError) as error:
            stream.home.log.error(f"consumer '{stream.name} > {name}' could not be read: {error}")
            continue
        stream.add_consumer(consumer)
        consumer.start()
        consumer.begin()
