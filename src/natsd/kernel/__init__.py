"""The hot path, in two forms with one surface (see base/forms.py); `FORM` says which one runs.

Nothing else in natsd may import a form by its own name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.forms import form_of, loader

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
    FORM = form_of(__name__, "sublist")

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


# Only what is asked for is loaded: the command line needs the client's side alone.
__getattr__ = loader(__name__, FORM, _HOMES)

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
