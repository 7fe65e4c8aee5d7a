"""The services of the system account that every account has: what a user may ask about itself and its own account.

The token of the exported subject that names an account is filled in here and nowhere else, so nobody asks about others.
An account whose name is no token cannot be asked about in this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.accounts.services import export_service, import_service
from natsd.subjects.valid import is_valid_literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from natsd.accounts.account import Account
    from natsd.accounts.border import Border

SUBSCRIBERS = "$SYS.DEBUG.SUBSCRIBERS"
USER_INFO = "$SYS.REQ.USER.INFO"

_EXPORTS = (
    ("$SYS.REQ.ACCOUNT.*.CONNZ", "stream"),
    ("$SYS.REQ.ACCOUNT.*.STATZ", "stream"),
    (SUBSCRIBERS, "single"),
    ("$SYS.REQ.USER.*.INFO", "single"),
)
_IMPORTS = (
    # What an account asks, what the system account is asked with {} for the account, whether it learns who asks.
    ("$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.ACCOUNT.{}.CONNZ", False),
    ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.{}.CONNZ", False),
    ("$SYS.REQ.ACCOUNT.PING.STATZ", "$SYS.REQ.ACCOUNT.{}.STATZ", False),
    (USER_INFO, "$SYS.REQ.USER.{}.INFO", True),
)


def import_system(border: Border, system: Account, accounts: Iterable[Account]) -> None:
    """Give accounts the services of the system account; harmless where they have them."""
    border.system = system
    for subject, response in _EXPORTS:
        export_service(system, subject, response)
    for account in accounts:
        if account is not system and _is_token(account.name):
            for local, subject, share in _IMPORTS:
                import_service(border, account, system, subject.format(account.name), to=local, share=share)
    if _is_token(system.name):
        import_service(border, system, system, f"$SYS.REQ.USER.{system.name}.INFO", to=USER_INFO, share=True)


def _is_token(name: str) -> bool:
    return "." not in name and is_valid_literal(name.encode("utf-8", "surrogateescape"))
