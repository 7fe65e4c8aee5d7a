"""`nats reply`: answers requests with a text, with what it got, or with the output of a command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.app import DURATION, Leaf, split_header
from natsd.cli.nats.messages.body import template_of
from natsd.cli.nats.settings import Settings
from natsd.cli.stop import StopSignal
from natsd.cli.values import quote
from natsd.client.errors import BadSubject

if TYPE_CHECKING:
    from natsd.client.connection import Connection
    from natsd.client.message import Message, Subscription

HELP = """Answer requests on a subject.

The reply is BODY, the request itself with --echo, or the output of --command. BODY and header values may contain
{{Request}} and the templates of nats publish; {{Count}} counts from 0.

In --command {{0}}, {{1}} ... are the tokens of the subject; NATS_REQUEST_SUBJECT and NATS_REQUEST_BODY are in its
environment. It is run without a shell.

\b
Examples:
  nats reply help.message 'on my way'
  nats reply 'weather.*' --command 'curl -s wttr.in/{{1}}?format=3'
"""


@click.command("reply", cls=Leaf, help=HELP, short_help="Answer requests.")
@click.argument("subject")
@click.argument("body", default="")
@click.option("--echo", is_flag=True, help="Send back what is received.")
@click.option("--command", "program", metavar="CMD", default="", help="Run a command and send back its output.")
@click.option("-q", "--queue", "group", metavar="NAME", default="NATS-RPLY-22", help="Queue group (NATS-RPLY-22).")
@click.option(
    "--sleep", "sleep_ns", type=DURATION, default=0, metavar="MAX", help="Wait up to this time before a reply."
)
@click.option("-H", "--header", "headers", metavar="K:V", multiple=True, help="Add a header; may be repeated.")
@click.option("--count", type=click.IntRange(min=0), default=0, help="Stop after so many requests.")
@click.pass_obj
def command(
    settings: Settings,
    subject: str,
    body: str,
    echo: bool,
    program: str,
    group: str,
    sleep_ns: int,
    headers: tuple[str, ...],
    count: int,
) -> None:
    pairs = [split_header(header) for header in headers]
    with settings.connect() as connection:
        if not body and not program and not echo:
            console.log("No body or command supplied, enabling echo mode")
            echo = True
        replier = _Replier(connection, body, "" if echo else program, echo, pairs, sleep_ns, settings.trace)
        subscription = connection.subscribe(subject, group)
        if count:
            subscription.unsubscribe(count)
        connection.flush()
        error = connection.take_error()
        if error is not None:
            raise error
        console.log(f"Listening on {quote(subject)} in group {quote(group)}")
        _serve(connection, subscription, replier, count)


def _serve(connection: Connection, subscription: Subscription, replier: _Replier, count: int) -> None:
    stop = StopSignal()
    queue = subscription.queue
    try:
        while not stop.requested and not (count and replier.answered >= count):
            if queue:
                replier.answer(queue.popleft())
                continue
            # A second at most, so that a reconnect does not keep us from stopping.
            connection.wait(1.0, other_fd=stop.fd)
            error = connection.take_error()
            if error is not None:
                console.note(f"nats: error: {error}\n")
        console.log("\nDraining...")
        connection.drain()
        while queue:
            replier.answer(queue.popleft())
        if connection.is_connected:
            connection.flush()
        console.log("Exiting")
    except KeyboardInterrupt:
        # A second signal does not wait for the rest.
        pass


class _Replier:
    """Makes the answer to a request and sends it."""

    def __init__(
        self,
        connection: Connection,
        body: str,
        program: str,
        echo: bool,
        pairs: list[tuple[str, str]],
        sleep_ns: int,
        trace: bool,
    ) -> None:
        self._connection = connection
        self._body = template_of(os.fsencode(body), "body")
        self._program = program
        self._echo = echo
        self._pairs = [(key, template_of(os.fsencode(value), "header")) for key, value in pairs]
        self._sleep_ns = sleep_ns
        self._trace = trace
        self.answered = 0

    def answer(self, message: Message) -> None:
        number = self.answered
        self.answered += 1
        console.log(f"[#{number}] Received on subject {quote(message.subject)}:")
        given = message.headers if message.header is not None else []
        for key, value in given:
            console.log(f"{key}: {value}")
        console.out(b"\n" + message.payload + b"\n")
        console.flush()
        if self._sleep_ns:
            self._connection.pause(int.from_bytes(os.urandom(7), "little") % self._sleep_ns / 1e9)
        headers = [(key, os.fsdecode(value.render(number, message.payload))) for key, value in self._pairs]
        if self._echo:
            headers += [*given, ("NATS-Reply-Counter", str(number))]
            payload = message.payload
        elif self._program:
            payload = self._run(message, number)
        else:
            payload = self._body.render(number, message.payload)
        if not self._connection.info.get("headers"):
            headers = []
        try:
            self._connection.respond(message, payload, headers)
        except BadSubject as problem:
            console.log(f"Could not publish reply: {problem}")

    def _run(self, message: Message, number: int) -> bytes:
        import shlex
        import subprocess

        line = self._program
        for place, token in enumerate(message.subject.split(".")):
            line = line.replace(f"{{{{{place}}}}}", token)
        try:
            words = shlex.split(os.fsdecode(template_of(os.fsencode(line), "command").render(number, message.payload)))
        except ValueError as problem:
            console.log(f"Could not parse command: {problem}")
            return b""
        if self._trace:
            console.log(f"Executing: {' '.join(words)}")
        environment = dict(os.environb)
        environment[b"NATS_REQUEST_SUBJECT"] = message.subject_bytes
        # An environment variable cannot hold a NUL.
        environment[b"NATS_REQUEST_BODY"] = message.payload.replace(b"\0", b"")
        try:
            done = subprocess.run(
                words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except (OSError, IndexError, ValueError) as problem:
            console.log(f"Command {quote(line)} failed to run: {problem}")
            return b""
        if done.returncode:
            console.log(f"Command {quote(line)} failed to run: exit status {done.returncode}")
        return done.stdout
