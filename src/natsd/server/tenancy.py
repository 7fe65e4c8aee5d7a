"""The accounts of a server, from its options: at start, and again whenever they change.

`$G` and the system account are always there, unless no_system_account says that the latter is not wanted. Users may
name accounts that nothing else is said of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.accounts.account import GLOBAL, SYSTEM, Account
from natsd.accounts.system_imports import import_system

if TYPE_CHECKING:
    from natsd.accounts.border import Border
    from natsd.accounts.build import Changes, Plan
    from natsd.server.options import Options
    from natsd.session.roster import Roster
    from natsd.session.session import Session


def make_accounts(options: Options, border: Border) -> tuple[dict[str, Account], Account | None]:
    """All accounts by name, and the system account. Raises OptionsError."""
    accounts = {GLOBAL: Account(GLOBAL, border.road)}
    map_global(options, border, accounts[GLOBAL])
    system, _ = install_accounts(options, border, accounts, plan_accounts(options))
    return accounts, system


def map_global(options: Options, border: Border, account: Account) -> None:
    """Give the global account its mappings. Raises OptionsError."""
    if options.mappings:
        from natsd.accounts.mappings import Mappings, parse_mappings

        account.map_subjects(Mappings(parse_mappings(options.mappings), border.chance))
    elif account.mappings is not None:
        account.map_subjects(None)


def plan_accounts(options: Options) -> Plan | None:
    """What the accounts of options have to be, checked; None where nothing is said of any. Raises OptionsError."""
    if not options.accounts:
        return None
    from natsd.accounts.build import build_accounts

    return build_accounts(options.accounts)


def swap_accounts(options: Options, roster: Roster, border: Border, accounts: dict[str, Account]) -> list[Session]:
    """Make the accounts of a running server what other options say; returns sessions whose account is gone.

    Raises OptionsError, and then nothing has changed. Users, rights and mappings of the global account are not
    touched: whoever reloads makes new credentials, and ends or admits anew those whose user is another one now.
    """
    from natsd.accounts.build import build_accounts

    roster.system_account, changes = install_accounts(options, border, accounts, build_accounts(options.accounts))
    assert changes is not None
    changed, removed = set(changes.changed), set(changes.removed)
    lost = []
    for session in roster.connections.values():
        session.inbound.max_payload = session.account.max_payload
        if session.account in removed:
            lost.append(session)
        elif session.account in changed:
            session.renew_imports()
    return lost


def install_accounts(
    options: Options, border: Border, accounts: dict[str, Account], plan: Plan | None
) -> tuple[Account | None, Changes | None]:
    """Put a plan to work. Returns the system account, and what is left to do where there was a plan."""
    system = system_name(options)
    names = [GLOBAL, *([system] if system else []), *(user.account for user in options.check_users() if user.account)]
    changes = None
    if plan is not None:
        changes = plan.install(accounts, border, names)
    for name in names:
        if name not in accounts:
            accounts[name] = Account(name, border.road)
    if system:
        import_system(border, accounts[system], accounts.values())
    return accounts.get(system), changes


def system_name(options: Options) -> str:
    """The name of the system account; empty for none."""
    if options.system_account:
        return options.system_account
    if options.no_system_account and not any(record.name == SYSTEM for record in options.accounts):
        return ""
    return SYSTEM


def only_system_has_users(options: Options) -> bool:
    """Whether everybody but the users of the system account is shut out, which few who write such a file mean."""
    if options.no_auth_user or options.user or options.token:
        return False
    system = system_name(options)
    return {user.account for user in options.check_users()} == {system}
