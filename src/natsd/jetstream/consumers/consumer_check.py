"""What the configuration of a consumer may say, in this order: defaults are filled in, the record is checked by itself
and against its stream, and an update against what was before. Refusals are raised as ApiError.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from natsd.base.units import MINUTE_NS, MS_NS, SECOND_NS, render_duration
from natsd.jetstream.dates import NO_DATE_NS, parse_date, render_date
from natsd.jetstream.errors import ApiError
from natsd.subjects.match import is_subset
from natsd.subjects.valid import has_wildcard, is_valid

if TYPE_CHECKING:
    from natsd.jetstream.consumers.consumer_config import ConsumerConfig
    from natsd.jetstream.streams.stream_config import StreamConfig

ACK_WAIT_NS = 30 * SECOND_NS
MAX_ACK_PENDING = 1000
MAX_WAITING = 512
PIN_NS = 2 * MINUTE_NS
FLOW_HEARTBEAT_NS = SECOND_NS
"""The heartbeat of consumers that are acknowledged by flow control."""
MAX_DESCRIPTION = 4 * 1024
MAX_METADATA = 128 * 1024
MAX_NAME = 255

_GROUP = re.compile(r"[a-zA-Z0-9/_=-]{1,16}", re.ASCII)
_NOT_NEGATIVE = (
    "max_waiting",
    "max_batch",
    "max_expires",
    "max_bytes",
    "idle_heartbeat",
    "inactive_threshold",
    "priority_timeout",
)
_NOT_UPDATED = (
    ("deliver_policy", "deliver policy"),
    ("mem_storage", "storage type"),
    ("direct", "direct"),
    ("sourcing", "sourcing"),
    ("opt_start_seq", "start sequence"),
    ("opt_start_time", "start time"),
    ("ack_policy", "ack policy"),
    ("replay_policy", "replay policy"),
    ("idle_heartbeat", "heart beats"),
    ("flow_control", "flow control"),
)


class ServerLimits(NamedTuple):
    """What the server and the account bound consumers by; 0 or less: they do not."""

    max_ack_pending: int = 0
    account_max_ack_pending: int = 0
    max_request_batch: int = 0


def is_name(name: str) -> bool:
    """Whether a stream or a consumer may have it."""
    return bool(name) and not any(sign in name for sign in "\0 \t\r\n\f.*>\\/")


def is_group(name: str) -> bool:
    """Whether a priority group may have this name."""
    return _GROUP.fullmatch(name) is not None


def fill_in(config: ConsumerConfig, stream: StreamConfig, limits: ServerLimits, pedantic: bool) -> None:
    """Give what was not said its default. pedantic: what would be changed is refused instead."""

    def insist(wrong: bool, text: str) -> None:
        if pedantic and wrong:
            raise ApiError("PEDANTIC", err=text)

    if config.deliver_policy == "undefined":
        config.deliver_policy = "all"
    if config.max_deliver == 0 or config.max_deliver < -1:
        insist(config.max_deliver < -1, "max_deliver must be set to -1")
        config.max_deliver = -1
    for field in _NOT_NEGATIVE:
        if getattr(config, field) < 0:
            insist(True, f"{field} must not be negative")
            setattr(config, field, 0)
        if field == "max_waiting" and config.max_ack_pending < -1:
            insist(True, "max_ack_pending must be set to -1")
            config.max_ack_pending = -1
    if not config.is_push and config.max_waiting == 0:
        config.max_waiting = MAX_WAITING
    if config.ack_wait == 0 and config.ack_policy in ("explicit", "all"):
        config.ack_wait = ACK_WAIT_NS
    if config.backoff:
        insist(config.ack_wait != config.backoff[0], "first backoff value has to equal batch AckWait")
        config.ack_wait = config.backoff[0]
    if config.max_ack_pending == 0:
        most = stream.consumer_limits.max_ack_pending
        insist(most > 0, "max_ack_pending must be set if it's configured in stream limits")
        config.max_ack_pending = most
    if config.inactive_threshold == 0:
        longest = stream.consumer_limits.inactive_threshold
        insist(longest > 0, "inactive_threshold must be set if it's configured in stream limits")
        config.inactive_threshold = longest
    if config.max_ack_pending == 0 and config.ack_policy != "none":
        bounds = [limits.max_ack_pending, limits.account_max_ack_pending, MAX_ACK_PENDING]
        config.max_ack_pending = min(bound for bound in bounds if bound > 0)
    if not config.is_push and config.max_batch == 0 and limits.max_request_batch > 0:
        insist(True, "max_request_batch must be set if it's JetStream limits are set")
        config.max_batch = limits.max_request_batch
    if config.priority_policy == "pinned_client" and config.priority_timeout == 0:
        config.priority_timeout = PIN_NS
    if config.ack_policy == "flow_control" and not pedantic:
        config.flow_control = True
        config.idle_heartbeat = FLOW_HEARTBEAT_NS


def check(config: ConsumerConfig, stream: StreamConfig, limits: ServerLimits) -> None:
    """Whether it can be so on this stream."""
    _check_names(config)
    _check_replicas(config, stream)
    _check_acks(config)
    if len(config.description) > MAX_DESCRIPTION:
        raise ApiError("CONSUMER_DESCRIPTION_TOO_LONG", max=MAX_DESCRIPTION)
    if config.is_push:
        _check_push(config, stream)
    else:
        _check_pull(config, stream, limits)
    _check_limits(config, stream, limits)
    if config.direct:
        if not config.is_push:
            raise ApiError("CONSUMER_DIRECT_REQUIRES_PUSH")
        if config.durable_name:
            raise ApiError("CONSUMER_DIRECT_REQUIRES_EPHEMERAL")
    _check_filters(config)
    _check_start(config)
    _check_sampling(config)
    if config.flow_control and config.idle_heartbeat == 0:
        raise ApiError("CONSUMER_WITH_FLOW_CONTROL_NEEDS_HEARTBEATS")
    if config.durable_name and config.name and config.name != config.durable_name:
        raise ApiError("CONSUMER_CREATE_DURABLE_AND_NAME_MISMATCH")
    if sum(len(key.encode()) + len(value.encode()) for key, value in config.metadata.items()) > MAX_METADATA:
        raise ApiError("CONSUMER_METADATA_LENGTH", limit=f"{MAX_METADATA // 1024}KB")
    _check_priority(config)


def _check_names(config: ConsumerConfig) -> None:
    if config.name and not is_name(config.name):
        text = "consumer name can not contain '.', '*', '>', '\\', '/'"
        raise ApiError("STREAM_INVALID_CONFIG", err=text)
    if config.durable_name and not is_name(config.durable_name):
        text = "consumer durable name can not contain '.', '*', '>', '\\', '/'"
        raise ApiError("STREAM_INVALID_CONFIG", err=text)


def _check_replicas(config: ConsumerConfig, stream: StreamConfig) -> None:
    if config.num_replicas > 0 and config.num_replicas > stream.num_replicas:
        raise ApiError("CONSUMER_REPLICAS_EXCEEDS_STREAM")
    if config.num_replicas < 0:
        raise ApiError("REPLICAS_COUNT_CANNOT_BE_NEGATIVE")
    if stream.retention != "limits" and config.num_replicas not in (0, stream.num_replicas):
        raise ApiError("CONSUMER_REPLICAS_SHOULD_MATCH_STREAM")


def _check_acks(config: ConsumerConfig) -> None:
    if any(wait < 0 for wait in config.backoff):
        raise ApiError("CONSUMER_BACK_OFF_NEGATIVE")
    if config.ack_wait < 0:
        raise ApiError("CONSUMER_ACK_WAIT_NEGATIVE")
    if config.ack_policy == "flow_control":
        if not config.is_push:
            raise ApiError("CONSUMER_ACK_FC_REQUIRES_PUSH")
        if not config.flow_control:
            raise ApiError("CONSUMER_ACK_FC_REQUIRES_FC")
        if config.idle_heartbeat != FLOW_HEARTBEAT_NS:
            raise ApiError("STREAM_INVALID_CONFIG", err="flow control ack policy heartbeat needs to be 1s")
        if config.max_ack_pending <= 0:
            raise ApiError("CONSUMER_ACK_FC_REQUIRES_MAX_ACK_PENDING")
        if config.ack_wait or config.backoff:
            raise ApiError("CONSUMER_ACK_FC_REQUIRES_NO_ACK_WAIT")
        if config.max_deliver > 0:
            raise ApiError("CONSUMER_ACK_FC_REQUIRES_NO_MAX_DELIVER")
    _check_backoff(config)


def _check_backoff(config: ConsumerConfig) -> None:
    if config.backoff and config.max_deliver != -1 and len(config.backoff) > config.max_deliver:
        raise ApiError("CONSUMER_MAX_DELIVER_BACKOFF")


def _check_push(config: ConsumerConfig, stream: StreamConfig) -> None:
    subject = config.deliver_subject.encode()
    if has_wildcard(subject):
        raise ApiError("CONSUMER_DELIVER_TO_WILDCARDS")
    if not is_valid(subject):
        raise ApiError("CONSUMER_INVALID_DELIVER_SUBJECT")
    if any(is_subset(subject, stored.encode()) for stored in stream.subjects):
        raise ApiError("CONSUMER_DELIVER_CYCLE")
    if config.max_waiting != 0:
        raise ApiError("CONSUMER_PUSH_MAX_WAITING")
    if config.max_ack_pending > 0 and config.ack_policy == "none":
        raise ApiError("CONSUMER_MAX_PENDING_ACK_POLICY_REQUIRED")
    if 0 < config.idle_heartbeat < 100 * MS_NS:
        raise ApiError("CONSUMER_SMALL_HEARTBEAT")


def _check_pull(config: ConsumerConfig, stream: StreamConfig, limits: ServerLimits) -> None:
    if config.ack_policy == "none" and stream.retention == "workqueue":
        raise ApiError("CONSUMER_PULL_REQUIRES_ACK")
    if config.rate_limit_bps > 0:
        raise ApiError("CONSUMER_PULL_WITH_RATE_LIMIT")
    if config.idle_heartbeat > 0:
        raise ApiError("CONSUMER_HB_REQUIRES_PUSH")
    if config.flow_control:
        raise ApiError("CONSUMER_FC_REQUIRES_PUSH")
    if config.max_expires != 0 and config.max_expires < MS_NS:
        raise ApiError("CONSUMER_MAX_REQUEST_EXPIRES_TOO_SMALL")
    if 0 < limits.max_request_batch < config.max_batch:
        raise ApiError("CONSUMER_MAX_REQUEST_BATCH_EXCEEDED", limit=limits.max_request_batch)


def _check_limits(config: ConsumerConfig, stream: StreamConfig, limits: ServerLimits) -> None:
    for most in (limits.max_ack_pending, limits.account_max_ack_pending, stream.consumer_limits.max_ack_pending):
        if 0 < most < config.max_ack_pending:
            raise ApiError("CONSUMER_MAX_PENDING_ACK_EXCESS", limit=most)
    longest = stream.consumer_limits.inactive_threshold
    if 0 < longest < config.inactive_threshold:
        raise ApiError("CONSUMER_INACTIVE_THRESHOLD_EXCESS", limit=render_duration(longest))


def _check_filters(config: ConsumerConfig) -> None:
    if config.filter_subject and config.filter_subjects:
        raise ApiError("CONSUMER_DUPLICATE_FILTER_SUBJECTS")
    if any(not subject for subject in config.filter_subjects):
        raise ApiError("CONSUMER_EMPTY_FILTER")
    filters = [subject.encode() for subject in config.filters]
    for subject in filters:
        if not is_valid(subject):
            raise ApiError("STREAM_INVALID_CONFIG", err="invalid subject")
    if _overlap(filters):
        raise ApiError("CONSUMER_OVERLAPPING_SUBJECT_FILTERS")


def _overlap(filters: list[bytes]) -> bool:
    """Whether one lies within another. There may be thousands: all stand in one tree of tokens, each is sought there.

    A filter ends where the empty token is.
    """
    tree: dict[bytes, Any] = {}
    for subject in filters:
        twig = tree
        for token in subject.split(b"."):
            twig = twig.setdefault(token, {})
        if b"" in twig:
            return True
        twig[b""] = subject
    return any(_is_within_another(subject, tree) for subject in filters)


def _is_within_another(subject: bytes, tree: dict[bytes, Any]) -> bool:
    tokens = subject.split(b".")
    stack = [(tree, 0)]
    while stack:
        twig, at = stack.pop()
        if at == len(tokens):
            if twig.get(b"", subject) != subject:
                return True
            continue
        token = tokens[at]
        if b">" in twig and twig[b">"][b""] != subject:
            return True
        if token == b">":
            continue
        for wider in {b"*", token}:
            if wider in twig:
                stack.append((twig[wider], at + 1))
    return False


_STARTS = {
    "all": "all",
    "undefined": "all",
    "last": "last",
    "last_per_subject": "last per subject",
    "new": "new",
    "by_start_sequence": "by start sequence",
    "by_start_time": "by start time",
}


def _check_start(config: ConsumerConfig) -> None:
    policy = config.deliver_policy
    name = _STARTS[policy]

    def refuse(what: str) -> ApiError:
        return ApiError("CONSUMER_INVALID_POLICY", err=f"consumer delivery policy is deliver {name}, but {what}")

    if policy == "by_start_sequence":
        if config.opt_start_seq == 0:
            raise refuse("optional start sequence is not set")
    elif policy == "by_start_time":
        if config.opt_start_time is None:
            raise refuse("optional start time is not set")
        if config.opt_start_seq != 0:
            raise refuse("optional start start sequence is also set")
    elif config.opt_start_seq > 0:
        raise refuse("optional start sequence is also set")
    if policy != "by_start_time" and config.opt_start_time is not None:
        raise refuse("optional start time is also set")
    if policy == "last_per_subject" and not config.filters:
        raise refuse("optional filter subject is not set")


def check_dates(config: ConsumerConfig) -> None:
    """Whether its dates are dates; the end of a pause is kept in UTC. Before anything else is looked at."""
    try:
        if config.opt_start_time is not None:
            parse_date(config.opt_start_time)
        if config.pause_until is not None:
            until = parse_date(config.pause_until)
            config.pause_until = None if until == NO_DATE_NS else render_date(until)
    except ValueError as error:
        raise ApiError("INVALID_JSON", err=f"parsing time: {error}") from None


def _check_sampling(config: ConsumerConfig) -> None:
    if not config.sample_freq:
        return
    number = config.sample_freq.removesuffix("%")
    digits = number[1:] if number[:1] in ("+", "-") else number
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        why = f'strconv.Atoi: parsing "{number}": invalid syntax'
        raise ApiError("CONSUMER_INVALID_SAMPLING", err=why)
    if int(number) < 0:
        raise ApiError("CONSUMER_INVALID_SAMPLING", err="<nil>")


def _check_priority(config: ConsumerConfig) -> None:
    if config.priority_policy == "none":
        if config.priority_groups:
            raise ApiError("CONSUMER_PRIORITY_GROUP_WITH_POLICY_NONE")
        if config.priority_timeout > 0:
            raise ApiError("CONSUMER_PINNED_TTL_WITHOUT_PRIORITY_POLICY_NONE")
        return
    if config.is_push:
        raise ApiError("CONSUMER_PUSH_WITH_PRIORITY_GROUP")
    if not config.priority_groups:
        raise ApiError("CONSUMER_PRIORITY_POLICY_WITHOUT_GROUP")
    for group in config.priority_groups:
        if not group:
            raise ApiError("CONSUMER_EMPTY_GROUP_NAME")
        if not is_group(group):
            raise ApiError("CONSUMER_INVALID_GROUP_NAME")


def check_update(old: ConsumerConfig, new: ConsumerConfig, bound: bool) -> None:
    """Whether a consumer may become so. bound: somebody listens where it delivers to now."""
    for field, text in _NOT_UPDATED:
        before, after = getattr(old, field), getattr(new, field)
        if field == "opt_start_time" and before is not None and after is not None:
            before, after = parse_date(before), parse_date(after)
        if before != after:
            raise _refuse_update(f"{text} can not be updated")
    if old.deliver_subject != new.deliver_subject:
        if not old.deliver_subject:
            raise _refuse_update("can not update pull consumer to push based")
        if not new.deliver_subject:
            raise _refuse_update("can not update push consumer to pull based")
        if bound:
            raise ApiError("CONSUMER_NAME_EXIST")
    if old.max_waiting != new.max_waiting:
        raise _refuse_update("max waiting can not be updated")
    _check_backoff(new)


def _refuse_update(text: str) -> ApiError:
    return ApiError("CONSUMER_CREATE", err=text)


def same(one: ConsumerConfig, other: ConsumerConfig) -> bool:
    """Whether they ask for the same, but for what servers write into the metadata."""

    def plain(config: ConsumerConfig) -> dict[str, object]:
        built: dict[str, object] = msgspec.to_builtins(config)
        built["metadata"] = {key: value for key, value in config.metadata.items() if not key.startswith("_nats.")}
        return built

    return plain(one) == plain(other)
