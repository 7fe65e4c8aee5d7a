"""The older form `nats bench SUBJECT --pub N --sub N`, which many a tutorial still shows, with its own output."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import DURATION, SIZE, Leaf
from natsd.cli.nats.bench.bench_clients import Frames, Pace, Publisher, Requester, Server, Subscriber
from natsd.cli.nats.bench.bench_core import catch_term, run_until_stopped, save_csv, shares, show
from natsd.cli.nats.bench.bench_crew import run_crew
from natsd.cli.nats.bench.bench_results import old_report
from natsd.cli.nats.settings import Settings
from natsd.cli.values import comma, go_duration, ibytes

if TYPE_CHECKING:
    from natsd.cli.nats.bench.bench_clients import Client

REPLY_GROUP = "bench-reply"


@click.command("bench SUBJECT", cls=Leaf, help="Benchmark publishers and subscribers together.")
@click.argument("subject")
@click.option("--pub", "pubs", type=click.IntRange(min=0), default=0, help="Publishers.")
@click.option("--sub", "subs", type=click.IntRange(min=0), default=0, help="Subscribers.")
@click.option("--msgs", type=click.IntRange(min=1), default=100000, help="Messages (100000).")
@click.option("--size", type=SIZE, default=128, metavar="SIZE", help="Payload of a message (128).")
@click.option("--request", is_flag=True, help="Publishers send requests.")
@click.option("--reply", is_flag=True, help="Subscribers answer requests.")
@click.option("--no-progress", is_flag=True, help="No progress bars.")
@click.option("--csv", "csv_file", metavar="FILE", default="", help="Write the results of each client.")
@click.option("--pubsleep", "pubsleep_ns", type=DURATION, default=0, metavar="DURATION", help="Pause between messages.")
@click.option("--subsleep", "subsleep_ns", type=DURATION, default=0, metavar="DURATION", help="Pause after a message.")
@click.option("--multisubject", is_flag=True, help="Publish to SUBJECT.<number>.")
@click.option("--multisubjectmax", type=click.IntRange(min=1), default=100000, help="Different subjects (100000).")
@click.pass_obj
def command(
    settings: Settings,
    subject: str,
    pubs: int,
    subs: int,
    msgs: int,
    size: int,
    request: bool,
    reply: bool,
    no_progress: bool,
    csv_file: str,
    pubsleep_ns: int,
    subsleep_ns: int,
    multisubject: bool,
    multisubjectmax: int,
) -> None:
    if not pubs and not subs:
        raise click.UsageError("at least one publisher or subscriber is needed: add --pub 1 or --sub 1")
    if request and reply:
        raise click.UsageError("--request and --reply exclude each other, run the bench twice")
    if reply and pubs:
        raise click.UsageError("--reply goes with subscribers only")
    name = f"{subject}.*" if multisubject else subject
    plan = f"subject={name}, multisubject={str(multisubject).lower()}, multisubjectmax={multisubjectmax}, "
    if request or reply:
        console.log("Benchmark in request-reply mode")
        plan = f"Starting request-reply benchmark [{plan}request={str(request).lower()}, reply={str(reply).lower()}, "
    else:
        plan = f"Starting Core NATS pub/sub benchmark [{plan}"
    plan += f"msgs={comma(msgs)}, msgsize={ibytes(size)}, pubs={pubs}, subs={subs}, "
    console.log(f"{plan}pubsleep={go_duration(pubsleep_ns)}, subsleep={go_duration(subsleep_ns)}]")

    subscribers: list[Client] = []
    publishers: list[Client] = []
    subject_count = multisubjectmax if multisubject else 0
    for _ in range(subs):
        console.log(f"Starting subscriber, expecting {comma(msgs)} messages")
        if reply:
            subscribers.append(Server(name, REPLY_GROUP, subsleep_ns / 1e9))
        else:
            subscribers.append(Subscriber(name, msgs, size, Pace(subsleep_ns / 1e9)))
    offset = 0
    for count in shares(msgs, pubs) if pubs else ():
        console.log(f"Starting publisher, publishing {comma(count)} messages")
        if request:
            publishers.append(Requester(subject, bytes(size), None, count, settings.timeout_s, Pace(pubsleep_ns / 1e9)))
        else:
            frames = Frames(os.fsencode(subject), bytes(size), None, subject_count, offset, False)
            publishers.append(Publisher(frames, count, size, Pace(pubsleep_ns / 1e9)))
        offset += count

    if reply:
        run_until_stopped(settings, subscribers)
        return
    catch_term()
    received, sent = run_crew(settings, [subscribers, publishers], not no_progress)
    show(old_report(sent, received))
    if csv_file:
        named = [(f"P{number}", sample) for number, sample in enumerate(sent)]
        save_csv(csv_file, named + [(f"S{number}", sample) for number, sample in enumerate(received)])
