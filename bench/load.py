"""The load generator: processes that publish and receive with C loops, arranged in shapes, and what one run gave.

A run: every process connects and subscribes; a short warm-up goes over the same connections; then the publishers send
for a fixed time, the receivers count until the last message has come. The clock runs from the first send to the last
receipt, so what a server holds back is not a gain. Every message is accounted for, or the run fails.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import random
import resource
import socket
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from natsd.kernel._native_load import Tally, publish, receive

from bench.servers import Server, expect, machine_busy_seconds

BLOCK_BYTES = 65536
GOAL = 0  # slot of the shared counters: how many deliveries end the run, negative while nobody knows
Act = Callable[[float], Any]
Prepare = Callable[[], Act]
FORK = multiprocessing.get_context("fork")


class Sample:
    """One measured value; `details` holds what explains it (seconds of CPU, share of a core)."""

    def __init__(self, value: float, **details: float) -> None:
        self.value = value
        self.details = details


class Shape:
    """Who publishes what to whom.

    `subscriptions` holds one (subject, queue or None) per receiving connection; `fan_out` is the number of deliveries
    that one message becomes; the connections are spread over `receiver_processes`.
    """

    def __init__(
        self,
        *,
        size: int = 16,
        publishers: int = 1,
        subjects: Sequence[bytes] = (b"bench",),
        subscriptions: Sequence[tuple[bytes, bytes | None]] = (),
        fan_out: int = 0,
        receiver_processes: int = 1,
    ) -> None:
        self.size = size
        self.publishers = publishers
        self.subjects = subjects
        self.subscriptions = subscriptions
        self.fan_out = fan_out
        self.receiver_processes = receiver_processes if subscriptions else 0

    def block(self, verb: bytes) -> tuple[bytes, int]:
        """The bytes that a publisher repeats, and the frames in them: subjects in a fixed shuffle."""
        payload = bytes(97 + i % 26 for i in range(self.size)) + b"\r\n"
        subjects = list(self.subjects)
        random.Random(1).shuffle(subjects)
        block = b"".join(verb % (subject, self.size) + payload for subject in subjects)
        repeats = max(1, BLOCK_BYTES // len(block))
        return block * repeats, len(subjects) * repeats


class Settings:
    """How long and how carefully to run; the same for every server."""

    def __init__(self, seconds: float = 1.0, warm_s: float = 0.2, window: int = 0, pin: bool = False) -> None:
        self.seconds = seconds
        self.warm_s = warm_s
        self.window = window
        self.generator_cpu = 1 if pin else None
        self.server_cpu = 0 if pin else None


class Crew:
    """Forked processes that share counters and take one order at a time; ended by their pids."""

    def __init__(self, slots: int, cpu: int | None) -> None:
        self.tally = Tally(mmap.mmap(-1, 64 * slots))
        self._cpu = cpu
        self._members: list[tuple[Any, Connection]] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *exception: object) -> None:
        for process, orders in self._members:
            orders.close()
            process.join(0.5)
            if process.is_alive():
                process.kill()
                process.join()

    def hire(self, prepare: Prepare) -> int:
        """Start a process; `prepare` connects there and returns what each order calls; the number of the process."""
        here, there = FORK.Pipe()
        others = [orders for _, orders in self._members] + [here]
        process = FORK.Process(target=_serve, args=(there, others, prepare, self._cpu), daemon=True)
        process.start()
        there.close()
        self._members.append((process, here))
        self.answer(len(self._members) - 1)
        return len(self._members) - 1

    def order(self, member: int, amount: float) -> None:
        self._members[member][1].send(amount)

    def answer(self, member: int) -> Any:
        """Wait for what an order gave: (result, seconds of CPU)."""
        orders = self._members[member][1]
        if not orders.poll(120):
            raise TimeoutError("a load generator process does not answer")
        result = orders.recv()
        if isinstance(result, Exception):
            raise result
        return result


def _serve(orders: Connection, others: list[Connection], prepare: Prepare, cpu: int | None) -> None:
    for other in others:
        other.close()
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        act = prepare()
        orders.send(None)
        while True:
            amount = orders.recv()
            before = resource.getrusage(resource.RUSAGE_SELF)
            result = act(amount)
            after = resource.getrusage(resource.RUSAGE_SELF)
            cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            orders.send((result, cpu_s))
    except EOFError:
        pass
    except Exception as error:  # noqa: BLE001 (the parent raises it)
        orders.send(error)


def run_shape(server: Server, shape: Shape, settings: Settings) -> Sample:
    """Messages per second (deliveries, where there are receivers) that a server moves."""
    publisher_slots = (1, shape.publishers)
    receiver_slots = (1 + shape.publishers, shape.receiver_processes)
    with Crew(sum(receiver_slots), settings.generator_cpu) as crew:
        receivers = [
            crew.hire(_receiver(crew.tally, server, shape, settings, receiver_slots, number))
            for number in range(shape.receiver_processes)
        ]
        publishers = [
            crew.hire(publishing(crew.tally, server.connect, shape, settings, slot, publisher_slots, receiver_slots))
            for slot in range(1, 1 + shape.publishers)
        ]
        conduct(crew, publishers, receivers, shape.fan_out, settings.warm_s)
        return conduct(crew, publishers, receivers, shape.fan_out, settings.seconds, server)


def conduct(
    crew: Crew, publishers: list[int], receivers: list[int], fan_out: int, seconds: float, server: Server | None = None
) -> Sample:
    """One run over the connections that a crew has; see the top of this file."""
    for slot in range(crew.tally.slots):
        crew.tally[slot] = 0
    crew.tally[GOAL] = -1
    server_cpu_s = server.cpu_seconds() if server else 0.0
    machine_s = machine_busy_seconds()
    for member in receivers + publishers:
        crew.order(member, seconds)
    sent = [crew.answer(member) for member in publishers]
    messages = sum(result[0] for result, _ in sent)
    crew.tally[GOAL] = messages * fan_out
    got = [crew.answer(member) for member in receivers]
    machine_s = machine_busy_seconds() - machine_s
    server_cpu_s = server.cpu_seconds() - server_cpu_s if server else 0.0

    deliveries = sum(sum(counts) for (counts, *_), _ in got)
    if deliveries != messages * fan_out:
        raise RuntimeError(f"{messages * fan_out} deliveries were due, {deliveries} came")
    began = min(first for (_, first, _), _ in sent)
    ended = max(result[-1] for result, _ in got or sent)
    elapsed_s = (ended - began) / 1e9
    units = deliveries or messages
    generator_cpu_s = sum(cpu_s for _, cpu_s in sent + got)
    return Sample(
        units / elapsed_s,
        messages=messages,
        elapsed_s=elapsed_s,
        server_ns_per_message=server_cpu_s / units * 1e9,
        server_cores=server_cpu_s / elapsed_s,
        publisher_cores=max(cpu_s for _, cpu_s in sent) / elapsed_s,
        receiver_cores=max((cpu_s for _, cpu_s in got), default=0.0) / elapsed_s,
        generator_cores=generator_cpu_s / elapsed_s,
        others_cores=max(0.0, (machine_s - server_cpu_s - generator_cpu_s) / elapsed_s),
        spread=_spread([count for (counts, *_), _ in got for count in counts]),
    )


def _spread(counts: list[int]) -> float:
    """The busiest receiver's messages over the idlest one's: 1 in a fan-out, near 1 in a fair queue group."""
    return max(counts) / max(1, min(counts)) if counts else 1.0


def publishing(
    tally: Tally,
    connect: Callable[[], socket.socket],
    shape: Shape,
    settings: Settings,
    slot: int,
    publisher_slots: tuple[int, int],
    receiver_slots: tuple[int, int],
    verb: bytes = b"PUB %b %d\r\n",
) -> Prepare:
    """A process that publishes on its own connection for as long as it is told, and sees the server take it all."""

    def prepare() -> Act:
        block, frames = shape.block(verb)
        connection = connect()

        def act(seconds: float) -> tuple[int, int, int]:
            window = {}
            if settings.window and shape.fan_out:
                window = {"window": max(settings.window, frames), "fan_out": shape.fan_out}
            messages, first_ns, _ = publish(
                connection.fileno(),
                block,
                frames,
                tally,
                slot,
                duration_ns=int(seconds * 1e9),
                publishers=publisher_slots,
                receivers=receiver_slots,
                **window,
            )
            # The answer to a PING says that the server has taken everything before it.
            connection.sendall(b"PING\r\n")
            expect(connection, b"PONG\r\n")
            return messages, first_ns, time.monotonic_ns()

        return act

    return prepare


def _receiver(
    tally: Tally, server: Server, shape: Shape, settings: Settings, slots: tuple[int, int], number: int
) -> Prepare:
    def prepare() -> Act:
        mine = shape.subscriptions[number :: shape.receiver_processes]
        connections = []
        for sid, (subject, queue) in enumerate(mine, 1):
            connection = server.connect()
            connection.sendall(b"SUB %b %b %d\r\nPING\r\n" % (subject, queue or b"", sid))
            expect(connection, b"PONG\r\n")
            connections.append(connection)
        return receiving(connections, tally, slots, number)

    return prepare


def receiving(connections: list[socket.socket], tally: Tally, slots: tuple[int, int], number: int) -> Act:
    """What a receiver process does with an order: count on its connections until the whole group has got everything."""

    def act(seconds: float) -> tuple[list[int], int, int, int]:
        fds = [connection.fileno() for connection in connections]
        deadline_ns = time.monotonic_ns() + int((5 * seconds + 30) * 1e9)
        result: tuple[list[int], int, int, int] = receive(fds, tally, slots[0] + number, GOAL, deadline_ns, group=slots)
        return result

    return act
