"""`nats stream gaps`: which messages of a stream are deleted, as ranges of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import force_flag, json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.stream_read import read_stream
from natsd.cli.nats.targets import StreamLeaf, choose_stream, jetstream, stream_argument
from natsd.cli.progress import Progress
from natsd.cli.prompt import confirm
from natsd.cli.table import show_table
from natsd.cli.values import comma, ibytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from natsd.client.jetstream import JetStream

    Answer = dict[str, Any]


@click.command("gaps", cls=StreamLeaf, help="Show which messages of a stream are deleted.")
@stream_argument
@force_flag
@click.option("--progress/--no-progress", default=True, help="Draw a progress bar (default).")
@json_flag
@click.pass_obj
def gaps(settings: Settings, stream: str | None, force: bool, progress: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        info = js.stream_info(name)
        state = info["state"]
        found: list[tuple[int, int]] = []
        if state.get("num_deleted"):
            size = f"{comma(state['messages'])} messages and {ibytes(state['bytes'])}"
            if not force and not confirm(f"Really look through stream {name} with {size}"):
                return
            found = find_gaps(js, name, progress and not as_json)
    if as_json:
        console.out_json(found)
    elif not found:
        console.out_text(f"No deleted messages in {name}\n")
    else:
        title = f"{comma(len(found))} gap{'s' if len(found) != 1 else ''} found in Stream {name}"
        show_table(title, ("First Message", "Last Message"), [[comma(first), comma(last)] for first, last in found])


def find_gaps(js: JetStream, name: str, draw: bool) -> list[tuple[int, int]]:
    """What the server names, and where it stops to, what is missing between the messages behind that."""
    info = js.stream_info(name, deleted_details=True)
    state = info["state"]
    named = [int(seq) for seq in state.get("deleted") or ()]
    found = ranges_of(named)
    missing = int(state.get("num_deleted") or 0) - len(named)
    if missing <= 0:
        return found
    last = max(named[-1] if named else 0, int(state["first_seq"]) - 1)
    end = int(state["last_seq"])
    bar = Progress([end - last]) if draw else None
    begin = last
    for message in read_stream(js, info, start=last + 1, headers_only=True):
        if message.sequence > end:
            break
        if message.sequence > last + 1:
            found.append((last + 1, message.sequence - 1))
        last = message.sequence
        if bar is not None:
            bar.update(0, last - begin)
    if last < end:
        found.append((last + 1, end))
    if bar is not None:
        bar.finish()
    return _joined(found)


def ranges_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as ranges without a hole."""
    return _joined((number, number) for number in numbers)


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in ranges:
        if joined and first == joined[-1][1] + 1:
            first = joined.pop()[0]
        joined.append((first, last))
    return joined
