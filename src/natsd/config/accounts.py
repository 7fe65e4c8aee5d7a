"""The accounts block: from settings to records, and what has to hold between accounts.

Whether imports go round in a circle is found where they are built, not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from natsd.config.auth import apply_defaults
from natsd.config.block_tables import BLOCKS
from natsd.config.problems import quoted
from natsd.config.reader import Wrong, mismatch, one_of, read_text
from natsd.config.records import AccountLimits, AccountRecord, Export, Import, Latency

if TYPE_CHECKING:
    from natsd.config.reader import Fields, Finisher, Kind, Reader
    from natsd.config.records import Permissions, User
    from natsd.config.setting import Setting

GLOBAL = "$G"
ENABLED = frozenset(("enabled", "enable"))
DISABLED = frozenset(("disabled", "disable"))
_RESPONSES = one_of("single", "singleton", "stream", "chunk", "chunked")
_SERVICE_ONLY = ("response", "threshold_s", "latency", "allow_trace")


def read_accounts(reader: Reader, setting: Setting, name: str) -> list[AccountRecord]:
    """A list of names, or a map of accounts by name."""
    value = setting.value
    if isinstance(value, list):
        accounts: list[AccountRecord] = []
        for item in value:
            account = _named(reader, item, read_text(reader, item, name), accounts)
            if account is not None:
                accounts.append(account)
        return accounts
    if not isinstance(value, dict):
        raise mismatch(setting, name, "a map or a list")
    accounts = []
    for key, item in value.items():
        # A map that variables refer to is no account.
        if item.used:
            continue
        if not isinstance(item.value, dict):
            reader.error(item, f"the account {quoted(key)} must be a map")
            continue
        account = _named(reader, item, key, accounts)
        if account is not None:
            accounts.append(account)
            _fill(reader, item, account)
    if not any(not problem.warning for problem in reader.problems):
        check_between(reader, accounts)
    return accounts


def _named(reader: Reader, setting: Setting, name: str, known: list[AccountRecord]) -> AccountRecord | None:
    if not name:
        reader.error(setting, "an account needs a name")
    elif name == GLOBAL:
        reader.error(setting, f"{quoted(name)} is the name of the global account, which needs no entry")
    elif any(account.name == name for account in known):
        reader.error(setting, f"there are two accounts {quoted(name)}")
    else:
        return AccountRecord(name)
    return None


def _fill(reader: Reader, setting: Setting, account: AccountRecord) -> None:
    fields = reader.read(reader.map(setting, account.name), BLOCKS["account"])
    values = fields.values
    account.nkey = cast("str", values.get("nkey", ""))
    account.users = cast("list[User]", values.get("users", []))
    account.default_permissions = cast("Permissions | None", values.get("default_permissions"))
    account.exports = cast("list[Export]", values.get("exports", []))
    account.imports = cast("list[Import]", values.get("imports", []))
    account.mappings = cast("dict[str, list[dict[str, object]]]", values.get("mappings", {}))
    account.limits = cast("AccountLimits", values.get("limits")) or AccountLimits()
    account.jetstream = cast("dict[str, object] | None", values.get("jetstream"))
    account.trace_destination, account.trace_sampling = cast("tuple[str, int]", values.get("msg_trace", ("", 0)))
    apply_defaults(account.users, account.default_permissions)
    for user in account.users:
        user.account = account.name


def finish_account_limits(reader: Reader, setting: Setting, fields: Fields) -> AccountLimits:
    return AccountLimits(**fields.values)  # type: ignore[arg-type]


# Exports and imports.


def read_exports(reader: Reader, setting: Setting, name: str) -> list[object]:
    return reader.each(reader.items(setting, name), lambda item: reader.block(item, "export", "export"))


def finish_export(reader: Reader, setting: Setting, fields: Fields) -> Export:
    values, settings = fields.values, fields.settings
    if "stream" in fields and "service" in fields:
        raise Wrong("an export is a stream or a service, not both")
    if "stream" in fields:
        for key in _SERVICE_ONLY:
            if key in fields:
                raise Wrong(f"{key.removesuffix('_s')} is for exported services, not for streams", settings[key])
    elif "service" not in fields:
        raise Wrong("an export needs a stream or a service")
    kind = "service" if "service" in fields else "stream"
    export = Export(
        cast("str", values[kind]),
        service=kind == "service",
        # No account in the list is the same as no list.
        accounts=cast("list[str] | None", values.get("accounts")) or None,
        **fields.pick("response", "threshold_s", "latency", "account_token_position", "allow_trace"),  # type: ignore[arg-type]
    )
    if not reader.checks.subject(export.subject):
        raise Wrong(f"{quoted(export.subject)} is no valid subject", settings[kind])
    position = export.account_token_position
    if position and export.subject.split(".")[position - 1 : position] != ["*"]:
        raise Wrong(
            f"token {position} of {quoted(export.subject)} must be a *: it stands for the importing account",
            settings["account_token_position"],
        )
    return export


def read_response_type(reader: Reader, setting: Setting, name: str) -> str:
    word = _RESPONSES(reader, setting, name)
    return {"singleton": "single", "chunk": "chunked"}.get(cast("str", word), cast("str", word))


def read_latency(reader: Reader, setting: Setting, name: str) -> Latency:
    if isinstance(setting.value, str):
        latency = Latency(setting.value)
    else:
        values = reader.read(reader.map(setting, name), BLOCKS["latency"]).values
        if "subject" not in values:
            raise Wrong(f"{quoted(name)} needs a subject")
        latency = Latency(cast("str", values["subject"]), cast("int", values.get("sampling", 100)))
    if not reader.checks.literal(latency.subject):
        raise Wrong(f"{quoted(latency.subject)} is no subject that can be published to")
    return latency


def read_imports(reader: Reader, setting: Setting, name: str) -> list[object]:
    imports = reader.each(reader.items(setting, name), lambda item: reader.block(item, "import", "import"))
    seen: dict[tuple[str, str], str] = {}
    for imported in cast("list[Import]", imports):
        if imported.service:
            local = (imported.account, imported.to)
            if local in seen:
                reader.error(
                    reader.marks[id(imported)],
                    f"the local subject {quoted(imported.to)} is already taken by the import of "
                    f"{quoted(seen[local])} from account {quoted(imported.account)}",
                )
            seen[local] = imported.subject
    return imports


def finish_import(reader: Reader, setting: Setting, fields: Fields) -> Import:
    values, settings = fields.values, fields.settings
    if "stream" in fields and "service" in fields:
        raise Wrong("an import is a stream or a service, not both")
    kind = "service" if "service" in fields else "stream"
    if kind not in fields:
        raise Wrong("an import needs a stream or a service")
    source = cast("dict[str, str]", values[kind])
    if not source.get("account") or not source.get("subject"):
        raise Wrong(f"an imported {kind} needs an account and a subject", settings[kind])
    if kind == "service" and "allow_trace" in fields:
        raise Wrong("allow_trace is for imported streams, not for services", settings["allow_trace"])
    imported = Import(
        source["account"],
        source["subject"],
        service=kind == "service",
        **fields.pick("to", "prefix", "share", "allow_trace"),  # type: ignore[arg-type]
    )
    if imported.service:
        imported.to = imported.to or imported.subject
    elif imported.to and imported.prefix:
        raise Wrong("an imported stream has a prefix or a to, not both")
    if imported.prefix and not reader.checks.literal(imported.prefix.removesuffix(".")):
        raise Wrong(f"{quoted(imported.prefix)} is no prefix of subjects", settings["prefix"])
    for key, subject in ((kind, imported.subject), ("to", imported.to)):
        if subject and not reader.checks.subject(subject):
            raise Wrong(f"{quoted(subject)} is no valid subject", settings.get(key))
    return imported


# What has to hold between accounts.


def check_between(reader: Reader, accounts: list[AccountRecord]) -> None:
    """Every account that is named exists, and what is imported is exported to the importer."""
    known = {account.name: account for account in accounts}
    for account in accounts:
        for export in account.exports:
            where = reader.marks[id(export)]
            for name in export.accounts or ():
                if name not in known:
                    reader.error(where, f"there is no account {quoted(name)} to export {quoted(export.subject)} to")
            if export.latency is not None and any(
                other.service and is_subset(export.latency.subject, other.subject) for other in account.exports
            ):
                reader.error(where, f"{quoted(export.latency.subject)} is exported itself and can carry no reports")
    for account in accounts:
        taken: set[tuple[str, str]] = set()
        for imported in account.imports:
            where = reader.marks[id(imported)]
            what = f"{'service' if imported.service else 'stream'} {quoted(imported.subject)}"
            source = known.get(imported.account)
            if source is None:
                reader.error(where, f"there is no account {quoted(imported.account)} to import the {what} from")
            elif not is_exported(source, imported, account.name):
                reader.error(
                    where, f"account {quoted(source.name)} does not export the {what} to {quoted(account.name)}"
                )
            elif not imported.service:
                if (imported.account, imported.subject) in taken:
                    reader.error(where, f"the {what} of account {quoted(source.name)} is imported twice")
                taken.add((imported.account, imported.subject))


def is_exported(source: AccountRecord, imported: Import, importer: str) -> bool:
    """Whether an account exports what another one imports, to that one."""
    exports = [export for export in source.exports if export.service == imported.service]
    same = [export for export in exports if export.subject == imported.subject]
    for export in same[-1:] or exports:
        if is_subset(imported.subject, export.subject):
            position = export.account_token_position
            if position:
                return imported.subject.split(".")[position - 1] == importer
            return export.accounts is None or importer in export.accounts
    return False


def is_subset(subject: str, of: str) -> bool:
    """Whether every subject that one stands for is one that the other stands for."""
    given, wanted = subject.split("."), of.split(".")
    for at, token in enumerate(wanted):
        if token == ">":
            return len(given) > at
        if at >= len(given) or given[at] == ">" or token not in ("*", given[at]):
            return False
    return len(given) == len(wanted)


# Mappings, traces, JetStream.


def read_mappings(reader: Reader, setting: Setting, name: str) -> dict[str, list[dict[str, object]]]:
    mappings = {}
    for source, item in reader.map(setting, name).items():
        value = item.value
        if isinstance(value, str):
            destinations: list[object] = [{"destination": value, "weight": 100}]
        elif isinstance(value, list):
            destinations = reader.each(value, lambda one: reader.block(one, "mapping", "destination"))
        else:
            destinations = reader.each([item], lambda one: reader.block(one, "mapping", "destination"))
        if not reader.checks.subject(source):
            reader.error(item, f"{quoted(source)} is no valid subject")
        else:
            mappings[source] = cast("list[dict[str, object]]", destinations)
            trouble = reader.checks.mappings({source: mappings[source]})
            if trouble:
                reader.error(item, trouble)
    return mappings


def finish_mapping(reader: Reader, setting: Setting, fields: Fields) -> dict[str, object]:
    for key in ("destination", "weight"):
        if key not in fields:
            raise Wrong(f"the destination of a mapping needs a {key}", setting)
    return fields.values


def read_msg_trace(reader: Reader, setting: Setting, name: str) -> list[object]:
    """Destination and sampling. (A list, because a tuple would be spread over several attributes.)"""
    if isinstance(setting.value, str):
        destination, sampling = setting.value, 100
    elif isinstance(setting.value, dict):
        fields = reader.read(setting.value, BLOCKS["msg_trace"])
        destination = cast("str", fields.values.get("dest", ""))
        sampling = cast("int", fields.values.get("sampling", 100))
        if not destination:
            if "sampling" in fields:
                reader.warn(setting, f"{quoted(name)} has a sampling and no dest, which does nothing")
            return ["", 0]
    else:
        raise mismatch(setting, name, "a subject or a map")
    if not reader.checks.literal(destination):
        raise Wrong(f"{quoted(destination)} is no subject that can be published to")
    return [destination, sampling]


def read_switch(setting: Setting, name: str) -> bool | None:
    """A boolean, or enabled or disabled; None for a map. Raises Wrong."""
    value = setting.value
    if isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return None
    if isinstance(value, str):
        if value.lower() in ENABLED | DISABLED:
            return value.lower() in ENABLED
        raise Wrong(f"{quoted(name)} must be enabled or disabled, not {quoted(value)}")
    raise mismatch(setting, name, "a boolean, enabled, disabled or a map")


def read_account_jetstream(reader: Reader, setting: Setting, name: str) -> object:
    switch = read_switch(setting, name)
    if switch is None:
        return {"enabled": True, **cast("dict[str, object]", reader.block(setting, "account_jetstream", name))}
    return {"enabled": True} if switch else None


KINDS: dict[str, Kind] = {
    "accounts": read_accounts,
    "exports": read_exports,
    "imports": read_imports,
    "latency": read_latency,
    "mappings": read_mappings,
    "msg_trace": read_msg_trace,
    "account_jetstream": read_account_jetstream,
    "response_type": read_response_type,
}
FINISHERS: dict[str, Finisher] = {
    "account_limits": finish_account_limits,
    "export": finish_export,
    "import": finish_import,
    "mapping": finish_mapping,
}
