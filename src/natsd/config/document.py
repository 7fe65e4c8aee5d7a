"""docs/options.md, from the tables: `python -m natsd.config.document docs/options.md` writes it anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.units import SECOND_NS, render_duration
from natsd.config.block_tables import BLOCKS
from natsd.config.not_yet import NOT_YET
from natsd.config.options_table import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.config.option import Option

KIND_NAMES = {
    "account_key": "nkey",
    "auth_timeout": "seconds or duration",
    "bool": "boolean",
    "bool_map": "map of booleans",
    "durations": "list of durations",
    "grace_period": "duration",
    "int": "integer",
    "int32": "integer",
    "io_count": "integer",
    "lame_duck_duration": "duration",
    "listen": "port or host:port",
    "name": "string",
    "positive": "integer",
    "queue_rules": "subject, list or map",
    "rules": "subject, list or map",
    "queue_subjects": "subject or list",
    "responses": "boolean or map",
    "seconds": "seconds or duration",
    "strict_duration": "duration",
    "subjects": "subject or list",
    "text": "string",
    "text_list": "list of strings",
    "text_map": "map of strings",
    "texts": "string or list",
    "token_count": "integer",
    "uint16": "integer",
}
LISTED = {
    "accounts": "account",
    "account_jetstream": "account_jetstream",
    "exports": "export",
    "imports": "import",
    "jetstream": "jetstream",
    "latency": "latency",
    "leaf_remotes": "leaf_remote",
    "mappings": "mapping",
    "msg_trace": "msg_trace",
    "ocsp": "ocsp",
    "ocsp_cache": "ocsp_cache",
    "ocsp_peer": "ocsp_peer",
    "queue_rules": "queue_rules",
    "resolver": "resolver",
    "responses": "responses",
    "route_tls": "tls",
    "rules": "rules",
    "users": "user",
    "compression": "compression",
    "migrate": "migrate",
    "cluster_authorization": "authorization",
    "gateway_authorization": "authorization",
    "route_permissions": "permissions",
}
"""Kinds with a reader of their own whose values are, or may be, such a block."""

INTRODUCTION = """\
# Options

<!-- Written by `python -m natsd.config.document docs/options.md` from the tables in src/natsd/config; edit those. -->

What can stand in a configuration file (`nats-server -c FILE`, checked by `-t`), and the flags that set the same. Flags
go before the file. The language is that of the Go server: `key: value`, `key = value` or `key value`, blocks in braces,
lists in brackets, comments after `#` or `//`, variables as `$name`, other files by `include`. Keys may have any case.

Durations are strings such as `"90s"` or `"2m"`; without quotes `2m` is the number 2000000. Sizes may have a suffix:
`k`, `m`, `g` for powers of 1000, `kb`, `mb`, `gb` for powers of 1024. A 0 or an empty string is the same as a key that
is not there.

*Reload* says whether a running server takes a new value (SIGHUP). *Not yet* marks what the server refuses to start
with, because it cannot do it and ignoring it would hurt.
"""


def render() -> str:
    """The whole document."""
    lines = [INTRODUCTION, "## Options of the server", ""]
    lines += _table(OPTIONS, "", with_flags=True)
    for block in _blocks():
        lines += ["", f"## Block `{block}`", ""]
        lines += _table(BLOCKS[block], block, with_flags=False)
    return "\n".join(lines) + "\n"


def _blocks() -> list[str]:
    """Blocks in the order in which they are first named."""
    order: list[str] = []
    waiting = list(OPTIONS)
    while waiting:
        option = waiting.pop(0)
        block = option.block or LISTED.get(option.kind, "")
        if block and block not in order:
            order.append(block)
            waiting = list(BLOCKS[block]) + waiting
    return order


def _table(options: tuple[Option, ...], block: str, *, with_flags: bool) -> Iterator[str]:
    if with_flags:
        yield "| Option | Flags | Value | Default | Reload | |"
        yield "| --- | --- | --- | --- | --- | --- |"
    else:
        yield "| Key | Value | Default | |"
        yield "| --- | --- | --- | --- |"
    for option in options:
        names = ", ".join(f"`{name}`" for name in option.names)
        doc = option.doc.replace("|", "\\|") + _remark(option, block)
        row = [names, _kind(option), _default(option), doc]
        if with_flags:
            row.insert(1, ", ".join(f"`{'-' if len(name) < 3 else '--'}{name}`" for name in option.flag.split()))
            row.insert(4, "yes" if option.reload else "")
        yield f"| {' | '.join(row)} |".replace("  ", " ")


def _remark(option: Option, block: str) -> str:
    key = f"{block}.{option.name}" if block else option.name
    if any(path == key for path, _, _ in NOT_YET):
        return ". *Not yet*"
    return "" if option.effect or option.doc.startswith("Accepted") else ". Accepted, without effect"


def _kind(option: Option) -> str:
    block = option.block or LISTED.get(option.kind, "")
    if option.kind.startswith("blocks"):
        return f"list of [`{block}`](#block-{block})"
    if block:
        return f"[`{block}`](#block-{block})"
    kind = KIND_NAMES.get(option.kind, option.kind).replace("_", " ")
    return f"{kind}, {option.unit}" if option.unit else kind


def _default(option: Option) -> str:
    value = option.default
    if value is None or value == "" or value in ([], {}):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f'"{render_duration(int(value * SECOND_NS))}"' if value else ""
    return f"{value}"


def write(path: str) -> None:
    """Write the document to a file."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(render())


if __name__ == "__main__":
    import sys

    write(sys.argv[1])
