"""`nats rtt`: how long a PING takes, for every address of every server."""

from __future__ import annotations

import socket
import time

import click

from natsd.cli import console
from natsd.cli.nats.app import Leaf, json_flag
from natsd.cli.nats.settings import Settings
from natsd.cli.values import short_duration
from natsd.client.errors import ClientError
from natsd.client.url import ServerUrl, parse_urls

HELP = """Measure the round-trip time to the servers.

Each address of each server gets ITERATIONS PINGs; the mean is shown.
"""


class _Result:
    def __init__(self, address: ServerUrl) -> None:
        self.address = address
        self.time = ""
        self.rtt_ns = 0
        self.error: ClientError | None = None


@click.command("rtt", cls=Leaf, help=HELP, short_help="Measure the round-trip time to servers.")
@click.argument("iterations", type=click.IntRange(min=1), default=5)
@json_flag
@click.pass_obj
def command(settings: Settings, iterations: int, as_json: bool) -> None:
    targets = []
    for server in parse_urls(settings.servers):
        results = [_Result(address) for address in _addresses(server)]
        targets.append((server, results))
        for result in results:
            _measure(settings, result, iterations)
    everything = [result for _, results in targets for result in results]
    failures = [result.error for result in everything if result.error is not None]
    if len(everything) == len(failures) == 1:
        raise failures[0]
    if as_json:
        _print_json(targets)
    else:
        width = max(len(result.address.address) for result in everything) + 3
        for server, results in targets:
            console.out_text(f"{server.address}:\n\n")
            for result in results:
                shown = "failed" if result.error is not None else short_duration(result.rtt_ns)
                console.out_text(f"{result.address.address:>{width}}: {shown}\n")
            console.out(b"\n")
    # localhost often has an IPv6 address that nobody listens on: one answer is enough.
    if len(failures) == len(everything):
        raise failures[0]


def _addresses(server: ServerUrl) -> list[ServerUrl]:
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except OSError:
        return [server]
    hosts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [
        ServerUrl(host, server.port, server.user, server.password, server.token, tls=server.tls, name=server.name)
        for host in hosts
    ]


def _measure(settings: Settings, result: _Result, iterations: int) -> None:
    address = result.address
    now = time.time_ns()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1_000_000_000))
    result.time = f"{stamp}.{now % 1_000_000_000:09d}Z"
    try:
        with settings.connect([address], reconnect=False) as connection:
            if settings.trace:
                console.log(f"RTT iterations for server: {address.address}")
            total = 0
            for number in range(1, iterations + 1):
                took = connection.rtt_ns()
                total += took
                if settings.trace:
                    console.log(f"#{number}: rtt={short_duration(took)}")
            result.rtt_ns = total // iterations
    except ClientError as problem:
        result.error = problem


def _print_json(targets: list[tuple[ServerUrl, list[_Result]]]) -> None:
    document = [
        {
            "url": server.address,
            "results": [
                {
                    "time": result.time,
                    "address": result.address.address,
                    "rtt": result.rtt_ns,
                    "url": result.address.address if result.error is None else "",
                }
                for result in results
            ],
        }
        for server, results in targets
    ]
    console.out_json(document)
