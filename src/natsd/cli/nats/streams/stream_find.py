"""`nats stream find`: the streams that are like this, or not like this."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.expression import Expression, ExpressionError
from natsd.cli.nats.app import DURATION, json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.stream_list import show_streams
from natsd.cli.nats.streams.stream_show import REQUIRED_KEY
from natsd.cli.nats.targets import StreamLeaf, jetstream
from natsd.cli.times import since_ns
from natsd.subjects.match import matches

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Answer = dict[str, Any]
    Test = Callable[[Answer], bool]

HELP = """Find streams by what they are like; every flag given has to hold.

An expression looks into config, state and info as stream info -j prints them.

\b
Examples:
  nats stream find --idle 1h --empty
  nats stream find --expression 'state.messages > 10 && config.storage == "memory"'
"""


@click.command("find", cls=StreamLeaf, help=HELP, short_help="Find streams by what they are like.")
@click.option("--server-name", metavar="RE", help="On servers whose name matches.")
@click.option("--cluster", metavar="RE", help="In clusters whose name matches.")
@click.option("--empty", is_flag=True, help="Without messages.")
@click.option("--idle", type=DURATION, help="Without a new message for so long.")
@click.option("--created", type=DURATION, help="Made longer ago than this.")
@click.option("--consumers", type=int, default=-1, help="With at most so many consumers.")
@click.option("--subject", metavar="SUBJECT", help="With interest in a subject or wildcard.")
@click.option("--replicas", type=click.IntRange(min=1), help="With at most so many replicas.")
@click.option("--sourced", is_flag=True, help="That take in other streams.")
@click.option("--mirrored", is_flag=True, help="That are mirrors.")
@click.option("--leader", metavar="SERVER", help="Led by this server.")
@click.option("-n", "--names", "only_names", is_flag=True, help="Print names only.")
@click.option("--invert/--no-invert", default=False, help="Those that are not like this.")
@click.option("--expression", metavar="EXPRESSION", help="For which this is true.")
@click.option("--api-level", type=click.IntRange(min=1), help="That need at least this level of the API.")
@json_flag
@click.pass_obj
def find(settings: Settings, /, only_names: bool, invert: bool, as_json: bool, **wanted: Any) -> None:
    tests = _tests(wanted)
    with jetstream(settings) as js:
        found, _, _ = js.streams()
    found = [info for info in found if all(test(info) != invert for test in tests)]
    if as_json:
        console.out_json([info["config"]["name"] for info in found] if only_names else found)
    elif only_names:
        console.out_text("".join(f"{name}\n" for name in sorted(info["config"]["name"] for info in found)))
    elif found:
        show_streams(found, "Streams")
    else:
        console.out_text("No Streams found\n")


def _tests(wanted: dict[str, Any]) -> list[Test]:
    tests: list[Test] = []
    if wanted["server_name"]:
        pattern = compile_pattern(wanted["server_name"])
        tests.append(lambda info: any(pattern.search(name) for name in peers_of(info)))
    if wanted["cluster"]:
        cluster = compile_pattern(wanted["cluster"])
        tests.append(lambda info: bool(cluster.search(str((info.get("cluster") or {}).get("name", "")))))
    if wanted["empty"]:
        tests.append(lambda info: not info["state"].get("messages"))
    if wanted["idle"] is not None:
        tests.append(lambda info: since_ns(str(info["state"].get("last_ts", ""))) > wanted["idle"])
    if wanted["created"] is not None:
        tests.append(lambda info: since_ns(str(info.get("created", ""))) >= wanted["created"])
    if wanted["consumers"] >= 0:
        tests.append(lambda info: int(info["state"].get("consumer_count") or 0) <= wanted["consumers"])
    if wanted["subject"]:
        tests.append(lambda info: any(_overlap(one, wanted["subject"]) for one in info["config"].get("subjects") or ()))
    if wanted["replicas"]:
        tests.append(lambda info: int(info["config"].get("num_replicas") or 1) <= wanted["replicas"])
    if wanted["sourced"]:
        tests.append(lambda info: bool(info["config"].get("sources")))
    if wanted["mirrored"]:
        tests.append(lambda info: bool(info["config"].get("mirror")))
    if wanted["leader"]:
        tests.append(lambda info: (info.get("cluster") or {}).get("leader") == wanted["leader"])
    if wanted["api_level"]:
        tests.append(lambda info: api_level_of(info) >= wanted["api_level"])
    if wanted["expression"]:
        expression = parse_expression(wanted["expression"])
        tests.append(lambda info: holds(expression, {"config": info["config"], "state": info["state"], "info": info}))
    return tests


def compile_pattern(text: str) -> re.Pattern[str]:
    """A regular expression of a flag. Raises CommandFailed."""
    try:
        return re.compile(text)
    except re.error as problem:
        raise CommandFailed(f"invalid regular expression {text!r}: {problem}", USAGE) from None


def parse_expression(text: str) -> Expression:
    try:
        return Expression(text)
    except ExpressionError as problem:
        raise CommandFailed(f"invalid expression: {problem}", USAGE) from None


def holds(expression: Expression, document: Answer) -> bool:
    try:
        return expression.holds(document)
    except ExpressionError as problem:
        raise CommandFailed(f"invalid expression: {problem}", USAGE) from None


def peers_of(info: Answer) -> list[str]:
    """The servers of a stream or consumer."""
    cluster = info.get("cluster") or {}
    names = [cluster.get("leader"), *(replica.get("name") for replica in cluster.get("replicas") or ())]
    return [str(name) for name in names if name]


def api_level_of(info: Answer) -> int:
    level = str(((info.get("config") or {}).get("metadata") or {}).get(REQUIRED_KEY) or "0")
    return int(level) if level.isdigit() else 0


def _overlap(one: str, other: str) -> bool:
    left, right = one.encode(), other.encode()
    return matches(left, right) or matches(right, left)
