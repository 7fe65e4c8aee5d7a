"""What a configuration may say about mirrors and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.sourcing import inflow_name
from natsd.subjects.match import collide, is_subset
from natsd.subjects.transform import Transform, TransformError
from natsd.subjects.valid import is_valid, is_valid_literal

if TYPE_CHECKING:
    from natsd.jetstream.home import Home
    from natsd.jetstream.streams.stream_config import Source, StreamConfig

BAD_NAME_CHARS = frozenset(" \t\r\n\f.*>\\/")


def check_inflows(config: StreamConfig, home: Home, pedantic: bool) -> None:
    """Check `mirror` and `sources`; a mirror takes allow_direct over from its origin as mirror_direct.

    Raises ApiError.
    """
    deliver_prefixes: list[str] = []
    api_prefixes: list[str] = []
    origins: list[str] = []
    if config.mirror is not None:
        _check_mirror(config, config.mirror, home, pedantic)
    if config.sources and config.allow_msg_schedules:
        raise ApiError("SOURCE_WITH_MSG_SCHEDULES")
    seen: set[str] = set()
    for source in config.sources:
        _check_source(source)
        name = inflow_name(source)
        if name in seen:
            raise ApiError("SOURCE_DUPLICATE_DETECTED")
        seen.add(name)
        _check_size(config, source, home, "SOURCE_MAX_MESSAGE_SIZE_TOO_BIG")
    for source in ([config.mirror] if config.mirror is not None else []) + config.sources:
        if source.external is None:
            found = home.streams.get(source.name)
            origins += found.config.subjects if found is not None else ()
            continue
        deliver_prefixes += [source.external.deliver] if source.external.deliver else []
        api_prefixes += [source.external.api] if source.external.api else []
    for prefix in deliver_prefixes:
        if not is_valid_literal(prefix.encode()):
            raise ApiError("STREAM_INVALID_EXTERNAL_DELIVERY_SUBJ", prefix=prefix)
        for subject in origins:
            if collide(subject.encode(), f"{prefix}.{subject}".encode()):
                raise ApiError("STREAM_EXTERNAL_DEL_PREFIX_OVERLAPS", prefix=prefix, subject=subject)
    for prefix in api_prefixes:
        if not is_valid_literal(prefix.encode()):
            text = f'stream external api prefix "{prefix}" must be a valid subject without wildcards'
            raise ApiError("STREAM_INVALID_CONFIG", err=text)
        if collide(prefix.encode(), b"$JS.API"):
            raise ApiError("STREAM_EXTERNAL_API_OVERLAP", prefix=prefix, subject="$JS.API")


def _check_mirror(config: StreamConfig, mirror: Source, home: Home, pedantic: bool) -> None:
    if config.first_seq:
        raise ApiError("MIRROR_WITH_FIRST_SEQ")
    if config.subjects:
        raise ApiError("MIRROR_WITH_SUBJECTS")
    if config.sources:
        raise ApiError("MIRROR_WITH_SOURCES")
    if config.allow_msg_counter:
        raise ApiError("MIRROR_WITH_COUNTERS")
    if config.allow_atomic:
        raise ApiError("MIRROR_WITH_ATOMIC_PUBLISH")
    if config.allow_msg_schedules:
        raise ApiError("MIRROR_WITH_MSG_SCHEDULES")
    if mirror.consumer is not None:
        raise ApiError("INVALID_JSON", err='json: unknown field "consumer"')
    if mirror.filter_subject and mirror.subject_transforms:
        raise ApiError("MIRROR_MULTIPLE_FILTERS_NOT_ALLOWED")
    if config.subject_delete_marker_ttl > 0:
        raise ApiError("STREAM_INVALID_CONFIG", err="subject delete markers forbidden on mirrors")
    _check_transforms(mirror, "MIRROR")
    for at, one in enumerate(mirror.subject_transforms):
        for other in mirror.subject_transforms[at + 1 :]:
            if collide((one.src or ">").encode(), (other.src or ">").encode()):
                raise ApiError("MIRROR_OVERLAPPING_SUBJECT_FILTERS")
    if mirror.external is not None:
        return
    if not mirror.name or not BAD_NAME_CHARS.isdisjoint(mirror.name):
        raise ApiError("MIRROR_INVALID_STREAM_NAME")
    _check_size(config, mirror, home, "MIRROR_MAX_MESSAGE_SIZE_TOO_BIG")
    found = home.streams.get(mirror.name)
    if found is not None:
        if pedantic and config.mirror_direct != found.config.allow_direct:
            raise ApiError("PEDANTIC", err="origin stream has direct get set, mirror has it disabled")
        config.mirror_direct = found.config.allow_direct
    if not mirror.subject_transforms and mirror.filter_subject and not is_valid(mirror.filter_subject.encode()):
        text = f"subject filter '{mirror.filter_subject}' for the mirror invalid subject"
        raise ApiError("STREAM_CREATE", err=text)


def _check_source(source: Source) -> None:
    if not source.name or not BAD_NAME_CHARS.isdisjoint(source.name):
        raise ApiError("SOURCE_INVALID_STREAM_NAME")
    if source.consumer is not None:
        raise ApiError("INVALID_JSON", err='json: unknown field "consumer"')
    if source.filter_subject and source.subject_transforms:
        raise ApiError("SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED")
    _check_transforms(source, "SOURCE")
    for at, one in enumerate(source.subject_transforms):
        for other in source.subject_transforms[:at] + source.subject_transforms[at + 1 :]:
            if is_subset((one.src or ">").encode(), (other.src or ">").encode()):
                raise ApiError("SOURCE_OVERLAPPING_SUBJECT_FILTERS")
    if not source.subject_transforms and source.filter_subject and not is_valid(source.filter_subject.encode()):
        text = f"subject filter '{source.filter_subject}' for the source: invalid subject"
        raise ApiError("STREAM_CREATE", err=text)


def _check_transforms(source: Source, kind: str) -> None:
    for one in source.subject_transforms:
        if one.src and not is_valid(one.src.encode()):
            raise ApiError(f"{kind}_INVALID_SUBJECT_FILTER", err=f"invalid subject {one.src}")
        if one.dest:
            try:
                Transform(one.src.encode(), one.dest.encode())
            except TransformError as error:
                raise ApiError(f"{kind}_INVALID_TRANSFORM_DESTINATION", err=error) from None


def _check_size(config: StreamConfig, source: Source, home: Home, error: str) -> None:
    found = home.streams.get(source.name) if source.external is None else None
    if found is not None and 0 < config.max_msg_size < found.config.max_msg_size:
        raise ApiError(error)


def check_cycles(config: StreamConfig, home: Home) -> None:
    """Whether messages would come back to where they came from. Raises ApiError."""
    visit, visited = [config], set()
    while visit:
        here = visit.pop(0)
        visited.add(here.name)
        for source in here.sources:
            if source.external is not None:
                continue
            if source.name in visited:
                wanted = source.filter_subject.encode()
                if not wanted or any(collide(subject.encode(), wanted) for subject in here.subjects):
                    raise ApiError("STREAM_INVALID_CONFIG", err="detected cycle")
            elif (found := home.streams.get(source.name)) is not None:
                visit.append(found.config)
        mirror = here.mirror
        if mirror is not None and mirror.external is None:
            if mirror.name in visited:
                raise ApiError("STREAM_INVALID_CONFIG", err="detected cycle")
            found = home.streams.get(mirror.name)
            if found is not None:
                visit.append(found.config)
