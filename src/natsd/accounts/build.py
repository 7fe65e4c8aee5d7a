"""Accounts from records: checked aside as a whole, then put to work, at start and at each reload alike.

1. `build_accounts(records)` changes nothing. It says what is wrong (OptionsError) or gives a Plan.
2. `Plan.install` cannot fail. It makes the accounts that are new and gives those that stay their limits, mappings,
   exports and imports. An account that stays is the same object with the same sublist, so its connections, their
   subscriptions and the answers they wait for stay too.
3. What it returns is left to whoever holds the sessions: those of `removed` accounts have to end, those of `changed`
   ones take other streams (`Session.renew_imports`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.accounts.account import GLOBAL, Account
from natsd.base.errors import OptionsError
from natsd.config.records import AccountRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from natsd.accounts.border import Border
    from natsd.accounts.mappings import Mapping
    from natsd.config.records import Import


class Changes:
    """What an installation leaves to be done: accounts that are gone, and accounts that import other streams now."""

    __slots__ = ("changed", "removed")

    def __init__(self, changed: list[Account], removed: list[Account]) -> None:
        self.changed = changed
        self.removed = removed


class Plan:
    """Accounts that can be. records: by name. mappings: those of each that has some, read."""

    __slots__ = ("mappings", "records")

    def __init__(self, records: dict[str, AccountRecord], mappings: dict[str, list[Mapping]]) -> None:
        self.records = records
        self.mappings = mappings

    def install(self, accounts: dict[str, Account], border: Border, keep: Iterable[str] = ()) -> Changes:
        """Make `accounts` what the plan says. keep: names of accounts that are there too, with nothing said of them.

        The global account, of which no record may be, stays as it is.
        """
        records = {name: AccountRecord(name) for name in keep if name != GLOBAL}
        records.update(self.records)
        removed = [accounts.pop(name) for name in list(accounts) if name not in records and name != GLOBAL]
        for name in records:
            if name not in accounts:
                accounts[name] = Account(name, border.road)
        for account in removed:
            _end_imports(account)
            if account.answers is not None:
                account.answers.end()
        changed = []
        # Exports first: imports look for them.
        for name, record in records.items():
            self._settle(accounts[name], record, border)
        for name, record in records.items():
            account = accounts[name]
            before = [(one.account, one.record) for one in account.stream_imports]
            self._bind(account, record, accounts, border)
            if before != [(one.account, one.record) for one in account.stream_imports]:
                changed.append(account)
        return Changes(changed, removed)

    def _settle(self, account: Account, record: AccountRecord, border: Border) -> None:
        limits = record.limits
        account.max_connections = limits.max_connections
        account.max_subscriptions = limits.max_subscriptions
        account.max_leafnodes = limits.max_leafnodes
        # The server's own limit holds where it is the lower one.
        account.max_payload = limits.max_payload if limits.max_payload < border.road.max_payload else -1
        account.exports = tuple(record.exports)
        account.imports = tuple(record.imports)
        mappings = self.mappings.get(record.name)
        if mappings:
            from natsd.accounts.mappings import Mappings

            account.map_subjects(Mappings(mappings, border.chance))
        elif account.mappings is not None:
            account.map_subjects(None)
        services = [export for export in record.exports if export.service]
        if services or account.service_exports:
            from natsd.accounts.services import export_service

            account.service_exports = {}
            for export in services:
                export_service(account, export.subject, export.response, export.threshold_s)

    def _bind(self, account: Account, record: AccountRecord, accounts: dict[str, Account], border: Border) -> None:
        _end_imports(account)
        if record.imports:
            from natsd.accounts.imports import StreamImport
            from natsd.accounts.services import ServiceImport, add_import, export_of

            streams = []
            for one in record.imports:
                exporter = accounts[one.account]
                if not one.service:
                    streams.append(StreamImport(exporter, one))
                    continue
                export = export_of(exporter, one.subject.encode())
                assert export is not None  # the plan was checked
                add_import(ServiceImport(border, account, exporter, export, one))
            account.stream_imports = tuple(streams)


def _end_imports(account: Account) -> None:
    """Take away what an account imports."""
    account.stream_imports = ()
    if account.service_imports:
        from natsd.accounts.services import remove_import

        for service in list(account.service_imports.values()):
            remove_import(service)


def build_accounts(records: Iterable[AccountRecord]) -> Plan:
    """A plan of accounts. Raises OptionsError."""
    plan = Plan({}, {})
    for record in records:
        if record.name in plan.records:
            raise OptionsError(f"there are two accounts {record.name!r}")
        plan.records[record.name] = record
        if record.mappings:
            from natsd.accounts.mappings import parse_mappings

            plan.mappings[record.name] = parse_mappings(record.mappings)
    if any(record.imports for record in plan.records.values()):
        for record in plan.records.values():
            _check_imports(record, plan.records)
        from natsd.accounts.cycles import find_cycle

        cycle = find_cycle(plan.records)
        if cycle:
            raise OptionsError(cycle)
    return plan


def _check_imports(record: AccountRecord, records: dict[str, AccountRecord]) -> None:
    taken: set[tuple[str, bool, str]] = set()
    for one in record.imports:
        what = f"account {record.name!r}: the {'service' if one.service else 'stream'} {one.subject!r}"
        exporter = records.get(one.account)
        if exporter is None:
            raise OptionsError(f"{what} cannot come from account {one.account!r}, which there is not")
        from natsd.config.accounts import is_exported

        if not is_exported(exporter, one, record.name):
            raise OptionsError(f"{what} is not exported to it by account {one.account!r}")
        key = (one.account, one.service, (one.to or one.subject) if one.service else one.subject)
        if key in taken:
            raise OptionsError(f"{what} of account {one.account!r} is imported twice")
        taken.add(key)
        trouble = import_trouble(one)
        if trouble:
            raise OptionsError(f"account {record.name!r}: {trouble}")


def import_trouble(one: Import) -> str:
    """Why the subjects of an import cannot be put for each other, or nothing."""
    from natsd.accounts.imports import stream_way
    from natsd.accounts.services import service_way
    from natsd.subjects.placeholder import TransformError

    try:
        if one.service:
            service_way(one)
        else:
            stream_way(one)
    except TransformError as error:
        return f"import of the {'service' if one.service else 'stream'} {error}"
    return ""
