"""The server inside somebody else's program, asynchronous or not.

It listens on 127.0.0.1 and any free port unless told otherwise, and logs nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from natsd.server.options import Options
from natsd.server.server import Server as WholeServer

if TYPE_CHECKING:
    import tempfile
    import threading
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self, TypeVar

    from natsd.base.log import Log
    from natsd.monitor.site import Site
    from natsd.server.ports_file import PortsFile

    Result = TypeVar("Result")

START_TIMEOUT_S = 30.0


class Server(WholeServer):
    """A server on the running event loop, as an asynchronous context manager.

    Options are those of `natsd.server.options.Options`, by name, except for the pid file and the log, which belong to
    the program: nothing is logged unless a `log` is given. Raises natsd.base.errors.OptionsError.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = -1, log: Log | None = None, **options: Any) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        """Where streams are kept when nobody has said where: gone with the server."""
        if options.get("jetstream") and not self._has_store_dir(options):
            import tempfile

            self._folder = tempfile.TemporaryDirectory(prefix="natsd-")
            options["store_dir"] = self._folder.name
        super().__init__(Options(host=host, port=port, **options), log)
        self.main_task: asyncio.Task[Any] | None = None
        """The task that runs the server and nothing else, where there is one."""
        self._site: Site | None = None
        self._ports_file: PortsFile | None = None

    @staticmethod
    def _has_store_dir(options: dict[str, Any]) -> bool:
        block = options["jetstream"]
        return bool(options.get("store_dir") or (isinstance(block, dict) and block.get("store_dir")))

    async def start(self) -> None:
        """Serve the monitoring pages where they are wanted, then clients.

        Raises natsd.base.errors.ListenError, and OSError where the ports file cannot be written.
        """
        options = self.options
        if options.http_port or options.https_port:
            from natsd.monitor.site import Site

            tls = options.tls if options.https_port else None
            self._site = Site(self, self.log, options.http_host, options.https_port or options.http_port, tls)
            await self._site.start()
            self.monitor_url = self._site.url
        try:
            await super().start()
            self._write_ports_file()
        except BaseException:
            await self.stop()
            raise

    def _write_ports_file(self) -> None:
        if self.options.ports_file_dir:
            from natsd.server.ports_file import PortsFile, urls

            listing = {"nats": urls(self.scheme, self.host, self.port)}
            if self._site is not None:
                listing["monitoring"] = urls(self._site.scheme, self._site.host, self._site.port)
            ports_file = PortsFile(self.options.ports_file_dir)
            ports_file.write(listing)
            self._ports_file = ports_file

    async def stop(self) -> None:
        """Stop serving; idempotent."""
        await super().stop()
        if self._site is not None:
            self._site.stop()
            self._site = None
        if self._ports_file is not None:
            self._ports_file.remove()
            self._ports_file = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class ThreadedServer:
    """A server on an event loop and a thread of its own, as a context manager; see `run_in_thread`."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Task[None] | None = None
        self.server: Server | None = None
        """The server itself. Only its own thread may touch it: use `call`."""
        self.client_url = ""
        self.monitor_url = ""
        self.host = ""
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread and return when clients can connect. Raises what `Server` raises."""
        import threading

        if self._thread is not None:
            raise RuntimeError("the server is running already")
        ready = threading.Event()
        failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(ready, failures), name="natsd", daemon=True)
        self._thread.start()
        if not ready.wait(START_TIMEOUT_S):
            raise TimeoutError(f"the server did not start within {START_TIMEOUT_S:g} s")
        if failures:
            self._thread.join()
            self._thread = None
            raise failures[0]

    def stop(self) -> None:
        """Stop the server and its thread, and return when both have ended."""
        thread, loop, server = self._thread, self._loop, self.server
        if thread is None:
            return
        self._thread = None
        if loop is not None and server is not None:
            try:
                loop.call_soon_threadsafe(self._begin_to_stop, loop, server)
            except RuntimeError:
                pass  # it has stopped of its own accord
        thread.join()
        self.server = None
        self._loop = self._ending = None

    def _begin_to_stop(self, loop: asyncio.AbstractEventLoop, server: Server) -> None:
        self._ending = loop.create_task(server.stop())

    @property
    def running(self) -> bool:
        """Whether clients can be served."""
        server = self.server
        return server is not None and server.running

    def call(self, ask: Callable[[Server], Result]) -> Result:
        """What `ask` says of the server, asked in the server's own thread."""
        loop, server = self._loop, self.server
        if loop is None or server is None:
            raise RuntimeError("the server is not running")

        async def answer() -> Result:
            return ask(server)

        return asyncio.run_coroutine_threadsafe(answer(), loop).result(START_TIMEOUT_S)

    def _run(self, ready: threading.Event, failures: list[BaseException]) -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001  (whatever it is, it belongs to the thread that waits)
            failures.append(error)
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        server = Server(**self._options)
        server.main_task = asyncio.current_task()
        await server.start()
        self._loop = asyncio.get_running_loop()
        self.server = server
        self.client_url = server.client_url
        self.monitor_url = server.monitor_url
        self.host = server.host
        self.port = server.port
        ready.set()
        await server.wait_stopped()


def run_in_thread(**options: Any) -> ThreadedServer:
    """A server for programs without an event loop: `with natsd.run_in_thread() as server: ... server.client_url`.

    Options as for `Server`.
    """
    return ThreadedServer(**options)


def new_loop() -> asyncio.AbstractEventLoop:
    """The fastest event loop there is on this machine."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
