"""How a consumer is shown: the block of its configuration and state, as `nats consumer info` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli import console
from natsd.cli.block import Block
from natsd.cli.nats.streams.configuration import own_metadata
from natsd.cli.nats.streams.stream_show import show_api_level, show_cluster
from natsd.cli.times import local_time, parse_time_ns, since_ns
from natsd.cli.values import SECOND, comma, go_duration, ibytes, short_duration

if TYPE_CHECKING:
    from typing import Any

    Answer = dict[str, Any]

DELIVER = {"all": "All", "last": "Last", "new": "New", "last_per_subject": "Last Per Subject"}
ACK = {"none": "None", "all": "All", "explicit": "Explicit", "flow_control": "Flow Control"}
REPLAY = {"instant": "Instant", "original": "Original"}
PRIORITY = {"pinned_client": "Pinned Client", "overflow": "Overflow", "prioritized": "Prioritized"}
MOST_STEPS = 15


def show_consumer(info: Answer, as_json: bool, *, only_state: bool = False) -> None:
    """Print a consumer."""
    if as_json:
        console.out_json({key: value for key, value in info.items() if key != "type"})
    else:
        console.out_text(render_consumer(info, only_state))


def render_consumer(info: Answer, only_state: bool = False) -> str:
    config = info.get("config") or {}
    kind = "State" if only_state else "Information"
    created = local_time(str(info.get("created", "")))
    block = Block(f"{kind} for Consumer {info.get('stream_name', '')} > {info.get('name', '')} created {created}")
    if not only_state:
        _show_config(block, config, info)
    cluster = info.get("cluster") or {}
    if cluster.get("name"):
        show_cluster(block, cluster, str(info.get("ts", "")), "Raft Group")
    block.section("State")
    show_api_level(block, config.get("metadata") or {})
    _show_state(block, config, info)
    return block.render()


def _show_config(block: Block, config: Answer, info: Answer) -> None:
    block.section("Configuration")
    block.row_if("Name", config.get("name"))
    if config.get("durable_name") != config.get("name"):
        block.row_if("Durable Name", config.get("durable_name"))
    block.row_if("Description", config.get("description"))
    is_push = bool(config.get("deliver_subject"))
    if is_push:
        block.row("Delivery Subject", config["deliver_subject"])
    else:
        block.row("Pull Mode", True)
    block.row_if("Filter Subject", config.get("filter_subject"))
    block.row_if("Filter Subjects", config.get("filter_subjects"))
    block.row("Deliver Policy", _start(config))
    if is_push:
        block.row_if("Deliver Queue Group", config.get("deliver_group"))
    block.row("Ack Policy", ACK.get(config.get("ack_policy", "none"), str(config.get("ack_policy"))))
    if config.get("ack_policy", "none") != "none":
        block.row("Ack Wait", short_duration(config.get("ack_wait", 0)))
    block.row("Replay Policy", REPLAY.get(config.get("replay_policy", "instant"), str(config.get("replay_policy"))))
    if config.get("max_deliver", -1) != -1:
        block.row("Maximum Deliveries", int(config["max_deliver"]))
    block.row_if("Sampling Rate", config.get("sample_freq"))
    if config.get("rate_limit_bps"):
        block.row("Rate Limit", f"{ibytes(config['rate_limit_bps'] // 8)} / second")
    for label, key in (("Max Ack Pending", "max_ack_pending"), ("Max Waiting Pulls", "max_waiting")):
        if int(config.get(key) or 0) > 0:
            block.row(label, int(config[key]))
    _duration(block, "Idle Heartbeat", config, "idle_heartbeat")
    if is_push:
        block.row("Flow Control", bool(config.get("flow_control")))
    block.row_if("Headers Only", config.get("headers_only"))
    if not is_push:
        _duration(block, "Inactive Threshold", config, "inactive_threshold")
    _duration(block, "Max Pull Expire", config, "max_expires")
    block.row_if("Max Pull Batch", config.get("max_batch"))
    block.row_if("Max Pull MaxBytes", config.get("max_bytes"))
    if config.get("backoff"):
        block.row("Backoff", _steps(config["backoff"]))
    block.row_if("Replicas", config.get("num_replicas"))
    block.row_if("Memory Storage", config.get("mem_storage"))
    _pause(block, config, info)
    if config.get("priority_policy", "none") != "none":
        block.row("Priority Policy", PRIORITY.get(config["priority_policy"], str(config["priority_policy"])))
        block.row("Priority Groups", config.get("priority_groups") or [])
        if config["priority_policy"] == "pinned_client":
            block.row("Pinned TTL", short_duration(config.get("priority_timeout", 0)))
    if metadata := own_metadata(config.get("metadata")):
        block.section("Metadata")
        for key, value in sorted(metadata.items()):
            block.row(key, value)


def _duration(block: Block, label: str, config: Answer, key: str) -> None:
    if config.get(key):
        block.row(label, short_duration(config[key]))


def _start(config: Answer) -> str:
    policy = config.get("deliver_policy", "all")
    if policy == "by_start_time":
        return f"Since {config.get('opt_start_time', '')}"
    if policy == "by_start_sequence":
        return f"From Sequence {config.get('opt_start_seq', 0)}"
    return DELIVER.get(policy, str(policy))


def _steps(steps: list[int]) -> str:
    words = [go_duration(step) for step in steps]
    if len(words) > MOST_STEPS:
        return f"{', '.join([*words[:5], '...', *words[-5:]])} ({len(words)} total)"
    return ", ".join(words)


def _pause(block: Block, config: Answer, info: Answer) -> None:
    at = parse_time_ns(str(config.get("pause_until") or ""))
    if at is None:
        return
    left = int(info.get("pause_remaining") or 0)
    words = f"({_rounded(left)} remaining)" if info.get("paused") else "(passed)"
    block.row("Paused Until Deadline", f"{local_time(at)} {words}")


def _rounded(ns: int) -> str:
    return go_duration(round(ns / SECOND) * SECOND)


def _show_state(block: Block, config: Answer, info: Answer) -> None:
    now = str(info.get("ts", ""))
    block.row("Last Delivered Message", _sequences(info.get("delivered") or {}, now, "Last delivery"))
    if config.get("ack_policy", "none") != "none":
        block.row("Acknowledgment Floor", _sequences(info.get("ack_floor") or {}, now, "Last Ack"))
        waiting = comma(info.get("num_ack_pending") or 0)
        most = int(config.get("max_ack_pending") or 0)
        block.row("Outstanding Acks", f"{waiting} out of maximum {comma(most)}" if most > 0 else waiting)
        block.row("Redelivered Messages", int(info.get("num_redelivered") or 0))
    block.row("Unprocessed Messages", int(info.get("num_pending") or 0))
    if not config.get("deliver_subject"):
        most = int(config.get("max_waiting") or 0)
        of = f"of maximum {comma(most)}" if most > 0 else "of unlimited"
        block.row("Waiting Pulls", f"{comma(info.get('num_waiting') or 0)} {of}")
    elif info.get("push_bound"):
        group = config.get("deliver_group")
        block.row("Active Interest", f"Active using Queue Group {group}" if group else "Active")
    else:
        block.row("Active Interest", "No interest")
    if info.get("paused"):
        left = int(info.get("pause_remaining") or 0)
        at = parse_time_ns(now)
        if at is not None:
            block.row("Paused Until", f"{local_time(at + left)} ({_rounded(left)} remaining)")
    if config.get("priority_policy") == "pinned_client":
        for number, group in enumerate(info.get("priority_groups") or ()):
            client = group.get("pinned_client_id")
            words = f"pinned {client} at {local_time(str(group.get('pinned_ts', '')))}" if client else "No client"
            block.row("" if number else "Priority Groups", f"{group.get('group', '')}: {words}")


def _sequences(info: Answer, now: str, label: str) -> str:
    consumer, stream = comma(info.get("consumer_seq") or 0), comma(info.get("stream_seq") or 0)
    words = f"Consumer sequence: {consumer} Stream sequence: {stream}"
    if info.get("last_active"):
        words += f" {label}: {short_duration(max(0, since_ns(info['last_active'], now)))} ago"
    return words
