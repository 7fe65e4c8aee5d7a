"""Runs the clients of a benchmark, each in a process of its own, and draws their progress.

A client talks to us through a pipe, in lines: ``ready``, ``at N``, ``done MESSAGES BYTES START END LATENCIES`` with the
latencies behind it as 64-bit numbers, ``fail CODE TEXT``. All clients of a crew start when we close a pipe they read.
"""

from __future__ import annotations

import os
import select
import signal
import time
from array import array
from typing import TYPE_CHECKING

from natsd.cli.exit_codes import CommandFailed, exit_code_of, line_of
from natsd.cli.nats.bench.bench_clients import raise_error
from natsd.cli.nats.bench.bench_results import Sample
from natsd.client.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from natsd.cli.nats.bench.bench_clients import Client
    from natsd.cli.nats.settings import Settings
    from natsd.cli.progress import Progress

PROGRESS_NS = 50_000_000


class _Worker:
    def __init__(self, pid: int, fd: int, client: Client) -> None:
        self.pid = pid
        self.fd = fd
        self.client = client
        self.buffer = bytearray()
        self.is_ready = False
        self.sample: Sample | None = None


class Crew:
    """Clients that start together. Use as a context manager: at its end no process is left."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._workers: list[_Worker] = []
        self._go_read, self._go_write = os.pipe()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            try:
                os.kill(worker.pid, signal.SIGTERM)
            except ProcessLookupError:
                # It has ended already.
                pass
        for worker in self._workers:
            os.close(worker.fd)
            os.waitpid(worker.pid, 0)
        os.close(self._go_read)
        if self._go_write >= 0:
            os.close(self._go_write)

    def start(self, client: Client) -> None:
        """Fork a process for the client; it connects, subscribes, says ``ready`` and waits for `go`."""
        read_end, write_end = os.pipe()
        # A signal that comes in the middle of it waits: a client that has just begun would lose it, and we would not
        # know of the client yet.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            pid = os.fork()
            if pid == 0:
                os.close(read_end)
                os.close(self._go_write)
                for worker in self._workers:
                    os.close(worker.fd)
                _live(self._settings, client, self._go_read, write_end, mask)
            self._workers.append(_Worker(pid, read_end, client))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(write_end)

    def wait_ready(self) -> None:
        self._listen(lambda worker: worker.is_ready, None)

    def go(self) -> None:
        os.close(self._go_write)
        self._go_write = -1

    def wait_done(self, progress: Progress | None) -> list[Sample]:
        """The samples in the order of the clients. Raises CommandFailed."""
        self._listen(lambda worker: worker.sample is not None, progress)
        return [worker.sample for worker in self._workers if worker.sample is not None]

    def _listen(self, is_done: Callable[[_Worker], bool], progress: Progress | None) -> None:
        poll = select.poll()
        waiting = {}
        for worker in self._workers:
            if not is_done(worker):
                waiting[worker.fd] = worker
                poll.register(worker.fd, select.POLLIN)
        while waiting:
            for fd, _ in poll.poll():
                worker = waiting[fd]
                data = os.read(fd, 1 << 20)
                if not data:
                    raise CommandFailed("a benchmark client ended before it was done", 1)
                worker.buffer += data
                self._take(worker, progress)
                if is_done(worker):
                    del waiting[fd]
                    poll.unregister(fd)

    def _take(self, worker: _Worker, progress: Progress | None) -> None:
        buffer = worker.buffer
        while (end := buffer.find(b"\n")) >= 0:
            words = bytes(buffer[:end]).split(b" ")
            if words[0] == b"done":
                messages, size, start, finish, count = map(int, words[1:])
                if len(buffer) < end + 1 + 8 * count:
                    return
                latencies = array("Q")
                latencies.frombytes(bytes(buffer[end + 1 : end + 1 + 8 * count]))
                worker.sample = Sample(messages, size, start, finish, latencies)
                buffer.clear()
                if progress is not None:
                    progress.update(self._workers.index(worker), worker.client.count, "Finished")
                return
            del buffer[: end + 1]
            if words[0] == b"fail":
                raise CommandFailed(b" ".join(words[2:]).decode("utf-8", "replace"), int(words[1]))
            if words[0] == b"ready":
                worker.is_ready = True
            elif progress is not None:
                progress.update(self._workers.index(worker), int(words[1]))


def _live(settings: Settings, client: Client, go: int, out: int, mask: Iterable[int]) -> None:
    """The life of a client process, with this signal mask; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = _work(settings, client, go, out)
    except KeyboardInterrupt:
        code = 130
    except Exception as problem:  # noqa: BLE001 (the parent prints it)
        os.write(out, f"fail {code} {type(problem).__name__}: {problem}\n".encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _work(settings: Settings, client: Client, go: int, out: int) -> int:

    last = time.monotonic_ns()

    def progress(done: int) -> None:
        nonlocal last
        now = time.monotonic_ns()
        if now - last >= PROGRESS_NS:
            last = now
            os.write(out, b"at %d\n" % done)

    try:
        connection = settings.connect(reconnect=False)
        client.prepare(connection)
        connection.flush()
        raise_error(connection)
        os.write(out, b"ready\n")
        os.read(go, 1)
        sample = client.run(connection, progress)
        raise_error(connection)
    except ClientError as problem:
        os.write(out, f"fail {exit_code_of(problem)} {line_of(problem)}\n".encode("utf-8", "replace"))
        return 1
    head = b"done %d %d %d %d %d\n" % (
        sample.messages,
        sample.bytes,
        sample.start_ns,
        sample.end_ns,
        len(sample.latencies),
    )
    view = memoryview(head + array("Q", sample.latencies).tobytes())
    while view:
        view = view[os.write(out, view) :]
    return 0


def run_crew(settings: Settings, crews: Sequence[Sequence[Client]], show_progress: bool) -> list[list[Sample]]:
    """Run groups of clients; a later group starts when the earlier ones are ready. Samples per group."""
    from natsd.cli.progress import Progress

    with Crew(settings) as crew:
        for group in crews:
            for client in group:
                crew.start(client)
            crew.wait_ready()
        progress = None
        if show_progress:
            everyone = [client for group in crews for client in group]
            progress = Progress([client.count for client in everyone], [client.state for client in everyone])
        crew.go()
        samples = crew.wait_done(progress)
        if progress is not None:
            progress.finish()
    out = []
    for group in crews:
        out.append(samples[: len(group)])
        samples = samples[len(group) :]
    return out
