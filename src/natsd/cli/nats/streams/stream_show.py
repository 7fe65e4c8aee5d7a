"""How a stream is shown: the block of its configuration and state, as `nats stream info` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.nats.streams.configuration import own_metadata
from natsd.cli.times import NEVER_NS, local_time, parse_time_ns, since_ns
from natsd.cli.values import comma, ibytes, short_duration

if TYPE_CHECKING:
    from typing import Any

    Answer = dict[str, Any]

VERSION_KEY, LEVEL_KEY, REQUIRED_KEY = "_nats.ver", "_nats.level", "_nats.req.level"
RETENTION = {"limits": "Limits", "interest": "Interest", "workqueue": "WorkQueue"}
COMPRESSION = {"s2": "S2 Compression"}
STORAGE = {"file": "File", "memory": "Memory"}


def show_stream(info: Answer, as_json: bool, *, only_state: bool = False) -> None:
    """Print a stream."""
    if as_json:
        document = {key: value for key, value in info.items() if key not in ("type", "total", "offset", "limit")}
        console.out_json({"state": document.get("state")} if only_state else document)
    else:
        console.out_text(render_stream(info, only_state))


def render_stream(info: Answer, only_state: bool = False) -> str:
    config = info.get("config") or {}
    kind = "State" if only_state else "Information"
    block = Block(f"{kind} for Stream {config.get('name', '')} created {local_time(str(info.get('created', '')))}")
    if not only_state:
        _show_config(block, config)
    cluster = info.get("cluster") or {}
    if cluster.get("name"):
        show_cluster(block, cluster, str(info.get("ts", "")), "Cluster Group")
    if info.get("mirror"):
        block.section("Mirror Information")
        _show_source(block, info["mirror"])
    if info.get("sources"):
        block.section("Source Information")
        for number, source in enumerate(info["sources"]):
            if number:
                block.gap()
            _show_source(block, source)
    block.section("State")
    show_api_level(block, config.get("metadata") or {})
    _show_state(block, info)
    return block.render()


def _show_config(block: Block, config: Answer) -> None:
    block.row_if("Description", config.get("description"))
    block.row_if("Subjects", config.get("subjects"))
    block.row("Replicas", config.get("num_replicas", 1))
    block.row_if("Sealed", config.get("sealed"))
    block.row("Storage", STORAGE.get(config.get("storage", "file"), str(config.get("storage"))))
    if config.get("compression", "none") != "none":
        block.row("Compression", COMPRESSION.get(str(config["compression"]), str(config["compression"])))
    if config.get("persist_mode", "default") not in ("", "default"):
        block.row("Persistence Mode", str(config["persist_mode"]).title())
    block.row_if("First Sequence", config.get("first_seq"))
    placement = config.get("placement") or {}
    block.row_if("Placement Cluster", placement.get("cluster"))
    block.row_if("Placement Tags", placement.get("tags"))
    _show_options(block, config)
    _show_limits(block, config)
    if metadata := own_metadata(config.get("metadata")):
        block.section("Metadata")
        for key, value in sorted(metadata.items()):
            block.row(key, value)
    if config.get("mirror") or config.get("sources"):
        block.section("Replication")
    if config.get("mirror"):
        block.row("Mirror", _source_words(config["mirror"]))
    for number, source in enumerate(sorted(config.get("sources") or (), key=lambda one: str(one.get("name")))):
        block.row("" if number else "Sources", _source_words(source))


def _show_options(block: Block, config: Answer) -> None:
    block.section("Options")
    transform = config.get("subject_transform") or {}
    if transform.get("dest"):
        block.row("Subject Transform", f"{transform.get('src') or '>'} to {transform['dest']}")
    if republish := config.get("republish"):
        label = "Republishing Headers" if republish.get("headers_only") else "Republishing"
        block.row(label, f"{republish.get('src', '')} to {republish.get('dest', '')}")
    block.row("Retention", RETENTION.get(config.get("retention", "limits"), str(config.get("retention"))))
    block.row("Acknowledgments", not config.get("no_ack"))
    discard = "New Per Subject" if config.get("discard_new_per_subject") else str(config.get("discard", "old")).title()
    block.row("Discard Policy", discard)
    block.row("Duplicate Window", short_duration(config.get("duplicate_window", 0)))
    block.row_if("Direct Get", config.get("allow_direct"))
    block.row_if("Mirror Direct Get", config.get("mirror_direct"))
    block.row("Allows Atomic Batch Publish", bool(config.get("allow_atomic")))
    block.row("Allows Fast Batch Publish", bool(config.get("allow_batched")))
    block.row("Allows Counters", bool(config.get("allow_msg_counter")))
    block.row("Allows Msg Delete", not config.get("deny_delete"))
    block.row("Allows Per-Message TTL", bool(config.get("allow_msg_ttl")))
    block.row("Allows Purge", not config.get("deny_purge"))
    block.row("Allows Schedules", bool(config.get("allow_msg_schedules")))
    if config.get("allow_msg_ttl") and config.get("subject_delete_marker_ttl"):
        block.row("Subject Delete Markers TTL", short_duration(config["subject_delete_marker_ttl"]))
    block.row("Allows Rollups", bool(config.get("allow_rollup_hdrs")))


def _show_limits(block: Block, config: Answer) -> None:
    block.section("Limits")
    block.row("Maximum Messages", limit_words(config.get("max_msgs"), comma))
    block.row("Maximum Per Subject", limit_words(config.get("max_msgs_per_subject"), comma))
    block.row("Maximum Bytes", limit_words(config.get("max_bytes"), ibytes))
    block.row("Maximum Age", limit_words(config.get("max_age"), short_duration))
    block.row("Maximum Message Size", limit_words(config.get("max_msg_size"), ibytes))
    block.row("Maximum Consumers", limit_words(config.get("max_consumers"), comma))
    limits = config.get("consumer_limits") or {}
    if limits.get("inactive_threshold"):
        block.row("Consumer Inactive Threshold", short_duration(limits["inactive_threshold"]))
    block.row_if("Consumer Max Ack Pending", limits.get("max_ack_pending"))


def limit_words(value: int | None, render: Any) -> str:
    """A limit, or ``unlimited``."""
    return "unlimited" if value is None or value <= 0 else str(render(value))


def _source_words(source: Answer) -> list[str]:
    words = [str(source.get("name", ""))]
    if source.get("opt_start_seq"):
        words.append(f"Start Seq: {comma(source['opt_start_seq'])}")
    if source.get("opt_start_time"):
        words.append(f"Start Time: {source['opt_start_time']}")
    external = source.get("external") or {}
    if external.get("api"):
        words.append(f"API Prefix: {external['api']}")
    if external.get("deliver"):
        words.append(f"Delivery Prefix: {external['deliver']}")
    return words


def show_cluster(block: Block, cluster: Answer, now: str, group_label: str) -> None:
    """The section of a cluster: its leader and what the replicas are at."""
    block.section("Cluster Information")
    block.row("Name", str(cluster["name"]))
    block.row_if(group_label, cluster.get("raft_group"))
    leader = str(cluster.get("leader", ""))
    if cluster.get("leader_since"):
        leader += f" ({short_duration(since_ns(cluster['leader_since'], now))})"
    block.row("Leader", leader)
    for replica in cluster.get("replicas") or ():
        words = [str(replica.get("name", "")), "current" if replica.get("current") else "outdated"]
        if replica.get("offline"):
            words.append("OFFLINE")
        active, lag = replica.get("active", 0), replica.get("lag", 0)
        words.append(f"seen {short_duration(active)} ago" if 0 < active < NEVER_NS else "not seen")
        if lag:
            words.append(f"{comma(lag)} operation{'s' if lag > 1 else ''} behind")
        block.row("Replica", words)


def _show_source(block: Block, source: Answer) -> None:
    block.row("Stream Name", str(source.get("name", "")))
    transforms = source.get("subject_transforms") or []
    if source.get("filter_subject"):
        block.row("Subject Filter", source["filter_subject"])
    for number, transform in enumerate(transforms):
        label = f"Subject Filter{'s' if len(transforms) > 1 else ''} and Transform{'s' if len(transforms) > 1 else ''}"
        to = f" to {transform['dest']}" if transform.get("dest") else " untransformed"
        block.row("" if number else label, f"{transform.get('src', '')}{to}")
    block.row("Lag", int(source.get("lag") or 0))
    active = int(source.get("active") or 0)
    block.row("Last Seen", short_duration(active) if 0 < active < NEVER_NS else "never")
    external = source.get("external") or {}
    block.row_if("Ext. API Prefix", external.get("api"))
    block.row_if("Ext. Delivery Prefix", external.get("deliver"))
    if source.get("error"):
        block.row("Error", str(source["error"].get("description", "")))


def show_api_level(block: Block, metadata: dict[str, str]) -> None:
    """Which version keeps it and which level of the API it needs, from what the server noted there."""
    block.row_if("Host Version", metadata.get(VERSION_KEY))
    if metadata.get(LEVEL_KEY) or metadata.get(REQUIRED_KEY):
        level = f"{metadata.get(REQUIRED_KEY) or '0'} hosted at level {metadata.get(LEVEL_KEY, '')}"
        block.row("Required API Level", level)


def _show_state(block: Block, info: Answer) -> None:
    state = info.get("state") or {}
    block.row("Messages", int(state.get("messages") or 0))
    block.row("Bytes", ibytes(state.get("bytes") or 0))
    lost = state.get("lost") or {}
    if lost.get("msgs"):
        block.row("Lost Messages", f"{comma(len(lost['msgs']))} ({ibytes(lost.get('bytes') or 0)})")
    for label, word in (("First Sequence", "first"), ("Last Sequence", "last")):
        at = parse_time_ns(str(state.get(f"{word}_ts", "")))
        sequence = int(state.get(f"{word}_seq") or 0)
        block.row(label, f"{comma(sequence)} @ {local_time(at)}" if at else comma(sequence))
    block.row_if("Deleted Messages", deleted_of(state))
    block.row("Active Consumers", int(state.get("consumer_count") or 0))
    block.row_if("Number of Subjects", state.get("num_subjects"))
    for number, other in enumerate(info.get("alternates") or ()):
        words = f"{other.get('name', '')}: Cluster: {other.get('cluster', '')}"
        if other.get("domain"):
            words += f" Domain: {other['domain']}"
        block.row("" if number else "Alternates", words)


def deleted_of(state: Answer) -> int:
    """How many messages are gone between the first and the last."""
    return len(state.get("deleted") or ()) or int(state.get("num_deleted") or 0)


def compact_cluster(cluster: Answer | None) -> str:
    """Leader with a star, replicas, those that are behind or offline with an exclamation mark."""
    if not cluster:
        return ""
    names = [f"{cluster['leader']}*"] if cluster.get("leader") else []
    for replica in cluster.get("replicas") or ():
        is_bad = replica.get("offline") or not replica.get("current")
        names.append(f"{replica.get('name', '')}{'!' if is_bad else ''}")
    return ", ".join(sorted(names))
