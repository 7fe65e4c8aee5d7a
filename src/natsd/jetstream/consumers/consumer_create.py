"""How consumers come to be: a new one, a changed one, those the store knows of. Raises ApiError."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from natsd.jetstream.api.request_json import decode
from natsd.jetstream.consumers.consumer import Consumer
from natsd.jetstream.consumers.consumer_check import (
    MAX_NAME,
    ServerLimits,
    check,
    check_dates,
    check_update,
    fill_in,
    is_name,
    same,
)
from natsd.jetstream.consumers.consumer_config import ConsumerConfig, stamp_level
from natsd.jetstream.errors import ApiError
from natsd.subjects.match import collide

if TYPE_CHECKING:
    from natsd.jetstream.backups import backup
    from natsd.jetstream.home import Home
    from natsd.jetstream.streams.stream import Stream

NAME_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAME_SIZE = 8


class Saved(msgspec.Struct):
    """What the store keeps of a consumer beside its records."""

    config: ConsumerConfig
    created: int


def add_consumer(
    stream: Stream, config: ConsumerConfig, action: str = "", *, pedantic: bool = False
) -> tuple[Consumer, bool]:
    """The consumer that `config` describes, and whether it is new. A new one delivers nothing until its `begin`.

    The dates of `config` are known to be dates.
    """
    limits = _limits(stream.home)
    fill_in(config, stream.config, limits, pedantic)
    check(config, stream.config, limits)
    name = config.durable_name or config.name
    known = stream.consumers.get(name) if name else None
    if isinstance(known, Consumer):
        return _change(stream, known, config, action), False
    if action == "update":
        raise ApiError("CONSUMER_DOES_NOT_EXIST")
    _check_count(stream, config)
    _check_work_queue(stream, config, name)
    if not name:
        name = _new_name(stream)
    if len(name) > MAX_NAME:
        raise ApiError("CONSUMER_NAME_TOO_LONG", max=MAX_NAME)
    if not is_name(name):
        raise ApiError("CONSUMER_BAD_DURABLE_NAME")
    consumer = Consumer(stream, config, stream.home.clock.wall_ns(), [], name)
    stream.add_consumer(consumer, _saved(consumer) if consumer.persistent else None)
    consumer.start()
    consumer.events.created()
    return consumer, True


def _limits(home: Home) -> ServerLimits:
    server = home.jetstream.limits
    return ServerLimits(server.max_ack_pending, home.limits.max_ack_pending, server.max_request_batch)


def _change(stream: Stream, consumer: Consumer, config: ConsumerConfig, action: str) -> Consumer:
    if action == "create" and not same(consumer.config, config):
        raise ApiError("CONSUMER_ALREADY_EXISTS")
    if stream.config.retention == "workqueue" and not _is_alone(stream, consumer.name, config):
        raise ApiError("CONSUMER_WQ_CONSUMER_NOT_UNIQUE")
    change_consumer(consumer, config)
    return consumer


def change_consumer(consumer: Consumer, config: ConsumerConfig) -> None:
    """Have a consumer be as `config` says, where that may be."""
    bound = consumer.push is not None and consumer.home.sublist.has_interest(consumer.push.subject)
    check_update(consumer.config, config, bound)
    if not config.durable_name and config.inactive_threshold <= 0:
        config.inactive_threshold = consumer.config.inactive_threshold
    consumer.update(config)
    if consumer.persistent:
        stream = consumer.stream
        store = consumer.home.commits(stream.config.storage).store
        store.configure_consumer(stream.key, consumer.name, _saved(consumer))


def _check_count(stream: Stream, config: ConsumerConfig) -> None:
    _check_most(stream, len(_counted(stream)))


def _check_most(stream: Stream, others: int) -> None:
    most = stream.config.max_consumers
    account = stream.home.limits.max_consumers
    if most <= 0 or 0 < account < most:
        most = account
    if 0 < most <= others:
        raise ApiError("MAXIMUM_CONSUMERS_LIMIT")


def _counted(stream: Stream) -> list[Consumer]:
    consumers = [consumer for consumer in stream.consumers.values() if isinstance(consumer, Consumer)]
    return [consumer for consumer in consumers if not (consumer.config.direct or consumer.config.sourcing)]


def _check_work_queue(stream: Stream, config: ConsumerConfig, name: str) -> None:
    if stream.config.retention != "workqueue" or config.direct or config.sourcing:
        return
    if config.ack_policy not in ("explicit", "flow_control"):
        raise ApiError("CONSUMER_WQ_REQUIRES_EXPLICIT_ACK")
    if config.deliver_policy != "all":
        raise ApiError("CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL")
    if _counted(stream):
        if not config.filters:
            raise ApiError("CONSUMER_WQ_MULTIPLE_UNFILTERED")
        if not _is_alone(stream, name, config):
            raise ApiError("CONSUMER_WQ_CONSUMER_NOT_UNIQUE")


def _is_alone(stream: Stream, name: str, config: ConsumerConfig) -> bool:
    """Whether no other consumer is about one of its subjects."""
    for other in _counted(stream):
        if other.name == name or not config.filters:
            continue
        if not other.config.filters:
            return False
        if any(collide(a.encode(), b.encode()) for a in config.filters for b in other.config.filters):
            return False
    return True


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
    check(config, stream.config, limits)
    name = config.durable_name or config.name
    if name != found.name:
        if name:
            raise ApiError("CONSUMER_CREATE_DURABLE_AND_NAME_MISMATCH")
        config.name = found.name
    if len(found.name) > MAX_NAME:
        raise ApiError("CONSUMER_NAME_TOO_LONG", max=MAX_NAME)
    if not is_name(found.name):
        raise ApiError("CONSUMER_BAD_DURABLE_NAME")
    _check_most(stream, others)
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
