"""`nats stream purge`, `rm`, `rmm` and `seal`: what takes something away, after a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.app import StreamName, force_flag, json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.configuration import without_reserved
from natsd.cli.nats.streams.stream_show import show_stream
from natsd.cli.nats.targets import KV_PREFIX, StreamLeaf, choose_stream, jetstream, stream_argument
from natsd.cli.prompt import ask, confirm

if TYPE_CHECKING:
    from typing import Any


def _ask_about_bucket(stream: str, force: bool) -> bool:
    """Buckets have commands of their own that keep them whole."""
    if force or not stream.startswith(KV_PREFIX):
        return True
    console.note(f"{stream} is a key-value bucket; nats kv keeps it whole, this may not.\n")
    return confirm("Really operate on the KV stream?")


@click.command("purge", cls=StreamLeaf, help="Remove messages of a stream, all of them without flags.")
@stream_argument
@click.option("--subject", metavar="SUBJECT", help="Only those of this subject.")
@click.option("--seq", type=click.IntRange(min=1), help="Only those before this number.")
@click.option("--keep", type=click.IntRange(min=1), help="Keep so many of the newest.")
@force_flag
@json_flag
@click.pass_obj
def purge(
    settings: Settings,
    stream: str | None,
    subject: str | None,
    seq: int | None,
    keep: int | None,
    force: bool,
    as_json: bool,
) -> None:
    if seq and keep:
        raise click.UsageError("--seq and --keep exclude each other")
    body: dict[str, Any] = {
        key: value for key, value in (("filter", subject), ("seq", seq), ("keep", keep)) if value is not None
    }
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        if not force and not confirm(f"Really purge Stream {name}"):
            return
        if not _ask_about_bucket(name, force):
            return
        purged = js.purge_stream(name, **body)
        info = js.stream_info(name)
    if as_json:
        console.out_json({"purged": purged, "state": info.get("state")})
        return
    console.out_text(f"Purged {purged} messages from {name}\n\n")
    show_stream(info, False, only_state=True)


@click.command("rm", cls=StreamLeaf, help="Remove a stream with all its messages and consumers.")
@stream_argument
@force_flag
@json_flag
@click.pass_obj
def remove(settings: Settings, stream: str | None, force: bool, as_json: bool) -> None:
    if force and not stream:
        raise click.UsageError("--force needs the name of a stream")
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        agreed = force or confirm(f"Really delete Stream {name}")
        if agreed:
            js.delete_stream(name)
    if as_json:
        console.out_json({"stream": name, "deleted": agreed})


@click.command("rmm", cls=StreamLeaf, help="Remove one message of a stream, so that its bytes are gone too.")
@stream_argument
@click.argument("sequence", metavar="[ID]", type=click.IntRange(min=1), required=False)
@force_flag
@json_flag
@click.pass_obj
def remove_message(settings: Settings, stream: str | None, sequence: int | None, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        if sequence is None:
            sequence = int(ask("Message Sequence to remove", "the number of the message", check=int, required=True))
        if sequence <= 0:
            raise CommandFailed("a message has a positive number", USAGE)
        agreed = _ask_about_bucket(name, force) and (
            force or confirm(f"Really remove message {sequence} from Stream {name}")
        )
        if agreed:
            js.delete_message(name, sequence)
    if as_json:
        console.out_json({"stream": name, "seq": sequence, "deleted": agreed})


@click.command("seal", cls=StreamLeaf, help="Seal a stream: nothing can be added, removed or changed any more.")
@click.argument("stream", type=StreamName())
@force_flag
@json_flag
@click.pass_obj
def seal(settings: Settings, stream: str, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        question = f"Really seal Stream {stream}, sealed streams can not be unsealed or modified"
        if not force and not confirm(question):
            return
        js.update_stream({**without_reserved(js.stream_info(stream)["config"]), "sealed": True})
        show_stream(js.stream_info(stream), as_json)
