"""`nats publish` to a stream: with acks, as an atomic batch, and with the headers of schedules."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import click

from natsd.cli import console
from natsd.cli.nats.messages.body import template_of
from natsd.cli.nats.messages.publish import Publisher
from natsd.cli.times import SECOND_NS, parse_time_ns, render_time
from natsd.cli.values import comma, go_duration, quote
from natsd.client.jetstream import read_answer
from natsd.client.nuid import new_nuid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from natsd.client.jetstream import JetStream

    Pairs = list[tuple[str, str]]


class StreamPublisher(Publisher):
    """Waits for the ack of each message and says where it is."""

    def __init__(self, *args: Any, js: JetStream, as_json: bool) -> None:
        super().__init__(*args)
        self._js = js
        self._tells_all = as_json
        self._ack: dict[str, Any] = {}

    def _publish(self, subject: bytes, payload: bytes, headers: Pairs, watched: bool) -> None:
        self._ack = self._js.publish(os.fsdecode(subject), payload, headers)

    def _tell(self, quiet: bool) -> None:
        ack = self._ack
        if self._tells_all:
            console.out_text(json.dumps(ack, ensure_ascii=False) + "\n")
            console.flush()
            return
        if quiet:
            return
        words = f"Stored in Stream: {ack.get('stream', '')} Sequence: {comma(int(ack.get('seq') or 0))}"
        if ack.get("domain"):
            words += f" Domain: {quote(str(ack['domain']))}"
        if ack.get("duplicate"):
            words += " Duplicate: true"
        if ack.get("val"):
            words += f" Counter Value: {ack['val']}"
        console.log(words)

    def run_batch(self, bodies: Iterable[bytes], quiet: bool) -> None:
        """Publish all of them as one batch."""
        batch_id = new_nuid(self._connection.chance)
        before: tuple[bytes, bytes, Pairs] | None = None
        count = 0
        for raw in bodies:
            if before is not None:
                subject, payload, headers = before
                self._connection.publish(subject, payload, headers=headers)
            count += 1
            subject, payload, headers = self._render(template_of(raw, "body", self._templates))
            headers += [("Nats-Batch-Id", batch_id), ("Nats-Batch-Sequence", str(count))]
            before = (subject, payload, headers)
            if not quiet:
                console.log(f"Adding {len(payload)} bytes to batch on subject {quote(os.fsdecode(subject))}")
        if before is None:
            raise click.UsageError("no messages to publish in the batch")
        subject, payload, headers = before
        headers.append(("Nats-Batch-Commit", "1"))
        ack = read_answer(self._connection.request(os.fsdecode(subject), payload, headers, self._js.timeout_s).payload)
        if self._tells_all:
            self._ack = ack
            self._tell(quiet)
        elif not quiet:
            stored = int(ack.get("count") or count)
            sequence = comma(int(ack.get("seq") or 0))
            console.log(f"Wrote batch ID: {batch_id} Messages: {comma(stored)} Sequence: {sequence}")


def schedule(at: str, after_ns: int, every_ns: int, cron: str, target: str, source: str, ttl_ns: int) -> Pairs:
    """The headers that make a message a schedule. Raises a usage error."""
    if not target:
        raise click.UsageError("--schedule-dest is required for a schedule")
    if sum(map(bool, (at, after_ns, every_ns, cron))) != 1:
        raise click.UsageError(
            "a schedule has one of --schedule-at, --schedule-after, --schedule-every, --schedule-cron"
        )
    if at:
        moment = parse_time_ns(at)
        if moment is None:
            raise click.UsageError(f'"{at}" is no time, write it as 2026-01-02T15:04:05Z')
        pattern = f"@at {render_time(moment // SECOND_NS * SECOND_NS)}"
    elif after_ns:
        pattern = f"@at {render_time((time.time_ns() + after_ns) // SECOND_NS * SECOND_NS)}"
    elif every_ns:
        pattern = f"@every {go_duration(every_ns)}"
    else:
        pattern = cron
    pairs = [("Nats-Schedule", pattern), ("Nats-Schedule-Target", target)]
    if ttl_ns:
        pairs.append(("Nats-Schedule-TTL", go_duration(ttl_ns)))
    if source:
        pairs.append(("Nats-Schedule-Source", source))
    return pairs
