"""`nats stream report`: figures of all streams, and who copies from whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.stream_list import show_missing
from natsd.cli.nats.streams.stream_show import REQUIRED_KEY, STORAGE, compact_cluster, deleted_of
from natsd.cli.nats.targets import StreamLeaf, jetstream
from natsd.cli.table import show_table
from natsd.cli.times import NEVER_NS
from natsd.cli.values import comma, ibytes, short_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Answer = dict[str, Any]

HEADERS = (
    "Stream",
    "Storage",
    "Placement",
    "Consumers",
    "Messages",
    "Bytes",
    "Lost",
    "Deleted",
    "API Level",
    "Replicas",
)


@click.command("report", cls=StreamLeaf, help="Figures of all streams, the smallest first.")
@click.option("--subject", metavar="SUBJECT", default="", help="Only those with interest in this.")
@click.option("--cluster", metavar="NAME", default="", help="Only those of this cluster.")
@click.option("-o", "--consumers", "by_consumers", is_flag=True, help="Sort by consumers.")
@click.option("-m", "--messages", "by_messages", is_flag=True, help="Sort by messages.")
@click.option("-n", "--name", "by_name", is_flag=True, help="Sort by name.")
@click.option("-t", "--storage", "by_storage", is_flag=True, help="Sort by storage.")
@click.option("-r", "--raw", is_flag=True, help="Plain numbers.")
@click.option("--dot", metavar="FILE", help="Write who copies from whom as a Graphviz graph.")
@click.option("-l", "--leaders", is_flag=True, help="Show how leaders are spread over servers.")
@json_flag
@click.pass_obj
def report(
    settings: Settings,
    subject: str,
    cluster: str,
    by_consumers: bool,
    by_messages: bool,
    by_name: bool,
    by_storage: bool,
    raw: bool,
    dot: str | None,
    leaders: bool,
    as_json: bool,
) -> None:
    with jetstream(settings) as js:
        found, missing, offline = js.streams(subject)
    if cluster:
        found = [info for info in found if (info.get("cluster") or {}).get("name") == cluster]
    keys: tuple[tuple[bool, Callable[[Answer], Any]], ...] = (
        (by_consumers, lambda info: info["state"].get("consumer_count") or 0),
        (by_messages, lambda info: info["state"].get("messages") or 0),
        (by_name, lambda info: info["config"]["name"]),
        (by_storage, lambda info: info["config"].get("storage", "")),
        (True, lambda info: info["state"].get("bytes") or 0),
    )
    found.sort(key=next(key for wanted, key in keys if wanted))
    if as_json:
        console.out_json(found)
        return
    if not found and not missing and not offline:
        console.out_text("No Streams defined\n")
        return
    show_table("Stream Report", HEADERS, [_row(info, raw) for info in found])
    _show_replication(found, raw)
    if dot:
        with open(dot, "w", encoding="utf-8") as file:
            file.write(_graph(found))
    if leaders:
        show_leaders(found, "Streams")
    show_missing(missing, offline, "Streams")


def _row(info: Answer, raw: bool) -> tuple[str, ...]:
    config, state = info["config"], info["state"]
    count, size = (str, str) if raw else (comma, ibytes)
    lost = state.get("lost") or {}
    lost_words = f"{count(len(lost['msgs']))} ({size(lost.get('bytes') or 0)})" if lost.get("msgs") else "0"
    placement = config.get("placement") or {}
    words = [f"cluster: {placement['cluster']}"] if placement.get("cluster") else []
    words += [f"tags: {', '.join(placement['tags'])}"] if placement.get("tags") else []
    return (
        str(config["name"]),
        STORAGE.get(config.get("storage", "file"), ""),
        " ".join(words),
        count(state.get("consumer_count") or 0),
        count(state.get("messages") or 0),
        size(state.get("bytes") or 0),
        lost_words,
        count(deleted_of(state)),
        (config.get("metadata") or {}).get(REQUIRED_KEY) or "0",
        compact_cluster(info.get("cluster")),
    )


def _show_replication(found: Sequence[Answer], raw: bool) -> None:
    rows = []
    for info in found:
        origins = [("Mirror", info["mirror"])] if info.get("mirror") else []
        sources = sorted(info.get("sources") or (), key=lambda one: str(one.get("name", "")))
        origins += [("Source", source) for source in sources]
        for kind, origin in origins:
            active, lag = int(origin.get("active") or 0), int(origin.get("lag") or 0)
            seen = short_duration(active) if 0 <= active < NEVER_NS else "never"
            rows.append(
                (
                    str(info["config"]["name"]),
                    kind,
                    str((origin.get("external") or {}).get("api", "")),
                    str(origin.get("name", "")),
                    ", ".join(_filters(origin)),
                    str(active) if raw else seen,
                    str(lag) if raw else comma(lag),
                    str((origin.get("error") or {}).get("description", "")),
                )
            )
    if rows:
        headers = ("Stream", "Kind", "API Prefix", "Source Stream", "Filters and Transforms", "Active", "Lag", "Error")
        show_table("Replication Report", headers, rows)


def _filters(origin: Answer) -> list[str]:
    transforms = origin.get("subject_transforms") or ()
    words = [f"{one.get('src', '')} to {one.get('dest', '')}" for one in transforms if one.get("dest")]
    words += [f"{one.get('src', '')} untransformed" for one in transforms if not one.get("dest")]
    if not words and origin.get("filter_subject"):
        words = [f"{origin['filter_subject']} untransformed"]
    return words


def _graph(found: Sequence[Answer]) -> str:
    lines = ["digraph {", '  label="Stream Replication Structure";']
    for info in found:
        config = info["config"]
        if config.get("mirror"):
            lines.append(_edge(config["mirror"]["name"], config["name"], "blue", "Mirror"))
        for source in config.get("sources") or ():
            lines.append(_edge(source["name"], config["name"], "green", ", ".join(_filters(source))))
    return "\n".join([*lines, "}"]) + "\n"


def _edge(origin: str, target: str, colour: str, label: str) -> str:
    import json

    name, other, text = (json.dumps(word, ensure_ascii=False) for word in (origin, target, label))
    return f"  {name} -> {other} [color={colour}, label={text}];"


def show_leaders(found: Sequence[Answer], what: str) -> None:
    """How many leaders each server has."""
    counts: dict[tuple[str, str], int] = {}
    for info in found:
        cluster = info.get("cluster") or {}
        if cluster.get("leader"):
            key = (str(cluster["leader"]), str(cluster.get("name", "")))
            counts[key] = counts.get(key, 0) + 1
    if counts:
        rows = [(leader, cluster, comma(count)) for (leader, cluster), count in sorted(counts.items())]
        show_table(f"{what} per leader", ("Leader", "Cluster", what), rows)
