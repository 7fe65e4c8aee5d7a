"""`nats-server`: the server as a program, from its command line to its exit status.

What is imported here decides how soon clients can connect, so everything that not every start needs is imported late.
The order of a start, which the log shows and wrappers rely on:

1. flags, options, log file; what is wrong with them is one line on stderr and status 1, before anything is logged;
2. who we are; pid file; monitoring; clients; ports file; "Server is ready";
3. from a failure in 2 on, the reason is one FTL line and the status 1.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from natsd.base.errors import ListenError, OptionsError, StorageError
from natsd.base.version import NATS_VERSION, VERSION
from natsd.cli.server_flags import PROGRAM, FlagError, parse, usage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from natsd.base.log import Log, Sink
    from natsd.cli.server_flags import CommandLine
    from natsd.monitor.site import Site
    from natsd.server.options import Options
    from natsd.server.ports_file import PortsFile
    from natsd.server.server import Server

PID_FILE_MODE = 0o600
GC_THRESHOLDS = (10_000, 5, 100)
"""A server keeps most of what it makes: looking through it often costs pauses and finds nothing."""


class StartError(Exception):
    """The server cannot start; the text is the fatal line of the log."""


def main() -> int:
    """The console script. Returns the exit status."""
    gc.disable()
    try:
        line = parse(sys.argv[1:])
    except FlagError as error:
        return refuse(str(error))
    if line.signal:
        return signal_servers(line.signal)
    if line.fsck:
        from natsd.store import fsck

        return fsck.main([line.fsck])
    if line.show_help_tls:
        from natsd.cli.help_tls import text

        return say(text())
    if line.show_version or line.show_help:
        return say(version(bool(line.options.get("debug"))) if line.show_version else usage())

    import signal

    # An interrupt while modules are still being loaded ends the program, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if line.check_config and not line.config_file:
        return refuse(f"{PROGRAM}: -t checks a configuration file; name one with -c")
    try:
        options = make_options(line)
        if line.check_config:
            tell(f"{PROGRAM}: configuration file {options.config_file} is valid ({options.config_digest})")
            return 0
        program = Program(options, line)
    except OptionsError as error:
        return refuse(*f"{PROGRAM}: {error.kind}{error}".split("\n"))
    except OSError as error:
        return refuse(f"{PROGRAM}: error opening file: {reason('open', error)}")
    from natsd.embed import new_loop

    raise_file_limit()
    loop = new_loop()
    try:
        return loop.run_until_complete(program.run())
    finally:
        loop.close()


def signal_servers(request: str) -> int:
    """Do what `--signal` says and no more."""
    from natsd.cli.server_signal import SignalError, send

    try:
        send(request)
    except SignalError as error:
        return refuse(*f"{PROGRAM}: {error}".split("\n"))
    return 0


def say(text: str) -> int:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader had enough; without this the interpreter would complain when it flushes again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def tell(*lines: str) -> None:
    from natsd.base.log import clean

    sys.stderr.write("".join(clean(line) + "\n" for line in lines))


def refuse(*lines: str) -> int:
    tell(*lines)
    return 1


def reason(verb: str, error: OSError) -> str:
    """Why something could not be done to a file, as Go words it."""
    return f"{verb} {error.filename}: {(error.strerror or str(error)).lower()}"


def version(detailed: bool) -> str:
    """The text of `-v`; its first line is what tools look for."""
    text = f"{PROGRAM}: v{NATS_VERSION}\n"
    return text + (f"natsd: {about()}" if detailed else f"natsd: v{VERSION} ({kernel_form()} kernel)")


def kernel_form() -> str:
    from natsd.kernel import FORM

    return FORM


def about() -> str:
    """What runs, in one line."""
    loop = "asyncio"
    try:
        import uvloop

        loop = f"uvloop {getattr(uvloop, '__version__', '')}"
    except ImportError:
        # Not every platform has it; asyncio's own loop runs then.
        pass
    python = ".".join(map(str, sys.version_info[:3]))
    return f"v{VERSION}, {kernel_form()} kernel, {loop}, {sys.implementation.name} {python} on {sys.platform}"


def raise_file_limit() -> None:
    """Allow as many open files, which is to say connections, as the system lets us have."""
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ImportError, ValueError, OSError):
        pass  # some systems have no such limit, or a lower one than they say


def make_options(line: CommandLine) -> Options:
    """Options of the flags, and of the configuration file where one is named. Raises OptionsError."""
    from natsd.server.options import Options

    flags = line.given
    if line.config_file:
        return read_config(line, flags)
    options = Options(**flags)  # type: ignore[arg-type]
    options.check()
    return options


def read_config(line: CommandLine, flags: dict[str, object], warn: Callable[[str], None] | None = None) -> Options:
    """Options of the file, and of flags before it. warn: who is told what is doubtful instead of standard error."""
    from natsd.config.problems import ConfigError
    from natsd.server import configure

    try:
        configuration = configure.load_file(line.config_file)
    except OSError as error:
        raise OptionsError(reason("open", error)) from None
    if configuration.warnings:
        warnings = ConfigError(configuration.warnings)
        # Who checks a file wants to hear of everything; who starts a server wants it to run.
        if line.check_config:
            raise warnings
        for text in str(warnings).split("\n"):
            (warn or tell)(text)
    return configure.make_options(configuration, flags)


def make_sink(options: Options) -> Sink:
    """Where the log goes. Raises OSError when its file cannot be opened, and OptionsError for syslog."""
    from natsd.base.log import Descriptor, LogFile

    if options.log_file:
        return LogFile(options.log_file, options.log_size_limit, options.log_max_files)
    if options.remote_syslog or options.syslog:
        from natsd.net.syslog import Syslog

        return Syslog(options.remote_syslog)
    return Descriptor(2)


def use_sink(log: Log, sink: Sink, options: Options) -> None:
    """Have the log written there, laid out by the options."""
    from natsd.base.log import Descriptor

    colors = type(sink) is Descriptor and sink.is_terminal()
    log.use(sink, logtime=options.logtime, utc=options.logtime_utc, colors=colors)


def make_log(options: Options) -> Log:
    """Raises OSError when the log file cannot be opened, and OptionsError for syslog."""
    from natsd.base.clock import SystemClock
    from natsd.base.log import Log

    sink = make_sink(options)
    log = Log(sink, SystemClock.wall_ns, pid=os.getpid(), debug=options.debug, trace=options.trace)
    use_sink(log, sink, options)
    return log


class Program:
    """One run of the server: what is around it, and the signals."""

    def __init__(self, options: Options, line: CommandLine) -> None:
        """Raises OSError for the log file, and OptionsError."""
        from natsd.server.server import Server

        self.options = options
        self.line = line
        self.log = make_log(options)
        self.server: Server = Server(self.options, self.log)
        if self.server.system is not None:
            self.server.system.on_reload = self.reload
        self.site: Site | None = None
        self.ports_file: PortsFile | None = None
        self.stop_asked = False
        self.stopping: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """From the first line of the log to the last; the exit status."""
        import asyncio

        asyncio.get_running_loop().set_exception_handler(self.on_surprise)
        try:
            self.introduce()
            self.handle_signals()
            self.write_pid_file()
            await self.start_monitoring()
            await self.start_server()
        except StartError as error:
            self.log.fatal(str(error))
            return 1
        self.write_ports_file()
        self.log.notice("Server is ready")
        self.settle_memory()
        if self.stop_asked:
            self.on_interrupt()
        await self.server.wait_stopped()
        if self.site is not None:
            self.site.stop()
        self.remove_ports_file()
        self.log.close()
        return 0

    # Starting.

    def introduce(self) -> None:
        log, server = self.log, self.server
        log.notice(f"Starting {PROGRAM}")
        log.notice(f"  Version:  {NATS_VERSION}")
        log.notice("  Git:      [not set]")
        self.tell_kernel()
        log.notice(f"  Name:     {server.name}")
        log.notice(f"  ID:       {server.id}")
        if self.options.config_file:
            log.notice(f"Using configuration file: {self.options.config_file} ({self.options.config_digest})")

    def tell_kernel(self) -> None:
        """Say which kernel runs; aloud where it is the slow one, and as a warning where nobody asked for that."""
        log = self.log
        if kernel_form() == "native":
            if log.debugging:
                log.debug(f"  natsd:    {about()}")
        elif os.environ.get("NATSD_PLAIN") == "1":
            log.notice(f"  natsd:    {about()}")
        else:
            log.warn(f"  natsd:    {about()}; without a native kernel messages move several times slower")

    def write_pid_file(self) -> None:
        trouble = self.pid_file_trouble()
        if trouble:
            raise StartError(f"Could not write pidfile: {trouble}")

    def pid_file_trouble(self) -> str:
        """Write the pid file where one is wanted; returns why it could not be, or nothing."""
        path = self.server.options.pid_file
        if not path:
            return ""
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PID_FILE_MODE)
            with open(fd, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        except OSError as error:
            return reason("open", error)
        return ""

    async def start_monitoring(self) -> None:
        options = self.options
        if options.http_port or options.https_port:
            from natsd.monitor.site import Site

            tls = options.tls if options.https_port else None
            self.site = Site(self.server, self.log, options.http_host, options.https_port or options.http_port, tls)
            try:
                await self.site.start()
            except ListenError as error:
                raise StartError(f"Can't start monitoring: can't listen to the monitor port: {error}") from error
            self.server.monitor_url = self.site.url

    async def start_server(self) -> None:
        from natsd.base.log import quote
        from natsd.net.listener import join_host_port

        try:
            await self.server.start()
        except ListenError as error:
            where = join_host_port(self.options.host, max(self.options.port, 0))
            raise StartError(f"Error listening on port: {where}, {quote(str(error))}") from error
        except StorageError as error:
            raise StartError(f"Can't start JetStream: {error}") from error

    def write_ports_file(self) -> None:
        folder = self.server.options.ports_file_dir
        if not folder:
            return
        from natsd.server.ports_file import PortsFile, urls

        listing = {"nats": urls(self.server.scheme, self.server.host, self.server.port)}
        if self.site is not None:
            listing["monitoring"] = urls(self.site.scheme, self.site.host, self.site.port)
        self.ports_file = PortsFile(folder)
        try:
            self.ports_file.write(listing)
        except OSError as error:
            self.log.error(f"Error writing ports file ({self.ports_file.path}): {reason('open', error)}")
            self.ports_file = None

    def remove_ports_file(self) -> None:
        if self.ports_file is not None:
            try:
                self.ports_file.remove()
            except OSError as error:
                self.log.error(f"Error cleaning up ports file {self.ports_file.path}: {reason('remove', error)}")

    @staticmethod
    def settle_memory() -> None:
        """What was loaded stays for good: the collector need not look at it again."""
        if hasattr(gc, "freeze"):
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()

    def on_surprise(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Something went wrong in a callback of the event loop, where nobody else hears of it."""
        error = context.get("exception")
        text = f"{context.get('message')}: {error!r}"
        if isinstance(error, BaseException):
            from traceback import extract_tb

            text += "".join(f", {frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-3:])
        self.log.error(text)

    # Signals.

    def handle_signals(self) -> None:
        import asyncio
        import signal

        loop = asyncio.get_running_loop()
        for number, name, react in (
            (signal.SIGINT, "interrupt", self.on_interrupt),
            (signal.SIGTERM, "terminated", self.on_terminate),
            (signal.SIGUSR1, "user defined signal 1", self.on_reopen),
            (signal.SIGUSR2, "user defined signal 2", self.on_lame_duck),
            (signal.SIGHUP, "hangup", self.on_reload),
        ):
            loop.add_signal_handler(number, self.trap, name, react)

    def trap(self, name: str, react: Callable[[], None]) -> None:
        self.log.notice(f'Trapped "{name}" signal')
        react()

    def on_interrupt(self) -> None:
        import asyncio

        self.stop_asked = True
        if self.stopping is None and self.server.running:
            self.stopping = asyncio.get_running_loop().create_task(self.server.stop())

    def on_terminate(self) -> None:
        # A server that goes lame ends by itself, after its clients had their time to leave.
        if not self.server.lame:
            self.on_interrupt()

    def on_lame_duck(self) -> None:
        self.server.start_lame_duck()

    def on_reopen(self) -> None:
        from natsd.base.log import LogFile

        sink = self.log.sink
        if not isinstance(sink, LogFile):
            self.log.notice("File log re-open ignored, not a file logger")
            return
        try:
            sink.reopen()
        except OSError as error:
            self.log.error(f"File log not re-opened: {reason('open', error)}")
        else:
            self.log.notice("File log re-opened")

    def on_reload(self) -> None:
        if not self.server.running:
            return
        try:
            self.reload()
        except OptionsError as error:
            for text in f"Failed to reload server configuration: {error}".split("\n"):
                self.log.error(text)

    def reload(self) -> None:
        """Read the configuration file again and go by it. Raises OptionsError, and then nothing has changed."""
        if not self.line.config_file:
            raise OptionsError("can only reload config when a file is provided using -c or --config")
        from natsd.cli.surroundings import ProgramSurroundings

        options = read_config(self.line, self.line.given, self.log.warn)
        self.server.reload(options, ProgramSurroundings(self))
        self.options = options
