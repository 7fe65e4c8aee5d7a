"""`-j`: every command about what is stored prints JSON on stdout, and nothing else there."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from natsd.cli.nats.app import nats
from tests.cli.commands import Nats

if TYPE_CHECKING:
    from tests.cli.streams import Inside
else:
    Inside = Any

GROUPS = ("account", "bench", "consumer", "counter", "errors", "kv", "object", "schema", "stream")


DRAWN = {"stream graph", "consumer graph"}
"""A picture that changes each second is no document."""


def leaves(command: click.Command | None, path: str) -> Iterator[tuple[str, click.Command]]:
    assert command is not None
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from leaves(command.get_command(context, name), f"{path} {name}")


def test_every_command_about_what_is_stored_takes_it() -> None:
    context = click.Context(nats)
    found = [leaf for group in GROUPS for leaf in leaves(nats.get_command(context, group), group)]
    assert len(found) > 60
    without = {path for path, leaf in found if not any({"-j", "--json"} <= set(param.opts) for param in leaf.params)}
    assert without == DRAWN


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_messages_go_in_and_out_as_lines(inside: Inside) -> None:
    inside.ok("stream", "add", "A", "--subjects", "a.*", "--defaults", "-j")
    acks = lines(inside.ok("pub", "a.b", "n{{Count}}", "--count", "30", "-J", "-j", "-q", "-H", "K:v"))
    assert [ack["seq"] for ack in acks] == list(range(1, 31)) and acks[0]["stream"] == "A"
    assert inside.run("pub", "a.b", "x", "-j").code == 2
    shown = lines(inside.ok("sub", "--stream", "A", "--start-sequence", "29", "-T", "-j"))
    assert [b64decode(one["Data"]) for one in shown] == [b"n29", b"n30"]
    assert shown[0]["Subject"] == "a.b" and shown[0]["Header"] == {"K": ["v"]}
    inside.ok("consumer", "add", "A", "C", "--pull", "--defaults", "-j")
    first, second = lines(inside.ok("consumer", "next", "A", "C", "--count", "2", "-j"))
    assert (first["stream"], first["consumer"], first["seq"], first["delivered"]) == ("A", "C", 1, 1)
    assert b64decode(first["data"]) == b"n1" and b64decode(first["hdrs"]).startswith(b"NATS/1.0\r\nK: v\r\n")
    assert second["consumer_seq"] == 2 and second["pending"] == 28
    assert json.loads(inside.ok("consumer", "sub", "A", "C", "-j"))["seq"] == 3


def test_what_was_removed_is_said(inside: Inside, tmp_path: Path) -> None:
    inside.ok("stream", "add", "A", "--subjects", "a", "--defaults")
    inside.ok("pub", "a", "x", "-J", "-q")
    inside.ok("consumer", "add", "A", "C", "--pull", "--defaults")
    assert inside.json("stream", "rmm", "A", "1", "-f") == {"stream": "A", "seq": 1, "deleted": True}
    assert inside.json("consumer", "rm", "A", "C", "-f") == {"stream": "A", "consumer": "C", "deleted": True}
    assert inside.json("stream", "rm", "A", "-f") == {"stream": "A", "deleted": True}
    inside.ok("kv", "add", "B")
    inside.ok("kv", "put", "B", "k", "v")
    assert inside.json("kv", "del", "B", "k", "-f") == {"bucket": "B", "key": "k", "deleted": True}
    assert inside.json("kv", "purge", "B", "k", "-f") == {"bucket": "B", "key": "k", "purged": True}
    assert inside.json("kv", "compact", "B", "-f") == {"bucket": "B", "keys": 1}
    assert inside.json("kv", "del", "B", "-f") == {"bucket": "B", "deleted": True}
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"content")
    inside.ok("object", "add", "B")
    inside.ok("object", "put", "B", str(source), "--name", "o")
    got = inside.json("object", "get", "B", "o", "-O", str(target))
    assert got["name"] == "o" and got["size"] == 7 and got["file"] == str(target)
    assert target.read_bytes() == b"content"
    assert inside.run("object", "get", "B", "o", "-O", "-", "-j").code == 2
    assert inside.json("object", "del", "B", "o", "-f") == {"bucket": "B", "name": "o", "deleted": True}
    assert inside.json("object", "del", "B", "-f") == {"bucket": "B", "deleted": True}


def test_benchmarks_give_their_figures(inside: Inside) -> None:
    bench = ("bench", "js", "pub", "sync", "b", "--create", "--msgs", "11", "--size", "8", "--clients", "2", "-j")
    figures = json.loads(Nats(inside.url).run(*bench).out)
    assert figures["benchmark"] == "JetStream synchronous publisher"
    assert figures["msgs"] == 11 and figures["bytes"] == 88 and figures["msgs_per_second"] > 0
    assert [client["msgs"] for client in figures["clients"]] == [6, 5]
    assert 0 < figures["latency"]["min"] <= figures["latency"]["p50"] <= figures["latency"]["max"]
