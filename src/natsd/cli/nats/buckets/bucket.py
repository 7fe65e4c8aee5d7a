"""What `nats kv` and `nats object` have in common: the flags of a bucket, and how buckets are listed and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.limits import DURATION_LIMIT, SIZE_LIMIT, parse_metadata, split_words
from natsd.cli.nats.streams.configuration import own_metadata, without_reserved
from natsd.cli.nats.streams.stream_list import ago
from natsd.cli.nats.streams.stream_show import show_cluster
from natsd.cli.table import show_table
from natsd.cli.times import local_time
from natsd.cli.values import comma, ibytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from natsd.cli.block import Block

    F = TypeVar("F", bound=Callable[..., Any])
    Answer = dict[str, Any]

# Flag and key of the configuration.
Keys = tuple[tuple[str, str], ...]
_KEYS: Keys = (
    ("description", "description"),
    ("ttl", "max_age"),
    ("replicas", "num_replicas"),
    ("max_bucket_size", "max_bytes"),
)


def bucket_flags(what: str, *more: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Flags of every kind of bucket, and those of one kind. what: what is kept in it."""

    def decorate(function: Any) -> Any:
        options = (
            click.option("--description", metavar="TEXT", help="What it is for."),
            click.option("--ttl", type=DURATION_LIMIT, help=f"{what} go after this time."),
            click.option("--replicas", type=click.IntRange(min=1), help="Copies in a cluster (1)."),
            click.option("--max-bucket-size", type=SIZE_LIMIT, help="Bytes of the bucket at most."),
            click.option("--tags", metavar="TAG", multiple=True, help="Servers with these tags."),
            click.option("--cluster", metavar="NAME", help="Cluster it is placed in."),
            click.option("--compress/--no-compress", default=None, help="Compress its files."),
            click.option("--metadata", metavar="K=V", multiple=True, help="Metadata; may be repeated."),
            *more,
        )
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def storage_flag(function: F) -> F:
    """``--storage``, of new buckets only."""
    kinds = click.Choice(["file", "f", "memory", "m"])
    return click.option("--storage", type=kinds, default="file", help="Where it is kept.")(function)


def storage_of(word: str) -> str:
    return "memory" if word.startswith("m") else "file"


def changes(values: Answer, more: Keys = ()) -> Answer:
    """What the flags given say, as a part of a stream's configuration. more: rows of one kind of bucket."""
    out: Answer = {key: values[name] for name, key in (*_KEYS, *more) if values.get(name) is not None}
    if values["compress"] is not None:
        out["compression"] = "s2" if values["compress"] else "none"
    if values["metadata"]:
        out["metadata"] = parse_metadata(values["metadata"])
    if values["cluster"] or values["tags"]:
        out["placement"] = {"cluster": values["cluster"] or "", "tags": split_words(values["tags"])}
    return out


def edited(info: Answer, changed: Answer) -> Answer:
    """The configuration of a bucket with changes. Ids of messages are not remembered longer than messages."""
    config = {**without_reserved(info["config"]), **changed}
    if config.get("max_age") and config.get("duplicate_window", 0) > config["max_age"]:
        config["duplicate_window"] = config["max_age"]
    return config


def out_bucket(name: str, info: Answer) -> None:
    """A bucket as JSON: its name, and what the server says of its stream."""
    console.out_json({"bucket": name, **{key: value for key, value in info.items() if key != "type"}})


def show_buckets(
    found: Sequence[Answer], prefix: str, kind: str, only_names: bool, as_json: bool, *, with_values: bool
) -> None:
    """Buckets of a kind, the smallest first: a table, names, or JSON."""
    order = sorted(found, key=lambda info: int(info["state"].get("bytes") or 0))
    names = [str(info["config"]["name"]).removeprefix(prefix) for info in order]
    if as_json:
        console.out_json(sorted(names) if only_names else list(order))
        return
    if only_names:
        console.out_text("".join(f"{name}\n" for name in sorted(names)))
        return
    if not order:
        console.out_text(f"No {kind} buckets found\n")
        return
    headers = ["Bucket", "Description", "Created", "Size", *(["Values"] if with_values else []), "Last Update"]
    rows = []
    for name, info in zip(names, order, strict=True):
        state = info["state"]
        rows.append(
            [
                name,
                str(info["config"].get("description", "")),
                local_time(str(info.get("created", ""))),
                ibytes(state.get("bytes") or 0),
                *([comma(state.get("messages") or 0)] if with_values else []),
                ago(str(state.get("last_ts", ""))),
            ]
        )
    show_table(f"{kind} Buckets", headers, rows)


def show_metadata_and_cluster(block: Block, info: Answer) -> None:
    """What buckets of every kind end with."""
    if metadata := own_metadata(info["config"].get("metadata")):
        block.section("Metadata")
        for key, value in sorted(metadata.items()):
            block.row(key, value)
    cluster = info.get("cluster") or {}
    if cluster.get("name"):
        show_cluster(block, cluster, str(info.get("ts", "")), "Cluster Group")
