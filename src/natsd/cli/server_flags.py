"""The flags of `nats-server`: one table for the parser, the usage text and the options they set.

The grammar is that of Go's flag package, because scripts and supervisors written for the Go server are full of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.log import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROGRAM = "nats-server"


class FlagError(Exception):
    """The command line cannot be used; the text is the one line to show."""


class Flag:
    """One option with all its names. `sets` is an attribute of Options, or a name the program itself understands."""

    __slots__ = ("names", "kind", "sets", "section", "placeholder", "help")

    def __init__(self, names: str, kind: str, sets: str, section: str, placeholder: str, help: str) -> None:
        self.names = names.split()
        self.kind = kind
        self.sets = sets
        self.section = section
        self.placeholder = placeholder
        self.help = help


SIGNAL_HELP = "Tell a server: ldm, stop, quit, term, reopen or reload"

FLAGS = [
    Flag("a addr net", "text", "host", "Server", "host", "Address to listen on (0.0.0.0)"),
    Flag("p port", "int", "port", "Server", "port", "Port for clients (4222), -1 for any free one"),
    Flag("c config", "text", "config_file", "Server", "file", "Read this configuration file; flags go before it"),
    Flag("t", "bool", "check_config", "Server", "", "Check the configuration file and exit"),
    Flag("n name server_name", "text", "server_name", "Server", "name", "Name of this server (its ID)"),
    Flag("P pid", "text", "pid_file", "Server", "file", "Write the process ID to this file"),
    Flag("m http_port", "int", "http_port", "Server", "port", "Serve monitoring pages on this port, -1 for any"),
    Flag("ms https_port", "int", "https_port", "Server", "port", "Serve them under TLS on this port instead"),
    Flag(
        "ports_file_dir", "text", "ports_file_dir", "Server", "dir", "Write nats-server_<pid>.ports with all URLs here"
    ),
    Flag(
        "client_advertise", "text", "client_advertise", "Server", "host:port", "Address to tell clients instead of ours"
    ),
    Flag("sl signal", "text", "signal", "Server", "signal[=pid]", SIGNAL_HELP),
    Flag("js jetstream", "bool", "jetstream", "JetStream", "", "Keep streams"),
    Flag("sd store_dir", "text", "store_dir", "JetStream", "dir", "Folder that streams are kept in"),
    Flag("fsck", "text", "fsck", "JetStream", "dir", "Check such a folder, say what is in it, and exit"),
    Flag("l log", "text", "log_file", "Logging", "file", "Append the log to this file, not to stderr"),
    Flag("T logtime", "bool", "logtime", "Logging", "", "Date and time on every line (true)"),
    Flag("logtime_utc", "bool", "logtime_utc", "Logging", "", "Date and time in UTC, not in local time"),
    Flag("s syslog", "bool", "syslog", "Logging", "", "Log to syslog"),
    Flag("r remote_syslog", "text", "remote_syslog", "Logging", "addr", "Log to a syslog server, udp://localhost:514"),
    Flag("log_size_limit", "int", "log_size_limit", "Logging", "bytes", "Begin a new log file above this size"),
    Flag("D debug", "bool", "debug", "Logging", "", "Log what connections do"),
    Flag("V trace", "bool", "trace", "Logging", "", "Log every protocol line"),
    Flag("DV", "bool", "debug_and_trace", "Logging", "", "Both of these"),
    Flag("VV", "bool", "verbose_trace", "Logging", "", "Log every protocol line, internal ones too"),
    Flag("DVV", "bool", "debug_and_verbose_trace", "Logging", "", "Debug and all protocol lines"),
    Flag("max_traced_msg_len", "int", "max_traced_msg_len", "Logging", "bytes", "Cut traced payloads to this length"),
    Flag("user", "text", "user", "Access", "name", "User that clients have to give"),
    Flag("pass", "text", "password", "Access", "password", "Password that clients have to give"),
    Flag("auth", "text", "token", "Access", "token", "Token that clients have to give"),
    Flag("tls", "bool", "tls", "TLS", "", "Clients have to use TLS; false switches it off for good"),
    Flag("tlscert", "text", "tls_cert_file", "TLS", "file", "Certificate of this server (PEM)"),
    Flag("tlskey", "text", "tls_key_file", "TLS", "file", "Private key to it (PEM)"),
    Flag("tlsverify", "bool", "tls_verify", "TLS", "", "Clients have to show a certificate, too"),
    Flag("tlscacert", "text", "tls_ca_file", "TLS", "file", "Who has to have signed it (PEM)"),
    Flag("h help", "bool", "show_help", "Other", "", "Show this text"),
    Flag("help_tls", "bool", "show_help_tls", "Other", "", "Show what can stand in a tls block"),
    Flag("v version", "bool", "show_version", "Other", "", "Show the version; with debugging on, also what it runs on"),
]

LATER = frozenset(
    "routes cluster cluster_listen cluster_name cluster_advertise no_advertise connect_retries profile".split()
)
"""Flags of the Go server that have no effect to offer here yet: refused by name, not as unknown."""

TRACE_SHORTCUTS = {
    "debug_and_trace": ("debug", "trace"),
    "debug_and_verbose_trace": ("debug", "trace", "trace_verbose"),
    "verbose_trace": ("trace", "trace_verbose"),
}
"""Applied in this order after all other flags, so that `-DV=false` wins over `-D` wherever it stands."""

TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


class CommandLine:
    """What a command line asks for: attributes for Options, and what the program itself does."""

    __slots__ = (
        "check_config",
        "config_file",
        "fsck",
        "options",
        "show_help",
        "show_help_tls",
        "show_version",
        "signal",
    )

    def __init__(self, values: dict[str, object]) -> None:
        self.show_help = bool(values.pop("show_help", False))
        self.show_help_tls = bool(values.pop("show_help_tls", False))
        self.signal = str(values.pop("signal", ""))
        self.fsck = str(values.pop("fsck", ""))
        self.show_version = bool(values.pop("show_version", False))
        self.check_config = bool(values.pop("check_config", False))
        self.config_file = str(values.pop("config_file", ""))
        for shortcut, targets in TRACE_SHORTCUTS.items():
            if shortcut in values:
                chosen = values.pop(shortcut)
                values.update((target, chosen) for target in targets)
        take_tls(values)
        self.options = values

    @property
    def given(self) -> dict[str, object]:
        """What goes before a file. As in the Go server, an empty value or a port of 0 is the same as none."""
        return {name: value for name, value in self.options.items() if value or isinstance(value, bool)}


def take_tls(values: dict[str, object]) -> None:
    """The flags of TLS become the one option of that name."""
    given = {name.removeprefix("tls_"): values.pop(name) for name in list(values) if name.startswith("tls_")}
    wanted = values.pop("tls", None)
    if wanted or (given and wanted is None):
        from natsd.base.tls_options import TlsOptions

        values["tls"] = TlsOptions(**given)  # type: ignore[arg-type]


def parse_bool(text: str) -> bool:
    """A boolean as Go spells it. Raises ValueError with the reason."""
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise ValueError("parse error")


def parse_int(text: str) -> int:
    """An integer as Go reads it: decimal, 0x, 0o, 0b or leading-zero octal, with underscores between digits.

    Raises ValueError with the reason, also when it does not fit 64 bits.
    """
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits[:1].isdigit() or not digits.isascii() or not digits.replace("_", "").isalnum():
        raise ValueError("parse error")
    if digits[0] == "0" and digits[1:2] and (digits[1].isdigit() or digits[1] == "_"):
        digits = "0o" + digits[1:]
    try:
        number = int(digits, 0)
    except ValueError:
        raise ValueError("parse error") from None
    if text[0] == "-":
        number = -number
    if not -(2**63) <= number < 2**63:
        raise ValueError("value out of range")
    return number


def parse_text(text: str) -> str:
    return text


PARSERS: dict[str, Callable[[str], object]] = {"text": parse_text, "int": parse_int, "bool": parse_bool}


def parse(args: Sequence[str]) -> CommandLine:
    """The command line without the program name. Raises FlagError."""
    known = {name: flag for flag in FLAGS for name in flag.names}
    values: dict[str, object] = {}
    at = 0
    while at < len(args):
        arg = args[at]
        if len(arg) < 2 or arg[0] != "-":
            break
        at += 1
        if arg == "--":
            break
        name, has_value, value = arg[2 if arg[1] == "-" else 1 :].partition("=")
        if not name or name[0] == "-":
            raise FlagError(f"bad flag syntax: {arg}")
        flag = known.get(name)
        if flag is None:
            if name in LATER:
                raise FlagError(f"{PROGRAM}: flag -{name} is not supported yet")
            raise FlagError(f"flag provided but not defined: -{name}")
        if not has_value:
            if flag.kind == "bool":
                value = "true"
            elif at < len(args):
                value = args[at]
                at += 1
            else:
                raise FlagError(f"flag needs an argument: -{name}")
        try:
            values[flag.sets] = PARSERS[flag.kind](value)
        except ValueError as reason:
            where = f"boolean value {quote(value)} for" if flag.kind == "bool" else f"value {quote(value)} for flag"
            raise FlagError(f"invalid {where} -{name}: {reason}") from None
    line = CommandLine(values)
    if at < len(args) and not line.show_version and not line.show_help:
        word = args[at].lower()
        if word not in ("version", "help"):
            raise FlagError(f"{PROGRAM}: unrecognized command: {quote(args[at])}")
        line.show_version, line.show_help = word == "version", word == "help"
    return line


def usage() -> str:
    """The text of `-h`."""
    lines = [f"Usage: {PROGRAM} [options]"]
    section = ""
    for flag in FLAGS:
        if flag.section != section:
            section = flag.section
            lines += ["", f"{section}:"]
        names = ", ".join(("-" if len(name) < 3 else "--") + name for name in flag.names)
        left = f"  {names} <{flag.placeholder}>" if flag.placeholder else f"  {names}"
        lines.append(f"{left:<40} {flag.help}")
    lines += ["", "A flag may be written -x or --x, its value after a space or '='; -D=false switches off."]
    return "\n".join(lines)
