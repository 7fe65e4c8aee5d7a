"""What `nats consumer add` asks for when flags leave it open. Without a terminal an error names the flag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli import prompt
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.consumer_flags import backoff, set_filters, start_of
from natsd.cli.nats.limits import duration_limit, split_words
from natsd.cli.values import MINUTE

if TYPE_CHECKING:
    from typing import Any

    Config = dict[str, Any]


def fill_in(config: Config, name: str | None, values: Config, defaults: bool) -> Config:
    """A new consumer's configuration with everything a server wants to be told."""
    config = dict(config)
    _name(config, name, bool(values.get("ephemeral")))
    _target(config, bool(values.get("pull")), defaults)
    is_push = bool(config.get("deliver_subject"))
    if "deliver_policy" not in config:
        question = "Start policy (all, new, last, subject, 1h, msg sequence)"
        config |= {"deliver_policy": "all"} if defaults else start_of(prompt.ask(question, _or("--deliver"), "all"))
    if "ack_policy" not in config:
        default = "none" if is_push else "explicit"
        choices = ("explicit", "all", "none")
        config["ack_policy"] = (
            default if defaults else prompt.pick("Acknowledgment policy", choices, _or("--ack"), default)
        )
    if "replay_policy" not in config:
        config["replay_policy"] = (
            "instant" if defaults else prompt.pick("Replay policy", ("instant", "original"), _or("--replay"), "instant")
        )
    if "filter_subject" not in config and "filter_subjects" not in config:
        question = "Filter Stream by subjects (blank for all)"
        set_filters(config, [] if defaults else split_words([prompt.ask(question, _or("--filter"), "")]))
        if config["deliver_policy"] == "last_per_subject" and "filter_subjects" not in config:
            config.setdefault("filter_subject", ">")
    _acks(config, defaults)
    if is_push:
        _push(config, defaults)
    if "headers_only" not in config and not defaults:
        question = "Deliver headers only without bodies"
        config["headers_only"] = prompt.confirm(question, _or("--headers-only or --no-headers-only"))
    if config["ack_policy"] != "none" and "backoff" not in config and not defaults:
        _backoff(config)
    if config.get("backoff") and config.get("max_deliver", -1) == -1:
        # A server wants more deliveries than there are steps.
        config["max_deliver"] = len(config["backoff"]) + 1
    _refuse(config)
    return config


def _or(flag: str) -> str:
    return f"{flag}, or --defaults"


def _name(config: Config, name: str | None, is_ephemeral: bool) -> None:
    if not name and not is_ephemeral:
        name = prompt.ask("Consumer name", "the name of the consumer, or --ephemeral", required=True)
    if name and any(char in name for char in ".*> \t\r\n/\\"):
        raise CommandFailed(f'invalid consumer name "{name}": no blanks, dots, stars, slashes, or >', USAGE)
    if name:
        config["name"] = name
        if not is_ephemeral:
            config["durable_name"] = name


def _target(config: Config, is_pull: bool, defaults: bool) -> None:
    if not is_pull and not config.get("deliver_subject") and not defaults:
        target = prompt.ask("Delivery target (empty for Pull Consumers)", _or("--pull or --target"), "")
        if target:
            config["deliver_subject"] = target
    if config.get("deliver_subject") and "deliver_group" not in config and not defaults:
        group = prompt.ask("Delivery Queue Group", _or("--deliver-group"), "")
        if group:
            config["deliver_group"] = group


def _acks(config: Config, defaults: bool) -> None:
    if config["ack_policy"] == "none":
        config["max_deliver"] = -1
        config.pop("max_ack_pending", None)
        return
    for key, question, default, flag in (
        ("max_deliver", "Maximum Allowed Deliveries", "-1", "--max-deliver"),
        ("max_ack_pending", "Maximum Acknowledgments Pending", "0", "--max-pending"),
    ):
        if key not in config:
            config[key] = int(default if defaults else prompt.ask(question, _or(flag), default, int))


def _push(config: Config, defaults: bool) -> None:
    if "idle_heartbeat" not in config and not defaults:
        config["idle_heartbeat"] = duration_limit(
            prompt.ask("Idle Heartbeat", _or("--heartbeat"), "0s", duration_limit)
        )
    if "flow_control" not in config and not defaults:
        config["flow_control"] = prompt.confirm("Enable Flow Control, ie --flow-control", _or("--flow-control"))


def _backoff(config: Config) -> None:
    if not prompt.confirm("Add a Retry Backoff Policy", _or("--backoff")):
        return
    mode = prompt.pick("Backoff policy", ("linear", "none"), _or("--backoff"), "none")
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
