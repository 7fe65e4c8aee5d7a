"""What a program has around its server and a reload changes: the log, the pid and ports files, monitoring's TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.errors import OptionsError
from natsd.server.apply import Surroundings

if TYPE_CHECKING:
    from natsd.base.log import Sink
    from natsd.cli.server_main import Program
    from natsd.server.options import Options

SINK = frozenset(("log_file", "syslog", "remote_syslog"))


class ProgramSurroundings(Surroundings):
    """Those of `nats-server`, for one reload."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._sink: Sink | None = None

    def prepare(self, options: Options, changed: set[str]) -> None:
        from natsd.cli.server_main import make_sink, reason

        if changed & SINK:
            try:
                self._sink = make_sink(options)
            except OSError as error:
                raise OptionsError(f"error opening file: {reason('open', error)}") from None
        site = self._program.site
        if site is not None and options.tls is not None and "tls" in changed:
            site.renew(options.tls)

    def on_change(self, name: str, old: Options) -> None:
        program = self._program
        if name == "pid_file":
            trouble = program.pid_file_trouble()
            if trouble:
                program.log.error(f"Failed to write pidfile: {trouble}")
        elif name == "ports_file_dir":
            program.remove_ports_file()
            program.ports_file = None
            program.write_ports_file()

    def on_log_change(self) -> None:
        from natsd.cli.server_main import use_sink

        log, options = self._program.log, self._program.server.options
        before = log.sink
        use_sink(log, self._sink or before, options)
        log.debugging, log.tracing = options.debug, options.trace
        if log.sink is not before:
            before.close()
