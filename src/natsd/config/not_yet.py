"""What a configuration can ask for and the server cannot do yet: refused by name, because to ignore it would hurt.

Whoever adds a feature removes its row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.config.problems import Problem

if TYPE_CHECKING:
    from natsd.config.reader import Fields

NOT_YET = (
    # Key in a file, attribute of Options (empty: there is none), what it is.
    ("authorization.auth_callout", "auth_callout", "authorization callout"),
    ("authorization.proxy_required", "proxy_required", "trusted proxies"),
    ("ocsp", "", "OCSP"),
    ("ocsp_cache", "", "OCSP"),
    ("default_sentinel", "", "authorization callout"),
    ("proxies", "", "trusted proxies"),
    ("proxy_protocol", "", "the PROXY protocol"),
    ("operator", "", "operator mode"),
    ("resolver", "", "operator mode"),
    ("resolver_tls", "", "operator mode"),
    ("resolver_preload", "", "operator mode"),
    ("resolver_pinned_accounts", "", "operator mode"),
    ("trusted_keys", "", "operator mode"),
    ("cluster", "", "clustering"),
    ("gateway", "", "gateways"),
    ("leafnodes", "", "leaf nodes"),
    ("websocket", "", "WebSocket"),
    ("mqtt", "", "MQTT"),
)


def refuse_what_is_not_there_yet(fields: Fields) -> list[Problem]:
    """One error for each key of a file that asks for a row of NOT_YET."""
    problems = []
    for path, _, what in NOT_YET:
        key, *rest = path.split(".")
        if key in fields and _asks(fields.values[key], rest):
            setting = fields.settings[key]
            name = ".".join([key, *rest[:1]])
            problems.append(
                Problem(setting.file, setting.line, setting.column, f"{name} is not supported yet ({what})")
            )
    return problems


def _asks(value: object, rest: list[str]) -> bool:
    if isinstance(value, list) and rest:
        return any(_asks(item, rest) for item in value)
    if rest and isinstance(value, str):
        return value.startswith(rest[0])
    if rest:
        return _asks(getattr(value, rest[0]), rest[1:])
    return bool(value) and value != {"mode": "never"}


def missing_for(options: object) -> str:
    """The same for options, however they were set: one line, or nothing."""
    for _, attribute, what in NOT_YET:
        if attribute and getattr(options, attribute):
            return f"{attribute} is not supported yet ({what})"
    return ""
