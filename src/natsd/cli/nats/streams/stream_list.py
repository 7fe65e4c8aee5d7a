"""`nats stream ls`, `info`, `state` and `subjects`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.stream_show import show_stream
from natsd.cli.nats.targets import INTERNAL, StreamLeaf, choose_stream, jetstream, stream_argument, wants_all
from natsd.cli.table import show_table
from natsd.cli.times import local_time, since_ns
from natsd.cli.values import comma, ibytes, short_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Answer = dict[str, Any]


def is_internal(name: str) -> bool:
    """Whether a stream is the inside of something else: a bucket, an MQTT session."""
    return name.startswith(INTERNAL)


@click.command("ls", cls=StreamLeaf, help="List the streams, the smallest first.")
@click.option("--subject", metavar="SUBJECT", default="", help="Only those with interest in this.")
@click.option("-n", "--names", "only_names", is_flag=True, help="Print names only.")
@json_flag
@click.pass_obj
def ls(settings: Settings, subject: str, only_names: bool, as_json: bool) -> None:
    show_all = wants_all()
    with jetstream(settings) as js:
        if only_names or as_json:
            names = [name for name in js.stream_names(subject) if show_all or only_names or not is_internal(name)]
            if as_json:
                console.out_json(names)
            else:
                console.out_text("".join(f"{name}\n" for name in names))
            return
        everything, missing, offline = js.streams(subject)
    found = [info for info in everything if show_all or not is_internal(info["config"]["name"])]
    if not found and not missing and not offline:
        hidden = ", pass -a to include system streams" if everything else ""
        console.out_text(f"No Streams defined{hidden}\n")
        return
    show_streams(found, f"Streams matching {subject}" if subject else "Streams")
    show_missing(missing, offline, "Streams")


def show_streams(found: Sequence[Answer], title: str) -> None:
    """The table of streams."""
    rows = []
    for info in sorted(found, key=lambda one: int(one["state"].get("bytes") or 0)):
        state, config = info["state"], info["config"]
        rows.append(
            (
                str(config["name"]),
                str(config.get("description", "")),
                local_time(str(info.get("created", ""))),
                comma(state.get("messages") or 0),
                ibytes(state.get("bytes") or 0),
                ago(str(state.get("last_ts", "")), str(info.get("ts", ""))),
            )
        )
    show_table(title, ("Name", "Description", "Created", "Messages", "Size", "Last Message"), rows)


def ago(then: str, now: str = "") -> str:
    """How long ago something was, ``never`` where it was not."""
    from natsd.cli.times import NEVER_NS

    passed = since_ns(then, now)
    return "never" if passed == NEVER_NS else short_duration(max(0, passed))


def show_missing(missing: Sequence[str], offline: dict[str, str], what: str) -> None:
    """Tables of those that did not answer."""
    if missing:
        show_table(f"Inaccessible {what}", ("Name",), [(name,) for name in sorted(missing)])
    if offline:
        show_table(f"Offline {what}", ("Name", "Reason"), sorted(offline.items()))


@click.command("info", cls=StreamLeaf, help="Show configuration and state of a stream.")
@stream_argument
@json_flag
@click.option("--state", "only_state", is_flag=True, help="Only the state.")
@click.option("--no-select", is_flag=True, help="Do not let me pick a stream.")
@click.pass_obj
def info(settings: Settings, stream: str | None, as_json: bool, only_state: bool, no_select: bool) -> None:
    _show(settings, stream, as_json, only_state, no_select)


@click.command("state", cls=StreamLeaf, help="Show the state of a stream.")
@stream_argument
@json_flag
@click.option("--no-select", is_flag=True, help="Do not let me pick a stream.")
@click.pass_obj
def state(settings: Settings, stream: str | None, as_json: bool, no_select: bool) -> None:
    _show(settings, stream, as_json, True, no_select)


def _show(settings: Settings, stream: str | None, as_json: bool, only_state: bool, no_select: bool) -> None:
    if no_select and not stream:
        raise click.UsageError("the name of a stream is required with --no-select")
    with jetstream(settings) as js:
        found = js.stream_info(choose_stream(js, stream))
    show_stream(found, as_json, only_state=only_state)


@click.command("subjects", cls=StreamLeaf, help="List the subjects a stream has messages of, and how many.")
@stream_argument
@click.argument("pattern", metavar="[FILTER]", default=">")
@json_flag
@click.option(
    "--sort",
    type=click.Choice(["name", "subjects", "messages", "count"]),
    default="messages",
    show_default=True,
    help="By what.",
)
@click.option("-R", "--reverse", is_flag=True, help="The other way round.")
@click.option("--names/--no-names", "only_names", default=False, help="Print subjects only.")
@click.pass_obj
def subjects(
    settings: Settings, stream: str | None, pattern: str, as_json: bool, sort: str, reverse: bool, only_names: bool
) -> None:
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        found = js.subjects(name, pattern)
    if as_json:
        console.out_json(found)
        return
    by_name = sort in ("name", "subjects")
    order = sorted(found.items(), key=lambda item: (0 if by_name else item[1], item[0]), reverse=reverse)
    if only_names:
        console.out_text("".join(f"{subject}\n" for subject, _ in order))
        return
    if not order:
        console.out_text(f"No subjects found matching {pattern}\n")
        return
    longest = max(len(subject) for subject, _ in order) + max(len(comma(count)) for _, count in order)
    columns = 3 if longest < 20 else 2 if longest < 30 else 1
    rows = []
    for at in range(0, len(order), columns):
        cells: list[str] = []
        for subject, count in order[at : at + columns]:
            cells += [subject, comma(count)]
        rows.append(cells + [""] * (2 * columns - len(cells)))
    show_table(f"{len(order)} Subjects in stream {name}", ("Subject", "Count") * columns, rows)
