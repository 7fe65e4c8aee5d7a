"""What `nats consumer add` asks for when flags leave it open. Without a terminal an error names the flag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli import prompt
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.consumers.consumer_flags import backoff, set_filters, start_of
from natsd.cli.nats.limits import duration_limit, split_words
from natsd.cli.nats.streams.asker import Asker
from natsd.cli.values import MINUTE
from natsd.client.jetstream import check_name

if TYPE_CHECKING:
    from typing import Any

    Config = dict[str, Any]


def fill_in(config: Config, name: str | None, values: Config, defaults: bool) -> Config:
    """A new consumer's configuration with everything a server wants to be told."""
    config = dict(config)
    asker = Asker(config, defaults)
    _name(config, name, bool(values.get("ephemeral")))
    _target(config, asker, bool(values.get("pull")))
    is_push = bool(config.get("deliver_subject"))
    if "deliver_policy" not in config:
        question = "Start policy (all, new, last, subject, 1h, msg sequence)"
        config |= start_of(asker.text(question, "all", "--deliver"))
    acks = ("explicit", "all", "none")
    asker.choice("ack_policy", "Acknowledgment policy", acks, "none" if is_push else "explicit", "--ack")
    asker.choice("replay_policy", "Replay policy", ("instant", "original"), "instant", "--replay")
    if "filter_subject" not in config and "filter_subjects" not in config:
        set_filters(config, split_words([asker.text("Filter Stream by subjects (blank for all)", "", "--filter")]))
        if config["deliver_policy"] == "last_per_subject" and "filter_subjects" not in config:
            config.setdefault("filter_subject", ">")
    if config["ack_policy"] == "none":
        config["max_deliver"] = -1
        config.pop("max_ack_pending", None)
    else:
        asker.number("max_deliver", "Maximum Allowed Deliveries", -1, "--max-deliver")
        asker.number("max_ack_pending", "Maximum Acknowledgments Pending", 0, "--max-pending")
    if not defaults:
        if is_push:
            asker.duration("idle_heartbeat", "Idle Heartbeat", "0s", "--heartbeat")
            asker.switch("flow_control", "Enable Flow Control, ie --flow-control", False, "--flow-control")
        headers_only = "Deliver headers only without bodies"
        asker.switch("headers_only", headers_only, False, "--headers-only or --no-headers-only")
        if config["ack_policy"] != "none" and "backoff" not in config:
            _backoff(config)
    if config.get("backoff") and config.get("max_deliver", -1) == -1:
        # A server wants more deliveries than there are steps.
        config["max_deliver"] = len(config["backoff"]) + 1
    _refuse(config)
    return config


def _name(config: Config, name: str | None, is_ephemeral: bool) -> None:
    if not name and not is_ephemeral:
        name = prompt.ask("Consumer name", "the name of the consumer, or --ephemeral", required=True)
    if name:
        config["name"] = check_name(name, "consumer")
        if not is_ephemeral:
            config["durable_name"] = name


def _target(config: Config, asker: Asker, is_pull: bool) -> None:
    if not is_pull and not config.get("deliver_subject"):
        target = asker.text("Delivery target (empty for Pull Consumers)", "", "--pull or --target")
        if target:
            config["deliver_subject"] = target
    if config.get("deliver_subject") and "deliver_group" not in config:
        group = asker.text("Delivery Queue Group", "", "--deliver-group")
        if group:
            config["deliver_group"] = group


def _backoff(config: Config) -> None:
    if not prompt.confirm("Add a Retry Backoff Policy", "--backoff, or --defaults"):
        return
    mode = prompt.pick("Backoff policy", ("linear", "none"), "--backoff, or --defaults", "none")
    if mode == "none":
        return
    shortest = duration_limit(prompt.ask("Minimum retry time", "--backoff-min", "1m", duration_limit))
    longest = duration_limit(prompt.ask("Maximum retry time", "--backoff-max", "10m", duration_limit))
    steps = int(prompt.ask("Number of steps to generate in the policy", "--backoff-steps", "20", int))
    config["backoff"] = backoff(mode, max(1, steps), shortest or MINUTE, longest)


def _refuse(config: Config) -> None:
    if config.get("deliver_subject"):
        return
    if config.get("rate_limit_bps"):
        raise CommandFailed("--bps is for push consumers", USAGE)
    if config.get("idle_heartbeat"):
        raise CommandFailed("--heartbeat is for push consumers, a pull request has its own", USAGE)
    config.pop("idle_heartbeat", None)
