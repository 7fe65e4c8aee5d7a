"""The configuration of a consumer as requests give it and answers show it. Field names are the protocol's.

What a configuration may say is in consumer_check.py. Durations are nanoseconds, dates stay text (RFC 3339).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from natsd.jetstream.dates import NO_DATE_NS, parse_date
from natsd.jetstream.streams.stream_config import Record

DeliverPolicy = Literal["all", "undefined", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject"]
AckPolicy = Literal["none", "all", "explicit", "flow_control"]
ReplayPolicy = Literal["instant", "original"]
PriorityPolicy = Literal["none", "overflow", "pinned_client", "prioritized"]

ALWAYS_SHOWN = frozenset({"deliver_policy", "ack_policy", "replay_policy", "num_replicas"})
SERVER_METADATA = ("_nats.ver", "_nats.level")
"""What answers show of the server itself, and what nobody stores."""
REQUIRED_LEVEL = "_nats.req.level"


class ConsumerConfig(Record):
    """All that is known of how a consumer is to be."""

    UNSIGNED = ("opt_start_seq", "rate_limit_bps")

    durable_name: str = ""
    name: str = ""
    description: str = ""
    deliver_policy: DeliverPolicy = "all"
    opt_start_seq: int = 0
    opt_start_time: str | None = None
    ack_policy: AckPolicy = "none"
    ack_wait: int = 0
    max_deliver: int = 0
    backoff: list[int] = []
    filter_subject: str = ""
    filter_subjects: list[str] = []
    replay_policy: ReplayPolicy = "instant"
    rate_limit_bps: int = 0
    sample_freq: str = ""
    max_waiting: int = 0
    max_ack_pending: int = 0
    flow_control: bool = False
    headers_only: bool = False
    max_batch: int = 0
    max_expires: int = 0
    max_bytes: int = 0
    deliver_subject: str = ""
    deliver_group: str = ""
    idle_heartbeat: int = 0
    inactive_threshold: int = 0
    num_replicas: int = 0
    mem_storage: bool = False
    direct: bool = False
    sourcing: bool = False
    metadata: dict[str, str] = {}
    pause_until: str | None = None
    priority_groups: list[str] = []
    priority_policy: PriorityPolicy = "none"
    priority_timeout: int = 0

    def copy(self) -> ConsumerConfig:
        """Another one with the same values, which may be changed."""
        return msgspec.convert(msgspec.to_builtins(self), ConsumerConfig)

    def as_dict(self) -> dict[str, Any]:
        """As answers show it and the store keeps it: what says nothing is left out."""
        shown: dict[str, Any] = {}
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if field in ALWAYS_SHOWN or (value and (field, value) != ("priority_policy", "none")):
                shown[field] = value
        return shown

    @property
    def filters(self) -> list[str]:
        """The subjects it is about, empty for all of the stream."""
        return [self.filter_subject] if self.filter_subject else self.filter_subjects

    @property
    def is_push(self) -> bool:
        return self.deliver_subject != ""

    @property
    def pause_until_ns(self) -> int:
        """When a pause ends by the wall clock, 0 for none."""
        ns = NO_DATE_NS if self.pause_until is None else parse_date(self.pause_until)
        return max(ns, 0)

    @property
    def sampling(self) -> int:
        """How many of a hundred acknowledgements are told of."""
        return int(self.sample_freq.removesuffix("%") or 0)


class CreateRequest(Record):
    """What CONSUMER.CREATE is asked with."""

    stream_name: str = ""
    config: ConsumerConfig = msgspec.field(default_factory=ConsumerConfig)
    action: Literal["", "create", "update"] = ""
    pedantic: bool = False


def stamp_level(config: ConsumerConfig) -> None:
    """Note in its metadata which level of the API a configuration needs; forget what only answers show."""
    level = 0
    if config.pause_until is not None and parse_date(config.pause_until) != NO_DATE_NS:
        level = 1
    if config.priority_policy != "none" or config.priority_timeout or config.priority_groups:
        level = 1
    if config.ack_policy == "flow_control":
        level = 4
    kept = {key: value for key, value in config.metadata.items() if key not in SERVER_METADATA}
    config.metadata = kept | {REQUIRED_LEVEL: str(level)}


def show_config(config: ConsumerConfig, version: str, level: int) -> dict[str, Any]:
    """A configuration as answers show it: with the server's version and the level of its API."""
    shown = config.as_dict()
    shown["metadata"] = config.metadata | {"_nats.ver": version, "_nats.level": str(level)}
    return shown
