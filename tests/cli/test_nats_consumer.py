"""`nats consumer` against a server with JetStream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.streams import Inside
else:
    Inside = Any


@pytest.fixture
def orders(inside: Inside) -> Inside:
    """A stream with three messages."""
    inside.ok("stream", "add", "ORDERS", "--subjects", "orders.>", "--defaults")
    for number in range(1, 4):
        inside.ok("pub", f"orders.{number}", f"message {number}", "-H", "Key:value", "-q", "-J")
    return inside


def test_a_pull_consumer_is_made_with_defaults_and_shown(orders: Inside) -> None:
    out = orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--defaults")
    assert out.startswith("Information for Consumer ORDERS > W created 20")
    for row in (
        "                    Name: W\n",
        "               Pull Mode: true\n",
        "              Ack Policy: Explicit\n",
        "                Ack Wait: 30.00s\n",
        "    Unprocessed Messages: 3\n",
        "  Last Delivered Message: Consumer sequence: 0 Stream sequence: 0\n",
    ):
        assert row in out
    assert orders.ok("consumer", "info", "ORDERS", "W") == out
    assert orders.ok("consumer", "state", "ORDERS", "W").startswith("State for Consumer ORDERS > W")


def test_every_flag_of_a_pull_consumer_lands_in_its_configuration(orders: Inside) -> None:
    flags = (
        "--pull --description d --ack all --deliver 2 --filter orders.2,orders.3 --max-deliver 7 --max-pending 9 "
        "--max-waiting 5 --max-pull-batch 4 --max-pull-expire 3s --max-pull-bytes 1KB --replay original --sample 50 "
        "--wait 10s --inactive-threshold 1h --headers-only --memory --metadata a=b --backoff none --pause 1h"
    ).split()
    config = orders.json("consumer", "add", "ORDERS", "C", *flags, "--defaults")["config"]
    wanted = {
        "durable_name": "C",
        "description": "d",
        "ack_policy": "all",
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": 2,
        "filter_subjects": ["orders.2", "orders.3"],
        "max_deliver": 7,
        "max_ack_pending": 9,
        "max_waiting": 5,
        "max_batch": 4,
        "max_expires": 3 * 10**9,
        "max_bytes": 1024,
        "replay_policy": "original",
        "sample_freq": "50",
        "ack_wait": 10 * 10**9,
        "inactive_threshold": 3600 * 10**9,
        "headers_only": True,
        "mem_storage": True,
    }
    assert {key: config.get(key) for key in wanted} == wanted
    assert config["metadata"]["a"] == "b" and config["pause_until"].startswith("20")
    assert "remaining)" in orders.ok("consumer", "info", "ORDERS", "C")


def test_a_push_consumer_has_its_own_flags(orders: Inside) -> None:
    flags = (
        "--target there --deliver-group g --ack none --bps 8000 --flow-control --heartbeat 5s --deliver last".split()
    )
    config = orders.json("consumer", "add", "ORDERS", "P", *flags, "--defaults")["config"]
    assert config["deliver_subject"] == "there" and config["deliver_group"] == "g" and config["flow_control"]
    assert config["idle_heartbeat"] == 5 * 10**9 and config["rate_limit_bps"] == 8000
    shown = orders.ok("consumer", "info", "ORDERS", "P")
    assert "Rate Limit: 1000 B / second\n" in shown and "Active Interest: No interest\n" in shown
    for flag in ("--bps=1", "--heartbeat=1s"):
        assert orders.run("consumer", "add", "ORDERS", "X", "--pull", flag, "--defaults").code == 2


def test_a_linear_backoff_grows_at_equal_steps(orders: Inside) -> None:
    flags = "--pull --backoff linear --backoff-steps 3 --backoff-min 1s --backoff-max 5s --defaults".split()
    config = orders.json("consumer", "add", "ORDERS", "B", *flags)["config"]
    assert config["backoff"] == [10**9, 3 * 10**9, 5 * 10**9] and config["max_deliver"] == 4
    assert "Backoff: 1s, 3s, 5s\n" in orders.ok("consumer", "info", "ORDERS", "B")


def test_without_a_terminal_the_missing_flag_is_named(orders: Inside) -> None:
    for args, flag in (
        ((), "the name of the consumer, or --ephemeral"),
        (("C",), "--pull or --target, or --defaults"),
        (("C", "--pull"), "--deliver, or --defaults"),
        (("C", "--pull", "--deliver", "all"), "--ack, or --defaults"),
    ):
        result = orders.run("consumer", "add", "ORDERS", *args)
        assert result.code == 2 and flag in result.err
    assert "stream ORDERS has no consumers" in orders.run("consumer", "info", "ORDERS").err
    assert "invalid start" in orders.run("consumer", "add", "ORDERS", "C", "--deliver", "soon", "--defaults").err


def test_next_fetches_and_acknowledges(orders: Inside) -> None:
    orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--defaults")
    out = orders.ok("consumer", "next", "ORDERS", "W")
    assert "subj: orders.1 / tries: 1 / cons seq: 1 / str seq: 1 / pending: 2\n" in out
    assert out.endswith("\nHeaders:\n\n  Key: value\n\nData:\n\n\nmessage 1\n\nAcknowledged message\n\n")
    assert orders.ok("consumer", "next", "ORDERS", "W", "--raw", "--no-ack") == "message 2\n"
    assert orders.ok("consumer", "next", "ORDERS", "W", "--term").endswith("\nTerminated message\n\n")
    info = orders.json("consumer", "info", "ORDERS", "W")
    assert info["num_ack_pending"] == 1 and info["num_pending"] == 0
    empty = orders.run("consumer", "next", "ORDERS", "W", "--timeout", "1s")
    assert empty.code == 4 and "no message received" in empty.err


def test_a_refused_message_comes_again(orders: Inside) -> None:
    orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--filter", "orders.1", "--defaults")
    assert orders.ok("consumer", "next", "ORDERS", "W", "--nak").endswith("\nNegative Acknowledged message\n\n")
    assert "tries: 2" in orders.ok("consumer", "next", "ORDERS", "W")
    assert orders.run("consumer", "next", "ORDERS", "W", "--nak", "--term").code == 2


def test_next_of_a_push_consumer_is_refused(orders: Inside) -> None:
    orders.ok("consumer", "add", "ORDERS", "P", "--target", "there", "--defaults")
    result = orders.run("consumer", "next", "ORDERS", "P")
    assert result.code == 1 and 'consumer "P" is not a Pull consumer' in result.err
    out = orders.ok("consumer", "sub", "ORDERS", "P", "--count", "3", "--raw")
    assert out == "message 1\nmessage 2\nmessage 3\n"


def test_list_report_and_find(orders: Inside) -> None:
    assert orders.ok("consumer", "ls", "ORDERS") == "No Consumers defined\n"
    orders.ok("consumer", "add", "ORDERS", "PULL", "--pull", "--description", "first", "--defaults")
    orders.ok("consumer", "add", "ORDERS", "PUSH", "--target", "there", "--defaults")
    assert orders.json("consumer", "ls", "ORDERS") == ["PULL", "PUSH"]
    table = orders.ok("consumer", "ls", "ORDERS")
    assert "│ PULL │ first       │ 20" in table and "never" in table
    report = orders.ok("consumer", "report", "ORDERS")
    assert "Consumer report for ORDERS with 2 consumers" in report
    assert "│ PULL     │ Pull │ Explicit   │ 30.00s" in report and "3 / 100%" in report
    for flags, names in (
        (("--pull",), "PULL\n"),
        (("--push",), "PUSH\n"),
        (("--pending", "1"), ""),
        (("--pending", "1", "--invert"), "PULL\nPUSH\n"),
        (("--expression", "state.num_pending == 3 && config.deliver_subject == 'there'"), "PUSH\n"),
    ):
        assert orders.ok("consumer", "find", "ORDERS", *flags) == names, flags


def test_an_edit_shows_what_changes_and_changes_it(orders: Inside, tmp_path: Path) -> None:
    orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--defaults")
    out = orders.ok("consumer", "edit", "ORDERS", "W", "--max-pending", "5", "--filter", "orders.1", "-f")
    assert out.startswith(
        'Differences (-old +new):\n  + filter_subject: "orders.1"\n  - max_ack_pending: 1000\n  + max_ack_pending: 5\n'
    )
    assert orders.run("consumer", "edit", "ORDERS", "W", "--max-pending", "6", "--dry-run").code == 1
    assert orders.ok("consumer", "edit", "ORDERS", "W", "--max-pending", "5", "-f").startswith("No difference")
    path = tmp_path / "w.json"
    path.write_text(json.dumps(orders.json("consumer", "info", "ORDERS", "W")))
    config = orders.json("consumer", "add", "ORDERS", "X", "--config", str(path))["config"]
    assert config["durable_name"] == "X" and config["max_ack_pending"] == 5


def test_copies_can_differ(orders: Inside) -> None:
    orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--max-deliver", "4", "--defaults")
    config = orders.json("consumer", "copy", "ORDERS", "W", "W2", "--max-pending", "3")["config"]
    assert (config["durable_name"], config["max_deliver"], config["max_ack_pending"]) == ("W2", 4, 3)


def test_a_consumer_pauses_and_goes_on(orders: Inside) -> None:
    orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--defaults")
    assert "no terminal" in orders.run("consumer", "pause", "ORDERS", "W", "1h").err
    assert orders.ok("consumer", "pause", "ORDERS", "W", "1h", "-f").endswith(" (1h0m0s)\n")
    assert orders.run("consumer", "pause", "ORDERS", "W", "soon", "-f").code == 2
    assert "was resumed while previously paused until 20" in orders.ok("consumer", "resume", "ORDERS", "W", "-f")
    assert "the consumer is not paused" in orders.run("consumer", "resume", "ORDERS", "W", "-f").err


def test_unpin_wants_a_consumer_with_pinned_clients(orders: Inside) -> None:
    orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--defaults")
    assert "has no pinned clients" in orders.run("consumer", "unpin", "ORDERS", "W", "g", "-f").err
    orders.ok("consumer", "add", "ORDERS", "P", "--pull", "--pinned-groups", "g", "--pinned-ttl", "1m", "--defaults")
    assert "Pinned TTL: 1m0s\n" in orders.ok("consumer", "info", "ORDERS", "P")
    assert "is pinned to a client" in orders.run("consumer", "unpin", "ORDERS", "P", "g", "-f").err


def test_consumers_are_removed(orders: Inside) -> None:
    orders.ok("consumer", "add", "ORDERS", "W", "--pull", "--defaults")
    assert orders.run("consumer", "rm", "ORDERS", "W").code == 2
    assert orders.ok("consumer", "rm", "ORDERS", "W", "-f") == ""
    result = orders.run("consumer", "info", "ORDERS", "W")
    assert result.code == 1
    assert result.err == "nats: error: could not load Consumer ORDERS > W: consumer not found (10014)\n"
