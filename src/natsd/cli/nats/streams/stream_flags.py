"""The flags that describe a stream, and what each of them changes in a configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from natsd.cli.nats.app import DURATION, StreamName
from natsd.cli.nats.limits import DURATION_LIMIT, SIZE_LIMIT, parse_metadata, split_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])
    Config = dict[str, Any]

STORAGE = {"f": "file", "m": "memory"}
RETENTION = {"work": "workqueue", "workq": "workqueue"}

# Flags, key of the configuration, kind, whether it can be changed later, help. A kind of None is a switch with --no-.
_ROWS: tuple[tuple[tuple[str, ...], str, Any, bool, str], ...] = (
    (("--description",), "description", str, True, "What it is for."),
    (("--storage",), "storage", click.Choice(["file", "f", "memory", "m"]), False, "Where it is kept."),
    (("--compression",), "compression", click.Choice(["none", "s2"]), True, "Compression of its files."),
    (("--replicas",), "num_replicas", click.IntRange(min=1), True, "Copies in a cluster."),
    (
        ("--retention",),
        "retention",
        click.Choice(["limits", "interest", "workq", "work"]),
        True,
        "What is kept: up to limits, while there is interest, until it is worked on.",
    ),
    (("--discard",), "discard", click.Choice(["new", "old"]), True, "What goes at a limit: new or old messages."),
    (("--discard-per-subject",), "discard_new_per_subject", None, True, "Discard new ones, subject by subject."),
    (("--first-sequence",), "first_seq", click.IntRange(min=0), False, "Number of its first message."),
    (("--max-age",), "max_age", DURATION_LIMIT, True, "Messages go after this time (-1: never)."),
    (("--max-bytes",), "max_bytes", SIZE_LIMIT, True, "Bytes at most (-1: no limit)."),
    (("--max-consumers",), "max_consumers", int, True, "Consumers at most (-1: no limit)."),
    (("--max-msg-size",), "max_msg_size", SIZE_LIMIT, True, "Bytes of a message at most (-1: no limit)."),
    (("--max-msgs",), "max_msgs", int, True, "Messages at most (-1: no limit)."),
    (("--max-msgs-per-subject",), "max_msgs_per_subject", int, True, "Messages of a subject at most (-1: no limit)."),
    (("--dupe-window",), "duplicate_window", DURATION_LIMIT, True, "Time in which message ids are remembered."),
    (("--allow-batch",), "allow_atomic", None, True, "Take batches, whole or not at all."),
    (("--allow-fast",), "allow_batched", None, True, "Take fast batches."),
    (("--allow-counter",), "allow_msg_counter", None, True, "Its messages are counters."),
    (("--allow-rollup",), "allow_rollup_hdrs", None, True, "Messages may replace all before them."),
    (("--deny-delete",), "deny_delete", None, True, "No message can be removed."),
    (("--deny-purge",), "deny_purge", None, True, "It cannot be purged."),
    (("--allow-direct",), "allow_direct", None, True, "Direct get (default)."),
    (("--allow-mirror-direct",), "mirror_direct", None, True, "Direct get from mirrors."),
    (("--allow-msg-ttl",), "allow_msg_ttl", None, True, "Messages may say how long they live."),
    (("--allow-schedules",), "allow_msg_schedules", None, True, "Messages may be schedules."),
    (
        ("--subject-del-markers-ttl",),
        "subject_delete_marker_ttl",
        DURATION,
        True,
        "Keep a marker so long where the last message of a subject went.",
    ),
    (("--persist-mode",), "persist_mode", click.Choice(["default", "async"]), False, "When it is on disk."),
)
_BY_NAME = {flags[0][2:].replace("-", "_"): (key, flags[0]) for flags, key, _, _, _ in _ROWS}


def stream_flags(*, editing: bool) -> Callable[[F], F]:
    """Flags of ``stream add`` and ``copy``, or of ``stream edit``."""

    def decorate(function: F) -> F:
        options = [
            click.option("--subjects", metavar="SUBJECTS", multiple=True, help="Subjects it takes; may be repeated."),
        ]
        for flags, _, kind, can_change, text in _ROWS:
            if editing and not can_change:
                continue
            if kind is None:
                options.append(click.option(f"{flags[0]}/--no-{flags[0][2:]}", default=None, help=text))
            else:
                options.append(click.option(*flags, type=kind, default=None, help=text))
        options += [
            click.option("--ack/--no-ack", "ack", default=None, help="Acknowledge publishes (default)."),
            click.option("--cluster", "placement_cluster", metavar="NAME", help="Cluster it is placed in."),
            click.option("--tag", "placement_tags", metavar="TAG", multiple=True, help="Servers with these tags."),
            click.option("--tags", "placement_tags_too", multiple=True, hidden=True),
            click.option(
                "--mirror", type=StreamName(), metavar="STREAM", help="It is a copy of this stream (a name, or JSON)."
            ),
            click.option(
                "--source",
                "sources",
                type=StreamName(),
                metavar="STREAM",
                multiple=True,
                help="Take in from these (name or JSON).",
            ),
            click.option("--transform-source", metavar="SUBJECT", help="Subjects to change when they are stored."),
            click.option("--transform-destination", metavar="SUBJECT", help="What they become."),
            click.option("--metadata", metavar="K=V", multiple=True, help="Metadata; may be repeated."),
            click.option("--republish-source", metavar="SUBJECT", help="Publish these again once stored."),
            click.option("--republish-destination", metavar="SUBJECT", help="Under this subject."),
            click.option("--republish-headers", is_flag=True, help="Only their headers."),
        ]
        if editing:
            options += [
                click.option("--no-mirror", is_flag=True, help="It is no mirror any more."),
                click.option("--no-transform", is_flag=True, help="Subjects stay as they are."),
                click.option("--no-republish", is_flag=True, help="Nothing is published again."),
            ]
        else:
            options += [
                click.option("--limit-consumer-inactive", type=DURATION, help="Inactive threshold of its consumers."),
                click.option(
                    "--limit-consumer-max-pending", type=click.IntRange(min=1), help="Ack pending of its consumers."
                ),
            ]
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def changes(values: Config) -> Config:
    """What the flags given say, as a part of a configuration; a value of None takes a key away."""
    out: Config = {}
    for name, (key, _) in _BY_NAME.items():
        value = values.get(name)
        if value is not None:
            out[key] = value
    if "storage" in out:
        out["storage"] = STORAGE.get(out["storage"], out["storage"])
    if "retention" in out:
        out["retention"] = RETENTION.get(out["retention"], out["retention"])
    if out.get("persist_mode") == "default":
        del out["persist_mode"]
    if values.get("ack") is not None:
        out["no_ack"] = not values["ack"]
    if values.get("subjects"):
        out["subjects"] = split_words(values["subjects"])
    if values.get("metadata"):
        out["metadata"] = parse_metadata(values["metadata"])
    _pair(out, values, "subject_transform", "transform")
    _pair(out, values, "republish", "republish")
    if values.get("republish_headers"):
        if "republish" not in out:
            raise click.UsageError("--republish-headers needs --republish-source and --republish-destination")
        out["republish"]["headers_only"] = True
    for switch, key in (("no_mirror", "mirror"), ("no_transform", "subject_transform"), ("no_republish", "republish")):
        if values.get(switch):
            out[key] = None
    limits = {
        key: values[name]
        for name, key in (
            ("limit_consumer_inactive", "inactive_threshold"),
            ("limit_consumer_max_pending", "max_ack_pending"),
        )
        if values.get(name)
    }
    if limits:
        out["consumer_limits"] = limits
    return out


def _pair(out: Config, values: Config, key: str, word: str) -> None:
    source, destination = values.get(f"{word}_source"), values.get(f"{word}_destination")
    if bool(source) != bool(destination):
        raise click.UsageError(f"--{word}-source and --{word}-destination go together")
    if source:
        out[key] = {"src": source, "dest": destination}


def apply(config: Config, values: Config) -> Config:
    """A configuration with what the flags say. Placement is changed in parts, an empty one goes."""
    out = {**config, **changes(values)}
    tags = [*values.get("placement_tags", ()), *values.get("placement_tags_too", ())]
    cluster = values.get("placement_cluster")
    if cluster is not None or tags:
        placement = dict(out.get("placement") or {})
        if cluster is not None:
            placement["cluster"] = cluster
        if tags:
            placement["tags"] = [tag for tag in tags if tag]
        out["placement"] = {name: value for name, value in placement.items() if value}
    return {key: value for key, value in out.items() if value is not None and value != {}}


def parse_source(text: str) -> Config | None:
    """A source or mirror that is written as JSON, None for a bare name. Raises a usage error."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        source = json.loads(text)
    except ValueError as problem:
        raise click.UsageError(f"a source is not JSON: {problem}") from None
    if not isinstance(source, dict) or not source.get("name"):
        raise click.UsageError("a source needs a name")
    return source
