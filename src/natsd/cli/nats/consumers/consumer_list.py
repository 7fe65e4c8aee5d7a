"""`nats consumer ls`, `info`, `state`, `report` and `find`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import DURATION, json_flag
from natsd.cli.nats.consumers.consumer_show import ACK, show_consumer
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.stream_find import api_level_of, holds, parse_expression
from natsd.cli.nats.streams.stream_list import ago, show_missing
from natsd.cli.nats.streams.stream_report import show_leaders
from natsd.cli.nats.streams.stream_show import REQUIRED_KEY, compact_cluster
from natsd.cli.nats.targets import (
    StreamLeaf,
    choose_consumer,
    choose_stream,
    consumer_arguments,
    jetstream,
    stream_argument,
)
from natsd.cli.table import show_table
from natsd.cli.times import local_time, since_ns
from natsd.cli.values import comma, short_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Answer = dict[str, Any]

REPORT_HEADERS = (
    "Consumer",
    "Mode",
    "Ack Policy",
    "Ack Wait",
    "Ack Pending",
    "Redelivered",
    "Unprocessed",
    "Ack Floor",
    "API Level",
    "Cluster",
)


@click.command("ls", cls=StreamLeaf, help="List the consumers of a stream.")
@stream_argument
@click.option("-n", "--names", "only_names", is_flag=True, help="Print names only.")
@click.option("--no-select", is_flag=True, help="Do not let me pick a stream.")
@json_flag
@click.pass_obj
def ls(settings: Settings, stream: str | None, only_names: bool, no_select: bool, as_json: bool) -> None:
    if no_select and not stream:
        raise click.UsageError("the name of a stream is required with --no-select")
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        if only_names or as_json:
            names = js.consumer_names(target)
            if as_json:
                console.out_json(names)
            else:
                console.out_text("".join(f"{name}\n" for name in names))
            return
        found, missing, offline = js.consumers(target)
    if not found and not missing and not offline:
        console.out_text("No Consumers defined\n")
        return
    rows = [
        (
            str(info.get("name", "")),
            str((info.get("config") or {}).get("description", "")),
            local_time(str(info.get("created", ""))),
            str(info.get("num_ack_pending") or 0),
            str(info.get("num_pending") or 0),
            ago(str((info.get("delivered") or {}).get("last_active", "")), str(info.get("ts", ""))),
        )
        for info in found
    ]
    headers = ("Name", "Description", "Created", "Ack Pending", "Unprocessed", "Last Delivery")
    show_table("Consumers", headers, rows, right="   rr")
    show_missing(missing, offline, "Consumers")


@click.command("info", cls=StreamLeaf, help="Show configuration and state of a consumer.")
@consumer_arguments
@json_flag
@click.option("--no-select", is_flag=True, help="Do not let me pick one.")
@click.pass_obj
def info(settings: Settings, stream: str | None, consumer: str | None, as_json: bool, no_select: bool) -> None:
    _show(settings, stream, consumer, as_json, False, no_select)


@click.command("state", cls=StreamLeaf, help="Show the state of a consumer.")
@consumer_arguments
@json_flag
@click.option("--no-select", is_flag=True, help="Do not let me pick one.")
@click.pass_obj
def state(settings: Settings, stream: str | None, consumer: str | None, as_json: bool, no_select: bool) -> None:
    _show(settings, stream, consumer, as_json, True, no_select)


def _show(
    settings: Settings, stream: str | None, consumer: str | None, as_json: bool, only_state: bool, no_select: bool
) -> None:
    if no_select and not (stream and consumer):
        raise click.UsageError("the names of a stream and a consumer are required with --no-select")
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        found = js.consumer_info(target, choose_consumer(js, target, consumer))
    show_consumer(found, as_json, only_state=only_state)


@click.command("report", cls=StreamLeaf, help="Figures of all consumers of a stream.")
@stream_argument
@click.option("-r", "--raw", is_flag=True, help="Plain numbers.")
@click.option("-l", "--leaders", is_flag=True, help="Show how leaders are spread over servers.")
@json_flag
@click.pass_obj
def report(settings: Settings, stream: str | None, raw: bool, leaders: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        stream_state = js.stream_info(target).get("state") or {}
        found, missing, offline = js.consumers(target)
    if as_json:
        console.out_json(found)
        return
    count = comma(stream_state.get("consumer_count") or 0)
    rows = [_row(one, raw, int(stream_state.get("messages") or 0)) for one in found]
    show_table(f"Consumer report for {target} with {count} consumers", REPORT_HEADERS, rows)
    if leaders:
        show_leaders(found, "Consumers")
    show_missing(missing, offline, "Consumers")


def _row(one: Answer, raw: bool, messages: int) -> tuple[str, ...]:
    config = one.get("config") or {}
    count = str if raw else comma
    pending = int(one.get("num_pending") or 0)
    unprocessed = str(pending)
    if not raw and pending:
        share = min(100, pending * 100 // messages) if messages else 100
        unprocessed = f"{comma(pending)} / {share}%"
    return (
        str(one.get("name", "")),
        "Push" if config.get("deliver_subject") else "Pull",
        ACK.get(config.get("ack_policy", "none"), str(config.get("ack_policy"))),
        short_duration(config.get("ack_wait", 0)),
        count(one.get("num_ack_pending") or 0),
        count(one.get("num_redelivered") or 0),
        unprocessed,
        count((one.get("ack_floor") or {}).get("stream_seq") or 0),
        (config.get("metadata") or {}).get(REQUIRED_KEY) or "0",
        compact_cluster(one.get("cluster")),
    )


@click.command("find", cls=StreamLeaf, help="Find consumers by what they are like; every flag given has to hold.")
@stream_argument
@click.option("--pull", is_flag=True, help="Pull consumers.")
@click.option("--push", is_flag=True, help="Push consumers.")
@click.option("--bound", is_flag=True, help="Somebody listens, or waits with a pull request.")
@click.option("--waiting", type=click.IntRange(min=0), help="With fewer waiting pull requests.")
@click.option("--ack-pending", type=click.IntRange(min=0), help="With fewer messages that wait for an ack.")
@click.option("--pending", type=click.IntRange(min=0), help="With fewer messages still to come.")
@click.option("--idle", type=DURATION, help="Without a delivery for so long.")
@click.option("--created", type=DURATION, help="Made longer ago than this.")
@click.option("--replicas", type=click.IntRange(min=1), help="With at most so many replicas.")
@click.option("--leader", metavar="SERVER", help="Led by this server.")
@click.option("--pinned", is_flag=True, help="All of whose groups are pinned to a client.")
@click.option("--invert/--no-invert", default=False, help="Those that are not like this.")
@click.option("--expression", metavar="EXPRESSION", help="For which this is true; see stream find.")
@click.option("--api-level", type=click.IntRange(min=1), help="That need at least this level of the API.")
@json_flag
@click.pass_obj
def find(settings: Settings, /, stream: str | None, invert: bool, as_json: bool, **wanted: Any) -> None:
    tests = _tests(wanted)
    with jetstream(settings) as js:
        found, _, _ = js.consumers(choose_stream(js, stream))
    names = [str(one.get("name", "")) for one in found if all(test(one) != invert for test in tests)]
    if as_json:
        console.out_json(names)
    else:
        console.out_text("".join(f"{name}\n" for name in names))


def _is_push(one: Answer) -> bool:
    return bool((one.get("config") or {}).get("deliver_subject"))


def _is_pinned(one: Answer) -> bool:
    groups = one.get("priority_groups") or ()
    return bool(groups) and all(group.get("pinned_client_id") for group in groups)


def _tests(wanted: dict[str, Any]) -> list[Callable[[Answer], bool]]:
    rows: tuple[tuple[str, Callable[[Answer, Any], bool]], ...] = (
        ("pull", lambda one, _: not _is_push(one)),
        ("push", lambda one, _: _is_push(one)),
        ("bound", lambda one, _: bool(one.get("push_bound") or one.get("num_waiting"))),
        ("waiting", lambda one, most: int(one.get("num_waiting") or 0) < most),
        ("ack_pending", lambda one, most: int(one.get("num_ack_pending") or 0) < most),
        ("pending", lambda one, most: int(one.get("num_pending") or 0) < most),
        ("idle", lambda one, ns: since_ns(str((one.get("delivered") or {}).get("last_active", ""))) > ns),
        ("created", lambda one, ns: since_ns(str(one.get("created", ""))) >= ns),
        ("replicas", lambda one, most: int((one.get("config") or {}).get("num_replicas") or 1) <= most),
        ("leader", lambda one, name: (one.get("cluster") or {}).get("leader") == name),
        ("pinned", lambda one, _: _is_pinned(one)),
        ("api_level", lambda one, level: api_level_of(one) >= level),
    )
    tests: list[Callable[[Answer], bool]] = []
    for name, test in rows:
        value = wanted.get(name)
        if value is not None and value is not False:
            tests.append(lambda one, test=test, value=value: test(one, value))  # type: ignore[misc]
    if wanted["expression"]:
        expression = parse_expression(wanted["expression"])
        tests.append(lambda one: holds(expression, {"config": one.get("config"), "state": one, "info": one}))
    return tests
