"""Picks the form of the kernel: native where it was built, plain elsewhere or where NATSD_PLAIN=1 asks for it.

Both forms have one surface; `FORM` says which one runs. Nothing else in natsd may import a form by its own name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.kernel._plain_client import ClientScanner
    from natsd.kernel._plain_inbound import Inbound
    from natsd.kernel._plain_interest import Subscription
    from natsd.kernel._plain_road import Outbound, Road
    from natsd.kernel._plain_shadow import Carrier, Renames, Shadow
    from natsd.kernel._plain_sublist import Sublist
    from natsd.kernel._plain_verdicts import Verdicts

    FORM: str
else:
    FORM = "plain"
    if os.environ.get("NATSD_PLAIN") != "1":
        try:
            from natsd.kernel import _native_sublist  # noqa: F401  (is it built?)

            FORM = "native"
        except ImportError:
            FORM = "plain"

_HOMES = {
    "Road": "road",
    "Outbound": "road",
    "Subscription": "interest",
    "Sublist": "sublist",
    "Inbound": "inbound",
    "Verdicts": "verdicts",
    "Carrier": "shadow",
    "Renames": "shadow",
    "Shadow": "shadow",
    "ClientScanner": "client",
}


def __getattr__(name: str) -> object:
    """Load a class when it is first asked for: the command line needs the client's side only."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"natsd.kernel._{FORM}_{home}"), name)
    globals()[name] = value
    return value


__all__ = [
    "FORM",
    "Carrier",
    "ClientScanner",
    "Inbound",
    "Outbound",
    "Renames",
    "Road",
    "Shadow",
    "Sublist",
    "Subscription",
    "Verdicts",
]
