"""`nats bench pub`, `bench sub`, `bench service request` and `bench service serve`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import DURATION, SIZE, Leaf, json_flag, split_header
from natsd.cli.nats.bench.bench_clients import Frames, Pace, Publisher, Requester, Server, Subscriber
from natsd.cli.nats.bench.bench_crew import run_crew
from natsd.cli.nats.bench.bench_results import Sample, csv, document_of, report
from natsd.cli.nats.settings import Settings
from natsd.cli.stop import take_interrupts
from natsd.cli.values import comma, ibytes, short_duration
from natsd.client.headers import render_headers
from natsd.client.nuid import new_nuid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from natsd.cli.nats.bench.bench_clients import Client

    F = TypeVar("F", bound=Callable[..., Any])

SERVICE_GROUP = "q"


def common(function: F) -> F:
    """Flags of every benchmark."""
    for option in reversed(
        (
            click.option("--clients", type=click.IntRange(min=1), default=1, help="Clients, a process each (1)."),
            click.option("--msgs", type=click.IntRange(min=1), default=100000, help="Messages (100000)."),
            click.option("--size", type=SIZE, default=128, metavar="SIZE", help="Payload of a message (128B)."),
            click.option("--csv", "csv_file", metavar="FILE", default="", help="Write the results of each client."),
            click.option("--progress/--no-progress", default=True, help="Draw progress bars (default)."),
            json_flag,
        )
    ):
        function = option(function)
    return function


def rated(function: F) -> F:
    """Flags of the benchmarks that send."""
    for option in reversed(
        (
            click.option("--sleep", "sleep_ns", type=DURATION, default=0, metavar="DURATION", help="Pause after each."),
            click.option(
                "--throughput", type=click.IntRange(min=0), default=0, help="Messages a second, of all clients."
            ),
            click.option(
                "--duration",
                "duration_ns",
                type=DURATION,
                default=0,
                metavar="DURATION",
                help="With --throughput: how long.",
            ),
            click.option("--payload", "payload_file", metavar="FILE", default="", help="Take the payload from a file."),
            click.option(
                "-H", "--header", "headers", metavar="K:V", multiple=True, help="Add a header; may be repeated."
            ),
        )
    ):
        function = option(function)
    return function


@click.command("pub", cls=Leaf, help="Publish as fast as the server takes it.")
@click.argument("subject")
@common
@rated
@click.option("--multisubject", is_flag=True, help="Publish to SUBJECT.<number>.")
@click.option("--multisubjectmax", type=click.IntRange(min=1), default=100000, help="Different subjects (100000).")
@click.option("--multisubjectrandomize", is_flag=True, help="Take the subjects at random instead of in turn.")
@click.pass_obj
def publish(
    settings: Settings,
    subject: str,
    clients: int,
    msgs: int,
    size: int,
    csv_file: str,
    progress: bool,
    as_json: bool,
    sleep_ns: int,
    throughput: int,
    duration_ns: int,
    payload_file: str,
    headers: tuple[str, ...],
    multisubject: bool,
    multisubjectmax: int,
    multisubjectrandomize: bool,
) -> None:
    label = "Core NATS publisher"
    msgs = messages_of(msgs, throughput, duration_ns)
    payload, header = payload_of(size, payload_file), header_of(headers)
    banner(
        label,
        {
            **plan_of(clients, msgs, len(payload), throughput, duration_ns),
            "subject": f"{subject}.*" if multisubject else subject,
            "multi-subject": bool_text(multisubject),
            "multi-subject-max": comma(multisubjectmax),
            "multi-subject-randomize": bool_text(multisubjectrandomize),
            "sleep": short_duration(sleep_ns),
        },
    )
    crew: list[Client] = []
    offset = 0
    for number, count in enumerate(shares(msgs, clients), 1):
        console.log(f"[{number}] Starting {label}, publishing {comma(count)} messages")
        frames = Frames(
            os.fsencode(subject),
            payload,
            header,
            multisubjectmax if multisubject else 0,
            offset,
            multisubjectrandomize,
        )
        crew.append(Publisher(frames, count, len(payload), Pace(sleep_ns / 1e9, throughput / clients)))
        offset += count
    run_and_report(settings, label, crew, progress, csv_file, "P", as_json)


@click.command("sub", cls=Leaf, help="Receive messages and count them.")
@click.argument("subject")
@common
@click.option("--multisubject", is_flag=True, help="Subscribe to SUBJECT.*.")
@click.pass_obj
def subscribe(
    settings: Settings,
    subject: str,
    clients: int,
    msgs: int,
    size: int,
    csv_file: str,
    progress: bool,
    as_json: bool,
    multisubject: bool,
) -> None:
    label = "Core NATS subscriber"
    name = f"{subject}.*" if multisubject else subject
    banner(label, {**plan_of(clients, msgs, size), "subject": name, "multi-subject": bool_text(multisubject)})
    crew: list[Client] = []
    for number in range(1, clients + 1):
        console.log(f"[{number}] Starting {label}, expecting {comma(msgs)} messages")
        crew.append(Subscriber(name, msgs, size, Pace()))
    run_and_report(settings, label, crew, progress, csv_file, "S", as_json)


@click.command("request", cls=Leaf, help="Send requests, one after the other per client.")
@click.argument("subject")
@common
@rated
@click.pass_obj
def request(
    settings: Settings,
    subject: str,
    clients: int,
    msgs: int,
    size: int,
    csv_file: str,
    progress: bool,
    as_json: bool,
    sleep_ns: int,
    throughput: int,
    duration_ns: int,
    payload_file: str,
    headers: tuple[str, ...],
) -> None:
    label = "Core NATS service requester"
    msgs = messages_of(msgs, throughput, duration_ns)
    clients = min(clients, msgs)
    payload, header = payload_of(size, payload_file), header_of(headers)
    banner(
        label,
        {
            **plan_of(clients, msgs, len(payload), throughput, duration_ns),
            "subject": subject,
            "sleep": short_duration(sleep_ns),
        },
    )
    crew: list[Client] = []
    for number, count in enumerate(shares(msgs, clients), 1):
        console.log(f"[{number}] Starting {label}, requesting {comma(count)} messages")
        pace = Pace(sleep_ns / 1e9, throughput / clients)
        crew.append(Requester(subject, payload, header, count, settings.timeout_s, pace))
    run_and_report(settings, label, crew, progress, csv_file, "P", as_json)


@click.command("serve", cls=Leaf, help="Answer requests until interrupted.")
@click.argument("subject")
@common
@click.option("--sleep", "sleep_ns", type=DURATION, default=0, metavar="DURATION", help="Pause before each reply.")
@click.pass_obj
def serve(
    settings: Settings,
    subject: str,
    clients: int,
    msgs: int,
    size: int,
    csv_file: str,
    progress: bool,
    as_json: bool,
    sleep_ns: int,
) -> None:
    label = "Core NATS service server"
    banner(label, {**plan_of(clients, msgs, size), "subject": subject, "sleep": short_duration(sleep_ns)})
    crew: list[Client] = []
    for number in range(1, clients + 1):
        console.log(f"[{number}] Starting {label}, hit control-c to stop")
        crew.append(Server(subject, SERVICE_GROUP, sleep_ns / 1e9))
    run_until_stopped(settings, crew)


def run_until_stopped(settings: Settings, crew: Sequence[Client]) -> None:
    """Run clients that never end by themselves; an interrupt is their regular end."""
    catch_term()
    try:
        run_crew(settings, [crew], False)
    except KeyboardInterrupt:
        pass


def catch_term() -> None:
    """SIGTERM ends us like SIGINT, so that no client process stays behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    take_interrupts()


