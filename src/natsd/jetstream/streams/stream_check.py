"""What the configuration of a stream may say. Defaults are filled in, then everything is checked in the Go server's
order; an update is also held against what was before. Refusals are raised as ApiError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.units import MS_NS, SECOND_NS, render_duration
from natsd.base.version import NATS_VERSION
from natsd.jetstream.errors import ApiError
from natsd.jetstream.limits import DEFAULT_DUPLICATE_WINDOW_NS
from natsd.jetstream.streams.source_check import check_cycles, check_inflows
from natsd.jetstream.streams.stream_config import StreamConfig
from natsd.subjects.match import collide, is_subset
from natsd.subjects.transform import Transform, TransformError
from natsd.subjects.valid import is_valid

if TYPE_CHECKING:
    from natsd.jetstream.home import Home

MAX_NAME = 255
MAX_DESCRIPTION = 4 * 1024
MAX_METADATA = 128 * 1024
MAX_REPLICAS = 5
BAD_NAME_CHARS = frozenset("\0 \t\r\n\f.*>\\/")
LEAST_NS = 100 * MS_NS
REQUIRED_LEVEL = "_nats.req.level"
DYNAMIC = ("_nats.ver", "_nats.level")
"""What answers show of the server itself, and what nobody stores."""
UNLIMITED = ("max_msgs", "max_msgs_per_subject", "max_bytes", "max_msg_size", "max_consumers")
LATER = ("allow_batched",)
"""Features of newer servers: refused by name, as a server refuses them that does not know them."""
OURS = (b"$JS.>", b"$JSC.>", b"$NRG.>")


def is_name(name: str) -> bool:
    """Whether a stream can be called so."""
    return bool(name) and BAD_NAME_CHARS.isdisjoint(name)


def invalid(text: str) -> ApiError:
    """The error of a configuration that cannot be."""
    return ApiError("STREAM_INVALID_CONFIG", err=text)


def pedantic_error(text: str) -> ApiError:
    return ApiError("PEDANTIC", err=text)


def stamp_level(config: StreamConfig) -> None:
    """Note in the metadata which level of the API a configuration needs; forget what only answers show."""
    level = 1 if config.allow_msg_ttl or config.subject_delete_marker_ttl > 0 else 0
    newer = config.allow_msg_counter or config.allow_atomic or config.allow_msg_schedules
    level = 2 if config.persist_mode == "async" or newer else level
    kept = {key: value for key, value in config.metadata.items() if key not in DYNAMIC}
    config.metadata = kept | {REQUIRED_LEVEL: str(level)}


def dynamic_metadata(level: int) -> dict[str, str]:
    """What answers show beside the stored metadata."""
    return dict(zip(DYNAMIC, (NATS_VERSION, str(level)), strict=True))


def check_config(given: StreamConfig, home: Home, *, pedantic: bool = False) -> StreamConfig:
    """A copy with its defaults. Raises ApiError."""
    config = given.copy()
    for name in LATER:
        if getattr(config, name):
            raise ApiError("INVALID_JSON", err=f'json: unknown field "{name}"')
    if config.persist_mode == "async" and config.storage != "file":
        raise invalid("async persist mode is only supported on file storage")
    if config.persist_mode == "async" and config.allow_atomic:
        raise invalid("async persist mode is not supported with atomic batch publish")
    if config.persist_mode == "default":
        config.persist_mode = ""
    _check_texts(config)
    _fill_limits(config, pedantic)
    _fill_window(config, home, pedantic)
    _check_switches(config, pedantic)
    check_inflows(config, home, pedantic)
    check_cycles(config, home)
    _check_subjects(config)
    limits = home.limits
    most = limits.memory_max_stream_bytes if config.storage == "memory" else limits.storage_max_stream_bytes
    if limits.max_bytes_required and config.max_bytes <= 0:
        raise ApiError("STREAM_MAX_BYTES_REQUIRED")
    if 0 < most < config.max_bytes:
        raise ApiError("STREAM_MAX_STREAM_BYTES_EXCEEDED")
    _check_transforms(config, pedantic)
    placement = config.placement
    if placement is not None:
        if placement.preferred:
            raise invalid("preferred server not permitted in placement")
        if not placement.cluster and not placement.tags:
            config.placement = None
    return config


def _check_texts(config: StreamConfig) -> None:
    if not is_name(config.name):
        raise invalid("stream name is required and can not contain '.', '*', '>', '\\', '/'")
    if len(config.name.encode()) > MAX_NAME:
        raise invalid(f"stream name is too long, maximum allowed is {MAX_NAME}")
    if len(config.description.encode()) > MAX_DESCRIPTION:
        raise invalid(f"stream description is too long, maximum allowed is {MAX_DESCRIPTION}")
    if sum(len(key.encode()) + len(value.encode()) for key, value in config.metadata.items()) > MAX_METADATA:
        raise invalid(f"stream metadata exceeds maximum size of {MAX_METADATA} bytes")


def _fill_limits(config: StreamConfig, pedantic: bool) -> None:
    config.num_replicas = config.num_replicas or 1
    if config.num_replicas > MAX_REPLICAS:
        raise invalid(f"maximum replicas is {MAX_REPLICAS}")
    if config.num_replicas < 0:
        raise ApiError("REPLICAS_COUNT_CANNOT_BE_NEGATIVE")
    for name in UNLIMITED:
        value = getattr(config, name)
        if value < -1 and pedantic:
            raise pedantic_error(f"{name} must be set to -1")
        if value <= 0:
            setattr(config, name, -1)
    if config.max_age < 0:
        raise invalid("max age can not be negative")
    if 0 < config.max_age < LEAST_NS:
        raise invalid("max age needs to be >= 100ms")


def _fill_window(config: StreamConfig, home: Home, pedantic: bool) -> None:
    most = home.jetstream.limits.duplicate_window_ns
    if not config.duplicate_window and config.mirror is None and not config.sources:
        window = DEFAULT_DUPLICATE_WINDOW_NS
        if 0 < most < window:
            if pedantic:
                raise pedantic_error("duplicate window limits are higher than current limits")
            window = most
        if 0 < config.max_age < window:
            if pedantic:
                raise pedantic_error("duplicate window cannot be bigger than max age")
            window = config.max_age
        config.duplicate_window = window
    if config.duplicate_window < 0:
        raise invalid("duplicates window can not be negative")
    if 0 < config.max_age < config.duplicate_window:
        raise invalid("duplicates window can not be larger then max age")
    if 0 < most < config.duplicate_window:
        raise invalid(f"duplicates window can not be larger then server limit of {render_duration(most)}")
    if 0 < config.duplicate_window < LEAST_NS:
        raise invalid("duplicates window needs to be >= 100ms")


def _check_switches(config: StreamConfig, pedantic: bool) -> None:
    if config.deny_purge and config.allow_rollup_hdrs:
        raise invalid("roll-ups require the purge permission")
    if config.allow_msg_counter:
        _check_counter(config)
    _check_discard(config)
    _check_markers(config, pedantic)
    if config.allow_msg_schedules:
        if config.discard == "new":
            raise invalid("message scheduling cannot use discard new")
        if not config.allow_rollup_hdrs:
            if pedantic:
                raise invalid("message scheduling cannot be set if roll-ups are disabled")
            config.allow_rollup_hdrs, config.deny_purge = True, False


def _check_markers(config: StreamConfig, pedantic: bool) -> None:
    markers = config.subject_delete_marker_ttl
    if markers < 0:
        raise invalid("subject delete marker TTL must not be negative")
    if not markers:
        return
    if markers < SECOND_NS:
        raise invalid("subject delete marker TTL must be at least 1 second")
    if not config.allow_msg_ttl:
        if pedantic:
            raise invalid("subject delete marker cannot be set if message TTLs are disabled")
        config.allow_msg_ttl = True
    if not config.allow_rollup_hdrs:
        if pedantic:
            raise invalid("subject delete marker cannot be set if roll-ups are disabled")
        config.allow_rollup_hdrs, config.deny_purge = True, False


def _check_counter(config: StreamConfig) -> None:
    if config.discard == "new":
        raise invalid("counter stream cannot use discard new")
    if config.allow_msg_ttl:
        raise invalid("counter stream cannot use message TTLs")
    if config.allow_msg_schedules:
        raise invalid("counter stream cannot use message schedules")
    if config.retention != "limits":
        raise invalid("counter stream can only use limits retention")


def _check_discard(config: StreamConfig) -> None:
    if config.discard_new_per_subject:
        if config.discard != "new":
            raise invalid("discard new per subject requires discard new policy to be set")
        if config.max_msgs_per_subject <= 0:
            raise invalid("discard new per subject requires max msgs per subject > 0")


def _check_subjects(config: StreamConfig) -> None:
    if not config.subjects:
        if config.mirror is None and not config.sources:
            config.subjects = [config.name]
        return
    if config.mirror is not None:
        raise ApiError("MIRROR_WITH_SUBJECTS")
    subjects = [subject.encode() for subject in config.subjects]
    for at, subject in enumerate(subjects):
        if not is_valid(subject, check_text=True):
            raise invalid("invalid subject")
        if subject == b">":
            if not config.no_ack:
                raise invalid("capturing all subjects requires no-ack to be true")
            if config.num_replicas != 1:
                raise invalid("capturing all subjects requires replicas of 1")
        if not config.no_ack:
            if any(collide(subject, ours) for ours in OURS) and not is_subset(subject, b"$JS.EVENT.>"):
                raise invalid("subjects that overlap with jetstream api require no-ack to be true")
            if collide(subject, b"$SYS.>") and not is_subset(subject, b"$SYS.ACCOUNT.>"):
                raise invalid("subjects that overlap with system api require no-ack to be true")
        for other in subjects[at + 1 :]:
            if collide(other, subject):
                raise invalid(f'subject "{config.subjects[at]}" overlaps with "{other.decode()}"')


def _check_transforms(config: StreamConfig, pedantic: bool) -> None:
    change = config.subject_transform
    if change is not None:
        if change.src and not is_valid(change.src.encode()):
            raise ApiError("STREAM_TRANSFORM_INVALID_SOURCE", err=f"invalid subject {change.src}")
        if change.dest:
            try:
                Transform(change.src.encode(), change.dest.encode())
            except TransformError as error:
                raise ApiError("STREAM_TRANSFORM_INVALID_DESTINATION", err=error) from None
    again = config.republish
    if again is None:
        return
    if not again.src:
        if pedantic:
            raise pedantic_error("republish source can not be empty")
        again.src = ">"
    if again.src == again.dest == ">" and change is not None and config.subjects == [change.src]:
        if pedantic:
            raise pedantic_error("implicit republish based on subject transform")
        again.src = again.dest = change.dest
    if any(collide(again.dest.encode(), subject.encode()) for subject in config.subjects):
        raise invalid("stream configuration for republish destination forms a cycle")
    try:
        Transform(again.src.encode(), again.dest.encode())
    except TransformError:
        text = f"stream configuration for republish with transform from '{again.src}' to '{again.dest}' not valid"
        raise invalid(text) from None


def check_create(config: StreamConfig, home: Home) -> StreamConfig | None:
    """Whether a checked configuration can become a stream; None where there is one that is just so already.

    Raises ApiError.
    """
    if config.num_replicas > 1:
        raise ApiError("STREAM_REPLICAS_NOT_SUPPORTED")
    found = home.streams.get(config.name)
    if found is not None:
        if found.config.as_dict() == config.as_dict():
            return None
        raise ApiError("STREAM_NAME_EXIST")
    if any(home.subjects.meets(subject) for subject in config.subjects):
        raise ApiError("STREAM_SUBJECT_OVERLAP")
    return config


def check_update(old: StreamConfig, given: StreamConfig, home: Home, *, pedantic: bool = False) -> StreamConfig:
    """What a stream is to be from now on. Raises ApiError."""
    config = check_config(given, home, pedantic=pedantic)
    if config.name != old.name:
        raise invalid("stream configuration name must match original")
    if config.num_replicas > 1:
        raise ApiError("STREAM_REPLICAS_NOT_SUPPORTED")
    if config.storage != old.storage:
        raise invalid("stream configuration update can not change storage type")
    if config.retention != old.retention and "workqueue" in (config.retention, old.retention):
        raise invalid("stream configuration update can not change retention policy to/from workqueue")
    if old.sealed and not config.sealed:
        raise invalid("stream configuration update can not unseal a sealed stream")
    if old.deny_delete and not config.deny_delete:
        raise invalid("stream configuration update can not cancel deny message deletes")
    if old.deny_purge and not config.deny_purge:
        raise invalid("stream configuration update can not cancel deny purge")
    if config.mirror is not None and config.mirror != old.mirror:
        raise ApiError("STREAM_MIRROR_NOT_UPDATABLE")
    if old.allow_msg_ttl and not config.allow_msg_ttl:
        raise invalid("message TTL status can not be disabled")
    if old.allow_msg_counter != config.allow_msg_counter:
        raise invalid("stream configuration update can not change message counter setting")
    if old.allow_msg_schedules and not config.allow_msg_schedules:
        raise invalid("message schedules can not be disabled")
    if old.persist_mode != config.persist_mode:
        raise invalid("stream configuration update can not change persist mode")
    if config.sealed:
        config.max_age = 0
        config.discard = "new"
        config.deny_delete = config.deny_purge = True
        config.allow_rollup_hdrs = False
    home.check_room(config, held=max(old.max_bytes, 0), without=config.name)
    for subject in config.subjects:
        if home.subjects.meets(subject, but=config.name):
            raise ApiError("STREAM_SUBJECT_OVERLAP")
    return config
