"""`nats stream cluster` and `nats consumer cluster`: who leads a stream or a consumer, and who is part of it.

natsd has no clusters yet; this is for servers that do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import Table, force_flag, json_flag
from natsd.cli.nats.consumers.consumer_show import show_consumer
from natsd.cli.nats.settings import Settings
from natsd.cli.nats.streams.stream_show import show_stream
from natsd.cli.nats.targets import (
    StreamGroup,
    StreamLeaf,
    choose_consumer,
    choose_stream,
    consumer_arguments,
    jetstream,
    stream_argument,
)
from natsd.cli.prompt import pick
from natsd.cli.values import quote
from natsd.client.errors import Timeout
from natsd.client.jetstream import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from natsd.client.jetstream import JetStream

    Answer = dict[str, Any]

_HERE = "natsd.cli.nats.streams.cluster"
_STEP_DOWN = ("stepdown", "sd", "elect", "down", "d")
STREAM_TABLE: Table = {
    "peer-remove": (f"{_HERE}:remove_peer", "Take a server out of a stream", ("pr",)),
    "step-down": (f"{_HERE}:stream_step_down", "Have a stream choose another leader", _STEP_DOWN),
}
CONSUMER_TABLE: Table = {
    "step-down": (f"{_HERE}:consumer_step_down", "Have a consumer choose another leader", _STEP_DOWN),
}
of_stream = StreamGroup("cluster", table=STREAM_TABLE, help="Change who leads a stream and who is part of it.")
of_consumer = StreamGroup("cluster", table=CONSUMER_TABLE, help="Change who leads a consumer.")

ROUNDS, ROUND_S = 10, 0.5
PLACEMENT_LEVEL = 1
"""The level of the API from which on a server can be named that should lead."""

preferred_option = click.option("--preferred", metavar="SERVER", help="The server that should lead.")


@click.command("step-down", cls=StreamLeaf, help="Have a stream choose another leader.")
@stream_argument
@preferred_option
@force_flag
@json_flag
@click.pass_obj
def stream_step_down(settings: Settings, stream: str | None, preferred: str | None, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        verb = f"STREAM.LEADER.STEPDOWN.{name}"
        _step_down(js, f"stream {quote(name)}", verb, lambda: js.stream_info(name), preferred, force)
        if not as_json:
            console.out_text("\n")
        show_stream(js.stream_info(name), as_json)


@click.command("step-down", cls=StreamLeaf, help="Have a consumer choose another leader.")
@consumer_arguments
@preferred_option
@force_flag
@json_flag
@click.pass_obj
def consumer_step_down(
    settings: Settings, stream: str | None, consumer: str | None, preferred: str | None, force: bool, as_json: bool
) -> None:
    with jetstream(settings) as js:
        target = choose_stream(js, stream)
        name = choose_consumer(js, target, consumer)
        what = f"consumer {quote(target)} > {quote(name)}"
        verb = f"CONSUMER.LEADER.STEPDOWN.{target}.{name}"
        _step_down(js, what, verb, lambda: js.consumer_info(target, name), preferred, force)
        if not as_json:
            console.out_text("\n")
        show_consumer(js.consumer_info(target, name), as_json)


@click.command("peer-remove", cls=StreamLeaf, help="Take a server out of a stream; another one takes its place.")
@stream_argument
@click.argument("peer", required=False)
@force_flag
@json_flag
@click.pass_obj
def remove_peer(settings: Settings, stream: str | None, peer: str | None, force: bool, as_json: bool) -> None:
    with jetstream(settings) as js:
        name = choose_stream(js, stream)
        cluster = js.stream_info(name).get("cluster")
        if not cluster:
            raise CommandFailed(f"stream {quote(name)} is not clustered")
        peers = [str(cluster.get("leader", "")), *(str(one.get("name", "")) for one in cluster.get("replicas") or ())]
        if len(peers) == 1 and not force:
            raise CommandFailed("its only server would go, and all messages with it; --force does it all the same")
        chosen = peer or pick("Peer", peers, "the name of a server")
        console.log(f"Removing peer {quote(chosen)}")
        answer = js.call(f"STREAM.PEER.REMOVE.{name}", {"peer": chosen})
        _must_succeed(answer)
        console.log(f"Requested removal of peer {quote(chosen)}")
        if as_json:
            console.out_json(answer)


def _must_succeed(answer: Answer) -> None:
    if not answer.get("success"):
        raise CommandFailed("the server did not say that it was done")


def _step_down(
    js: JetStream, what: str, verb: str, ask: Callable[[], Answer], preferred: str | None, force: bool
) -> None:
    cluster: Answer = ask().get("cluster") or {}
    others = cluster.get("replicas") or ()
    if not others:
        raise CommandFailed(f"{what} is not clustered")
    leader = str(cluster.get("leader") or "")
    if not leader and not force:
        raise CommandFailed(f"{what} has no current leader")
    body: Answer | None = None
    if preferred:
        level = int((js.account_info().get("api") or {}).get("level") or 0)
        if level < PLACEMENT_LEVEL:
            raise CommandFailed("only servers from 2.11 on take the name of a new leader")
        body = {"placement": {"preferred": preferred}}
    old = leader or "<unknown>"
    console.log(f"Requesting leader step down of {quote(old)} for {what} in a {len(others) + 1} peer cluster group")
    _must_succeed(js.call(verb, body))
    for _ in range(ROUNDS):
        js.connection.pause(ROUND_S)
        try:
            now = str((ask().get("cluster") or {}).get("leader") or "")
        except (ApiError, Timeout) as problem:
            # Between two leaders nobody may answer.
            console.log(f"Failed to retrieve the state of {what}: {problem}")
            continue
        if not now:
            console.log("No leader elected")
        elif now != leader:
            console.log(f"New leader elected {quote(now)}")
            return
    raise CommandFailed(f"{what} did not elect a new leader in time")
