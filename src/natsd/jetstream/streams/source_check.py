"""What a configuration may say about mirrors and sources."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.sourcing import inflow_name
from natsd.subjects.match import collide
from natsd.subjects.overlap import PACE, first_collision, one_within_another
from natsd.subjects.transform import Transform, TransformError
from natsd.subjects.valid import is_valid, is_valid_literal

if TYPE_CHECKING:
    from natsd.base.steps import Steps
    from natsd.jetstream.home import Home
    from natsd.jetstream.streams.stream_config import Source, StreamConfig

AT_ONCE = 16
"""Sources or transforms that are looked at between two yields."""
MOST_PATHS = 1000
"""A stream is come to by each path there is, as Go servers do, until so many wait; then by one."""
BAD_NAME_CHARS = frozenset(" \t\r\n\f.*>\\/")


def check_inflows(config: StreamConfig, home: Home, pedantic: bool) -> Steps[None]:
    """Check `mirror` and `sources`; a mirror takes allow_direct over from its origin as mirror_direct.

    Raises ApiError.
    """
    deliver_prefixes: list[str] = []
    api_prefixes: list[str] = []
    origins: dict[str, list[str]] = {}
    if config.mirror is not None:
        yield from _check_mirror(config, config.mirror, home, pedantic)
    if config.sources and config.allow_msg_schedules:
        raise ApiError("SOURCE_WITH_MSG_SCHEDULES")
    seen: set[str] = set()
    for at, source in enumerate(config.sources):
        yield from _check_source(source)
        if at % AT_ONCE == AT_ONCE - 1:
            yield
        name = inflow_name(source)
        if name in seen:
            raise ApiError("SOURCE_DUPLICATE_DETECTED")
        seen.add(name)
        _check_size(config, source, home, "SOURCE_MAX_MESSAGE_SIZE_TOO_BIG")
    for source in ([config.mirror] if config.mirror is not None else []) + config.sources:
        if source.external is None:
            found = home.streams.get(source.name)
            if found is not None:
                origins[source.name] = found.config.subjects
            continue
        deliver_prefixes += [source.external.deliver] if source.external.deliver else []
        api_prefixes += [source.external.api] if source.external.api else []
    for prefix in deliver_prefixes:
        if not is_valid_literal(prefix.encode()):
            raise ApiError("STREAM_INVALID_EXTERNAL_DELIVERY_SUBJ", prefix=prefix)
        for subjects in origins.values():
            for at, subject in enumerate(subjects):
                if collide(subject.encode(), f"{prefix}.{subject}".encode()):
                    raise ApiError("STREAM_EXTERNAL_DEL_PREFIX_OVERLAPS", prefix=prefix, subject=subject)
                if at % PACE == PACE - 1:
                    yield
        yield
    for prefix in api_prefixes:
        if not is_valid_literal(prefix.encode()):
            text = f'stream external api prefix "{prefix}" must be a valid subject without wildcards'
            raise ApiError("STREAM_INVALID_CONFIG", err=text)
        if collide(prefix.encode(), b"$JS.API"):
            raise ApiError("STREAM_EXTERNAL_API_OVERLAP", prefix=prefix, subject="$JS.API")


def _check_mirror(config: StreamConfig, mirror: Source, home: Home, pedantic: bool) -> Steps[None]:
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
    yield from _check_transforms(mirror, "MIRROR")
    if (yield from first_collision(_filters_of(mirror))) is not None:
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


def _filters_of(source: Source) -> list[bytes]:
    return [(one.src or ">").encode() for one in source.subject_transforms]


def _check_source(source: Source) -> Steps[None]:
    if not source.name or not BAD_NAME_CHARS.isdisjoint(source.name):
        raise ApiError("SOURCE_INVALID_STREAM_NAME")
    if source.consumer is not None:
        raise ApiError("INVALID_JSON", err='json: unknown field "consumer"')
    if source.filter_subject and source.subject_transforms:
        raise ApiError("SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED")
    yield from _check_transforms(source, "SOURCE")
    if len(source.subject_transforms) > 1 and (yield from one_within_another(_filters_of(source))):
        raise ApiError("SOURCE_OVERLAPPING_SUBJECT_FILTERS")
    if not source.subject_transforms and source.filter_subject and not is_valid(source.filter_subject.encode()):
        text = f"subject filter '{source.filter_subject}' for the source: invalid subject"
        raise ApiError("STREAM_CREATE", err=text)


def _check_transforms(source: Source, kind: str) -> Steps[None]:
    for at, one in enumerate(source.subject_transforms):
        if at % AT_ONCE == AT_ONCE - 1:
            yield
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


def check_cycles(config: StreamConfig, home: Home) -> Steps[None]:
    """Whether messages would come back to where they came from. Raises ApiError."""
    visit, visited, known = deque([config]), set(), set()
    while visit:
        here = visit.popleft()
        visited.add(here.name)
        for at, source in enumerate(here.sources):
            if at % PACE == PACE - 1:
                yield
            if source.external is not None:
                continue
            if source.name in visited:
                wanted = source.filter_subject.encode()
                if not wanted or any(collide(subject.encode(), wanted) for subject in here.subjects):
                    raise ApiError("STREAM_INVALID_CONFIG", err="detected cycle")
            elif len(visit) < MOST_PATHS or source.name not in known:
                found = home.streams.get(source.name)
                if found is not None:
                    known.add(source.name)
                    visit.append(found.config)
        mirror = here.mirror
        if mirror is not None and mirror.external is None:
            if mirror.name in visited:
                raise ApiError("STREAM_INVALID_CONFIG", err="detected cycle")
            found = home.streams.get(mirror.name)
            if found is not None:
                visit.append(found.config)
