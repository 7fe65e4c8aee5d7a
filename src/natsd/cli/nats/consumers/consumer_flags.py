"""The flags that describe a consumer, and what each of them changes in a configuration."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from natsd.cli.nats.app import DURATION, SIZE
from natsd.cli.nats.limits import parse_metadata, split_words
from natsd.cli.times import parse_time_ns, render_time
from natsd.cli.values import MINUTE, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])
    Config = dict[str, Any]

NO_GROUP = "_unset_"
# Flag, key of the configuration, kind (None: a switch with --no-), whether it can be changed later, help.
_ROWS: tuple[tuple[str, str, Any, bool, str], ...] = (
    ("--description", "description", str, True, "What it is for."),
    ("--bps", "rate_limit_bps", click.IntRange(min=0), False, "Bits a second at most (push)."),
    ("--deliver-group", "deliver_group", str, False, "Queue group of its subscribers (push)."),
    ("--headers-only", "headers_only", None, True, "Deliver headers without payloads."),
    ("--max-deliver", "max_deliver", int, True, "Deliver a message so often at most (-1: no limit)."),
    ("--max-pending", "max_ack_pending", int, True, "Messages that may wait for their ack."),
    ("--max-waiting", "max_waiting", click.IntRange(min=0), False, "Pull requests that may wait."),
    ("--max-pull-batch", "max_batch", click.IntRange(min=0), True, "Messages of a pull request at most."),
    ("--max-pull-expire", "max_expires", DURATION, True, "Time of a pull request at most."),
    ("--max-pull-bytes", "max_bytes", SIZE, True, "Bytes of a pull request at most."),
    ("--replay", "replay_policy", click.Choice(["instant", "original"]), False, "At once, or at the original pace."),
    ("--target", "deliver_subject", str, True, "Deliver to this subject (push)."),
    ("--wait", "ack_wait", DURATION, True, "Time for an ack."),
    ("--inactive-threshold", "inactive_threshold", DURATION, True, "Remove it when unused for so long."),
    ("--replicas", "num_replicas", click.IntRange(min=0), True, "Copies of its state in a cluster."),
    ("--pinned-ttl", "priority_timeout", DURATION, False, "Time after which a silent pinned client is not any more."),
)


def consumer_flags(*, editing: bool) -> Callable[[F], F]:
    """Flags of ``consumer add`` and ``copy``, or of ``consumer edit``."""

    def decorate(function: F) -> F:
        options = []
        for flag, key, kind, can_change, text in _ROWS:
            if editing and not can_change:
                continue
            if kind is None:
                options.append(click.option(f"{flag}/--no-{flag[2:]}", key, default=None, help=text))
            else:
                options.append(click.option(flag, key, type=kind, default=None, help=text))
        options += [
            click.option("--max-outstanding", "max_outstanding", type=int, hidden=True),
            click.option("--filter", "filters", metavar="SUBJECTS", multiple=True, help="Only these subjects."),
            click.option("--sample", type=click.IntRange(0, 100), help="Percentage of acks to report."),
            click.option("--metadata", metavar="K=V", multiple=True, help="Metadata; may be repeated."),
            click.option("--backoff", type=click.Choice(["linear", "none"]), help="Growing times between attempts."),
            click.option("--backoff-steps", type=click.IntRange(min=1), default=10, help="Steps of it (10)."),
            click.option("--backoff-min", type=DURATION, default=MINUTE, help="Shortest of it (1m)."),
            click.option("--backoff-max", type=DURATION, default=20 * MINUTE, help="Longest of it (20m)."),
        ]
        if not editing:
            options += _flags_of_new_ones()
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _flags_of_new_ones() -> list[Callable[[F], F]]:
    return [
        click.option("--ack", type=click.Choice(["none", "all", "explicit", "flow_control"]), help="What is acked."),
        click.option("--deliver", metavar="POLICY", help="Start: all, new, last, subject, 1h, or a number."),
        click.option("--ephemeral", is_flag=True, help="It goes when nobody uses it."),
        click.option("--flow-control", is_flag=True, default=None, help="Flow control (push)."),
        click.option("--heartbeat", metavar="DURATION", help="Sign of life when there is nothing (push; -1: none)."),
        click.option("--pull", is_flag=True, help="Clients ask for messages."),
        click.option("--memory", "mem_storage", is_flag=True, help="Keep its state in memory."),
        click.option("--pause", metavar="TIME", help="Deliver nothing until then, or for so long."),
        click.option("--pinned-groups", metavar="GROUPS", multiple=True, help="Groups pinned to one client."),
        click.option("--overflow-groups", metavar="GROUPS", multiple=True, help="Groups that take what is too much."),
        click.option("--prioritized-groups", metavar="GROUPS", multiple=True, help="Groups with priorities."),
    ]


def changes(values: Config) -> Config:
    """What the flags given say, as a part of a configuration."""
    out: Config = {key: values[key] for _, key, _, _, _ in _ROWS if values.get(key) is not None}
    if values.get("max_outstanding") is not None:
        out.setdefault("max_ack_pending", values["max_outstanding"])
    if out.get("deliver_group") == NO_GROUP:
        del out["deliver_group"]
    if values.get("filters"):
        set_filters(out, split_words(values["filters"]))
    if values.get("sample") is not None:
        out["sample_freq"] = str(values["sample"]) if values["sample"] else ""
    if values.get("metadata"):
        out["metadata"] = parse_metadata(values["metadata"])
    if values.get("backoff"):
        out["backoff"] = backoff(
            values["backoff"], values["backoff_steps"], values["backoff_min"], values["backoff_max"]
        )
    if values.get("ack"):
        out["ack_policy"] = values["ack"]
    if values.get("deliver"):
        out |= start_of(values["deliver"])
    if values.get("flow_control") is not None:
        out["flow_control"] = values["flow_control"]
    if values.get("heartbeat"):
        out["idle_heartbeat"] = heartbeat_of(values["heartbeat"])
    if values.get("mem_storage"):
        out["mem_storage"] = True
    if values.get("pause"):
        out["pause_until"] = render_time(until(values["pause"]))
    return out | _groups(values)


def _groups(values: Config) -> Config:
    kinds = (("pinned_groups", "pinned_client"), ("overflow_groups", "overflow"), ("prioritized_groups", "prioritized"))
    given = [(policy, split_words(values[name])) for name, policy in kinds if values.get(name)]
    if len(given) > 1:
        raise click.UsageError("--pinned-groups, --overflow-groups and --prioritized-groups exclude each other")
    return {"priority_policy": given[0][0], "priority_groups": given[0][1]} if given else {}


def set_filters(config: Config, subjects: list[str]) -> None:
    """One filter and several of them have keys of their own."""
    config.pop("filter_subject", None)
    config.pop("filter_subjects", None)
    if len(subjects) == 1:
        config["filter_subject"] = subjects[0]
    elif subjects:
        config["filter_subjects"] = subjects


def start_of(policy: str) -> Config:
    """Where to start: a word, a number of a message, or how long ago. Raises a usage error."""
    word = policy.strip().lower()
    words = {"all": "all", "last": "last", "new": "new", "next": "new", "subject": "last_per_subject"}
    words["last_per_subject"] = "last_per_subject"
    if word in words:
        return {"deliver_policy": words[word]}
    if word.isascii() and word.isdigit():
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": int(word)}
    try:
        ago_ns = parse_duration(policy)
    except ValueError:
        raise click.UsageError(
            f'invalid start "{policy}": all, new, last, subject, a number, or a duration such as 1h'
        ) from None
    return {"deliver_policy": "by_start_time", "opt_start_time": render_time(time.time_ns() - ago_ns)}


def heartbeat_of(text: str) -> int:
    if text.strip().startswith("-"):
        return 0
    try:
        return parse_duration(text)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None


def backoff(mode: str, steps: int, shortest_ns: int, longest_ns: int) -> list[int]:
    """Durations that grow at equal steps from the shortest to the longest."""
    if mode == "none":
        return []
    if shortest_ns <= 0 or longest_ns <= shortest_ns:
        raise click.UsageError("--backoff-min is above zero and below --backoff-max")
    if steps == 1:
        return [shortest_ns]
    step = (longest_ns - shortest_ns) // (steps - 1)
    return [*(shortest_ns + number * step for number in range(steps - 1)), longest_ns]


def until(text: str) -> int:
    """Nanoseconds since 1970 of a UTC time or of a duration from now. Raises a usage error."""
    at = parse_time_ns(text.strip())
    if at is not None:
        return at
    try:
        return time.time_ns() + parse_duration(text)
    except ValueError:
        raise click.UsageError(f'"{text}" is neither a time (2026-01-02 15:04:05) nor a duration (1h30m)') from None


def apply(config: Config, values: Config) -> Config:
    """A configuration with what the flags say."""
    given = changes(values)
    out = dict(config)
    if "filter_subject" in given or "filter_subjects" in given:
        set_filters(out, [])
    if "deliver_policy" in given:
        out.pop("opt_start_seq", None)
        out.pop("opt_start_time", None)
    if values.get("pull"):
        if given.get("deliver_subject"):
            raise click.UsageError("--pull and --target exclude each other")
        for key in ("deliver_subject", "deliver_group", "idle_heartbeat", "flow_control"):
            out.pop(key, None)
    out |= given
    return {key: value for key, value in out.items() if value is not None}
