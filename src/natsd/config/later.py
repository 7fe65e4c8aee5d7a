"""Blocks of features that do not exist yet: their values are checked as far as a file can be wrong by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from natsd.config.accounts import read_switch
from natsd.config.block_tables import BLOCKS
from natsd.config.problems import quoted
from natsd.config.reader import Wrong, mismatch, read_duration, read_text
from natsd.config.tls import read_tls_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.config.auth import Authorization
    from natsd.config.reader import Fields, Finisher, Kind, Reader
    from natsd.config.records import Permissions
    from natsd.config.setting import Setting

MAX_ROUTE_PING_S = 30
MEMORY_RESOLVERS = frozenset(("MEM", "MEMORY"))


def _authorization_of(what: str) -> Kind:
    """Routes and gateways know one user and its password."""

    def read(reader: Reader, setting: Setting, name: str) -> object:
        authorization = cast("Authorization", reader.block(setting, "authorization", name))
        if authorization.users is not None:
            raise Wrong(f"a {what} takes no list of users")
        if authorization.token:
            raise Wrong(f"a {what} takes no token")
        if authorization.auth_callout is not None:
            raise Wrong(f"a {what} takes no authorization callout")
        if authorization.permissions is not None and what == "cluster":
            reader.warn(
                setting, f"permissions within {quoted(name)} are deprecated; they belong into the cluster block"
            )
        return authorization

    return read


def read_route_tls(reader: Reader, setting: Setting, name: str) -> object:
    return read_tls_record(reader, setting, reader.read(reader.map(setting, name), BLOCKS["tls"]))


def read_route_permissions(reader: Reader, setting: Setting, name: str) -> object:
    permissions = cast("Permissions", reader.block(setting, "permissions", name))
    if permissions.responses is not None:
        raise Wrong("routes have no allow_responses")
    for rules in (permissions.publish, permissions.subscribe):
        for subject in [*((rules.allow or []) if rules else []), *(rules.deny if rules else [])]:
            if not reader.checks.subject(subject):
                raise Wrong(f"{quoted(subject)} is no valid subject")
    return permissions


def read_url(reader: Reader, setting: Setting, name: str) -> str:
    url = read_text(reader, setting, name).strip()
    if not _is_url(url):
        # Without the text: there may be a password in it.
        raise Wrong(f"{quoted(name)} has a URL that cannot be read")
    return url


def _is_url(url: str) -> bool:
    from urllib.parse import urlsplit

    scheme, colon, rest = url.partition(":")
    if colon and not rest.startswith("/") and not (scheme.isascii() and scheme[:1].isalpha()):
        return False
    try:
        urlsplit(url).port  # noqa: B018  it raises ValueError for what is no port
    except ValueError:
        return False
    return not any(char.isspace() or ord(char) < 32 for char in url)


def read_urls(reader: Reader, setting: Setting, name: str) -> list[object]:
    seen: set[object] = set()

    def read(item: Setting) -> str:
        url = read_url(reader, item, name)
        if url in seen:
            reader.warn(item, f"{quoted(name)} has the same URL twice")
        seen.add(url)
        return url

    return reader.each(reader.items(setting, name), read)


def read_url_or_urls(reader: Reader, setting: Setting, name: str) -> list[object]:
    if isinstance(setting.value, str):
        return [read_url(reader, setting, name)]
    if not isinstance(setting.value, list):
        raise mismatch(setting, name, "a URL or a list of them")
    return read_urls(reader, setting, name)


def read_compression(reader: Reader, setting: Setting, name: str) -> object:
    if isinstance(setting.value, bool | str):
        return setting.value
    if not isinstance(setting.value, dict):
        raise mismatch(setting, name, "a boolean, a string or a map")
    return reader.block(setting, "compression", name)


def finish_cluster(reader: Reader, setting: Setting, fields: Fields) -> dict[str, object]:
    ping_s = cast("float", fields.values.get("ping_interval_s", 0.0))
    if ping_s > MAX_ROUTE_PING_S:
        reader.warn(fields.settings["ping_interval_s"], f"routes ping every {MAX_ROUTE_PING_S} seconds at least")
    return fields.values


def finish_leaf_authorization(reader: Reader, setting: Setting, fields: Fields) -> dict[str, object]:
    values = fields.values
    users = cast("list[dict[str, object]]", values.get("users", []))
    if users and values.get("user"):
        raise Wrong("leafnodes authorization has both a single user and a list of users", setting)
    if users and values.get("nkey"):
        raise Wrong("leafnodes authorization has both a single nkey and a list of users", setting)
    names = [user.get("user", "") for user in users]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise Wrong(f"leafnodes authorization has two users {quoted(str(name))}", setting)
    return values


def read_leaf_version(reader: Reader, setting: Setting, name: str) -> str:
    text = read_text(reader, setting, name)
    parts = text.split("-")[0].split("+")[0].removeprefix("v").split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise Wrong(f"{quoted(name)} must be a version such as 2.9.0, not {quoted(text)}")
    if tuple(map(int, parts)) < (2, 8, 0):
        raise Wrong(f"{quoted(name)} must be 2.8.0 or later")
    return text


def read_leaf_remotes(reader: Reader, setting: Setting, name: str) -> list[object]:
    seen: list[object] = []

    def read(item: Setting) -> object:
        remote = cast("dict[str, object]", reader.block(item, "leaf_remote", "remote"))
        key = [remote.get("urls"), remote.get("account", "$G"), remote.get("credentials", ""), remote.get("nkey", "")]
        if key in seen:
            raise Wrong("this remote is listed twice", item)
        seen.append(key)
        return remote

    return reader.each(reader.items(setting, name), read)


def finish_leaf_remote(reader: Reader, setting: Setting, fields: Fields) -> dict[str, object]:
    values = fields.values
    if values.get("credentials") and values.get("nkey"):
        raise Wrong("a remote has credentials or an nkey, not both", setting)
    proxy = cast("dict[str, object]", values.get("proxy", {}))
    if proxy.get("url"):
        _check_proxy(reader, fields, proxy, [str(url) for url in cast("list[object]", values.get("urls", []))])
    return values


def _check_proxy(reader: Reader, fields: Fields, proxy: dict[str, object], urls: list[str]) -> None:
    where = fields.settings["proxy"]
    scheme, _, rest = str(proxy["url"]).partition("://")
    if scheme not in ("http", "https"):
        raise Wrong("the URL of a proxy begins with http:// or https://", where)
    if not rest.split("/")[0]:
        raise Wrong("the URL of a proxy needs a host", where)
    if cast("float", proxy.get("timeout_s", 0.0)) < 0:
        raise Wrong("the timeout of a proxy must not be negative", where)
    if bool(proxy.get("username")) != bool(proxy.get("password")):
        raise Wrong("a proxy has both a username and a password, or neither", where)
    over_web = [url for url in urls if url.startswith(("ws://", "wss://"))]
    if any(url.startswith("wss://") for url in over_web) and "tls" not in fields:
        raise Wrong("a remote with wss:// URLs and a proxy needs tls", where)
    if urls and len(over_web) < len(urls):
        reader.warn(where, "a proxy is used for ws:// and wss:// URLs only")


def read_migrate(reader: Reader, setting: Setting, name: str) -> object:
    if isinstance(setting.value, bool):
        return setting.value
    if not isinstance(setting.value, dict):
        raise mismatch(setting, name, "a boolean or a map")
    return reader.block(setting, "migrate", name)


def read_jetstream(reader: Reader, setting: Setting, name: str) -> object:
    """None where it is off."""
    switch = read_switch(setting, name)
    if switch is None:
        values = cast("dict[str, object]", reader.block(setting, "jetstream", name))
        return {"enabled": True, **values} if values.get("enabled", True) else None
    return {"enabled": True} if switch else None


def read_sync_interval(reader: Reader, setting: Setting, name: str) -> object:
    if isinstance(setting.value, str) and setting.value.lower() == "always":
        return "always"
    return read_duration(reader, setting, name)


def read_resolver(reader: Reader, setting: Setting, name: str) -> object:
    value = setting.value
    if isinstance(value, str):
        word = value.strip()
        if word.upper() in MEMORY_RESOLVERS:
            return {"type": "MEMORY"}
        if word[:4].upper() == "URL(" and word.endswith(")") and _is_url(word[4:-1].strip().strip('"')):
            return {"type": "URL", "url": word[4:-1].strip().strip('"')}
    elif isinstance(value, dict):
        return reader.block(setting, "resolver", name)
    raise Wrong(f"{quoted(name)} must be MEMORY, URL(...) or a map with a type and a dir")


def finish_resolver(reader: Reader, setting: Setting, fields: Fields) -> dict[str, object]:
    values = fields.values
    kind = str(values.get("type", "")).upper()
    if kind not in ("FULL", "CACHE", *MEMORY_RESOLVERS):
        raise Wrong("the type of a resolver must be FULL, CACHE or MEMORY", fields.settings.get("type", setting))
    if kind in ("FULL", "CACHE") and not values.get("dir"):
        raise Wrong(f"a resolver of type {kind} needs a dir", setting)
    not_for = {"CACHE": ("interval_s", "allow_delete", "hard_delete"), "FULL": ("ttl_s",)}.get(kind, ())
    for key in not_for:
        if values.get(key) or key == "hard_delete" and key in values:
            raise Wrong(f"a resolver of type {kind} takes no {key.removesuffix('_s')}", fields.settings[key])
    if kind == "FULL" and "hard_delete" in values and not values.get("allow_delete"):
        raise Wrong("hard_delete has no effect without allow_delete", fields.settings["hard_delete"])
    return values


def _switch_or_block(block: str) -> Callable[[Reader, Setting, str], object]:
    def read(reader: Reader, setting: Setting, name: str) -> object:
        if isinstance(setting.value, bool):
            return setting.value
        return reader.block(setting, block, name)

    return read


KINDS: dict[str, Kind] = {
    "cluster_authorization": _authorization_of("cluster"),
    "gateway_authorization": _authorization_of("gateway"),
    "route_tls": read_route_tls,
    "route_permissions": read_route_permissions,
    "url": read_url,
    "urls": read_urls,
    "url_or_urls": read_url_or_urls,
    "compression": read_compression,
    "leaf_version": read_leaf_version,
    "leaf_remotes": read_leaf_remotes,
    "migrate": read_migrate,
    "jetstream": read_jetstream,
    "sync_interval": read_sync_interval,
    "resolver": read_resolver,
    "ocsp": _switch_or_block("ocsp"),
    "ocsp_cache": _switch_or_block("ocsp_cache"),
}
FINISHERS: dict[str, Finisher] = {
    "cluster": finish_cluster,
    "leaf_authorization": finish_leaf_authorization,
    "leaf_remote": finish_leaf_remote,
    "resolver": finish_resolver,
}