def banner(label: str, plan: dict[str, str]) -> None:
    """The banner: what is going to happen, sorted by name. Whoever has read it may interrupt us."""
    catch_term()
    items = ", ".join(f"{name}={value}" for name, value in sorted(plan.items()))
    console.log(f"Starting {label} benchmark [{items}]")


def shares(messages: int, clients: int) -> list[int]:
    """Messages per client; the first ones take what is left over."""
    each, over = divmod(messages, clients)
    return [each + (1 if number < over else 0) for number in range(clients)]


def show(text: str) -> None:
    console.out_text(f"\n{text}\n")


def save_csv(name: str, samples: Sequence[tuple[str, Sample]], quiet: bool = False) -> None:
    with open(name, "w", encoding="utf-8") as file:
        file.write(csv(new_nuid(os.urandom), samples))
    if not quiet:
        console.out_text(f"Saved metric data in csv file {name}\n")


def run_and_report(
    settings: Settings, label: str, crew: Sequence[Client], progress: bool, csv_file: str, prefix: str, as_json: bool
) -> None:
    catch_term()
    samples = run_crew(settings, [crew], progress and not as_json)[0]
    if as_json:
        console.out_json(document_of(label, samples))
    else:
        show(report(label, samples))
    if csv_file:
        named = [(f"{prefix}{number}", sample) for number, sample in enumerate(samples)]
        save_csv(csv_file, named, quiet=as_json)


def plan_of(clients: int, msgs: int, size: int, throughput: int = 0, duration_ns: int = 0) -> dict[str, str]:
    plan = {"clients": comma(clients), "msg-size": ibytes(size), "msgs": comma(msgs)}
    if throughput:
        plan["throughput"] = comma(throughput)
    if duration_ns:
        plan["duration"] = short_duration(duration_ns)
    return plan


def messages_of(msgs: int, throughput: int, duration_ns: int) -> int:
    if not duration_ns:
        return msgs
    if not throughput:
        raise click.UsageError("--duration needs --throughput")
    return max(1, throughput * duration_ns // 1_000_000_000)


def payload_of(size: int, file: str) -> bytes:
    if not file:
        return bytes(size)
    with open(file, "rb") as source:
        return source.read()


def header_of(headers: Sequence[str]) -> bytes | None:
    return render_headers([split_header(header) for header in headers]) if headers else None


def bool_text(value: bool) -> str:
    return "true" if value else "false"
