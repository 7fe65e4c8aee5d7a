"""The configuration of a stream as requests give it and answers show it. Field names are the protocol's.

What a configuration may say is in stream_check.py. Durations are nanoseconds, dates stay text (RFC 3339).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from natsd.jetstream.dates import parse_date, render_date


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """What all records of requests have in common."""


class SubjectTransform(Record):
    src: str = ""
    dest: str = ""


class Republish(Record):
    src: str = ""
    dest: str = ""
    headers_only: bool = False


class Placement(Record):
    cluster: str = ""
    tags: list[str] = []
    preferred: str = ""


class ConsumerLimits(Record):
    inactive_threshold: int = 0
    max_ack_pending: int = 0


class External(Record):
    """A stream of another account or domain, by the prefixes of its API and of what it delivers."""

    api: str = ""
    deliver: str = ""


class SourceConsumer(Record):
    """A durable consumer that a source uses instead of making one; of newer servers, refused here."""

    name: str = ""
    deliver_subject: str = ""


class Source(Record):
    """What a stream mirrors, or one of what it gathers."""

    UNSIGNED = ("opt_start_seq",)

    name: str = ""
    opt_start_seq: int = 0
    opt_start_time: str | None = None
    filter_subject: str = ""
    subject_transforms: list[SubjectTransform] = []
    external: External | None = None
    consumer: SourceConsumer | None = None

    def as_dict(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": self.name}
        if self.opt_start_seq:
            shown["opt_start_seq"] = self.opt_start_seq
        if self.opt_start_time is not None:
            shown["opt_start_time"] = render_date(parse_date(self.opt_start_time))
        if self.filter_subject:
            shown["filter_subject"] = self.filter_subject
        if self.subject_transforms:
            shown["subject_transforms"] = msgspec.to_builtins(self.subject_transforms)
        if self.external is not None:
            shown["external"] = msgspec.to_builtins(self.external)
        return shown


Retention = Literal["limits", "interest", "workqueue"]
Discard = Literal["old", "new"]
Storage = Literal["file", "memory"]
Compression = Literal["none", "s2"]


class StreamConfig(Record):
    """All that is known of how a stream is to be."""

    UNSIGNED = ("first_seq",)
    ANY_CASE = ("discard",)
    SHORT = ("max_msg_size",)

    name: str = ""
    description: str = ""
    subjects: list[str] = []
    retention: Retention = "limits"
    max_consumers: int = 0
    max_msgs: int = 0
    max_bytes: int = 0
    max_age: int = 0
    max_msgs_per_subject: int = 0
    max_msg_size: int = 0
    discard: Discard = "old"
    storage: Storage = "file"
    num_replicas: int = 0
    no_ack: bool = False
    duplicate_window: int = 0
    placement: Placement | None = None
    mirror: Source | None = None
    sources: list[Source] = []
    compression: Compression = "none"
    first_seq: int = 0
    subject_transform: SubjectTransform | None = None
    republish: Republish | None = None
    allow_direct: bool = False
    mirror_direct: bool = False
    discard_new_per_subject: bool = False
    sealed: bool = False
    deny_delete: bool = False
    deny_purge: bool = False
    allow_rollup_hdrs: bool = False
    consumer_limits: ConsumerLimits = msgspec.field(default_factory=ConsumerLimits)
    allow_msg_ttl: bool = False
    subject_delete_marker_ttl: int = 0
    allow_msg_counter: bool = False
    allow_atomic: bool = False
    allow_msg_schedules: bool = False
    persist_mode: Literal["", "default", "async"] = ""
    allow_batched: bool = False
    metadata: dict[str, str] = {}

    def copy(self) -> StreamConfig:
        """Another one with the same values, which may be changed."""
        return msgspec.convert(msgspec.to_builtins(self), StreamConfig)

    def as_dict(self) -> dict[str, Any]:
        """As answers show it and the store keeps it: what may be left out is left out."""
        shown: dict[str, Any] = {"name": self.name}
        for name in FIELDS:
            value = getattr(self, name)
            if name in ALWAYS or value:
                shown[name] = value
        if self.mirror is not None:
            shown["mirror"] = self.mirror.as_dict()
        if self.sources:
            shown["sources"] = [source.as_dict() for source in self.sources]
        for name in ("placement", "subject_transform", "republish"):
            value = getattr(self, name)
            if value is not None:
                always = ("src", "dest") if name == "subject_transform" else ("dest",)
                shown[name] = {key: part for key, part in msgspec.to_builtins(value).items() if part or key in always}
        limits = msgspec.to_builtins(self.consumer_limits)
        shown["consumer_limits"] = {key: part for key, part in limits.items() if part}
        return shown


class StreamRequest(StreamConfig):
    """The body of STREAM.CREATE and STREAM.UPDATE. pedantic: refuse instead of filling in."""

    pedantic: bool = False

    def config(self) -> StreamConfig:
        return StreamConfig(**{name: getattr(self, name) for name in StreamConfig.__struct_fields__})


ALWAYS = frozenset(
    (
        "retention",
        "max_consumers",
        "max_msgs",
        "max_bytes",
        "max_age",
        "max_msgs_per_subject",
        "discard",
        "storage",
        "num_replicas",
        "compression",
        "allow_direct",
        "mirror_direct",
        "sealed",
        "deny_delete",
        "deny_purge",
        "allow_rollup_hdrs",
        "allow_msg_ttl",
    )
)
FIELDS = tuple(
    name
    for name in StreamConfig.__struct_fields__
    if name not in ("name", "mirror", "sources", "placement", "subject_transform", "republish", "consumer_limits")
)


class Saved(msgspec.Struct):
    """What the store keeps of a stream beside its messages. created: wall clock nanoseconds.

    unfinished: it is being brought back from a backup.
    """

    config: StreamConfig
    created: int
    unfinished: bool = False


def save_config(config: StreamConfig, created_ns: int, *, unfinished: bool = False) -> bytes:
    """A configuration and when its stream was created, for the store."""
    return msgspec.json.encode({"config": config.as_dict(), "created": created_ns, "unfinished": unfinished})


def is_unfinished(saved: bytes) -> bool:
    """Whether `save_config` was told so. Raises msgspec.DecodeError."""
    return msgspec.json.decode(saved, type=Saved).unfinished


def load_config(saved: bytes) -> tuple[StreamConfig, int]:
    """What `save_config` made. Raises msgspec.DecodeError."""
    found = msgspec.json.decode(saved, type=Saved)
    return found.config, found.created
