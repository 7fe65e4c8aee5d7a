"""Where JetStream keeps messages: one contract, a store in memory and one on disk.

Picks the form as the kernel picks its own: native where it was built, plain elsewhere or where NATSD_PLAIN=1 asks for
it. `FORM` says which one runs, all of it: half a native build is an ImportError, no mixture.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.store._plain_cursor import Cursor
    from natsd.store._plain_file import FileIndex, Runs, relocate_run, replay_run, restore_run, skip_run, survey
    from natsd.store._plain_index import Index
    from natsd.store._plain_log import Log
    from natsd.store._plain_memory import MemoryIndex

    FORM: str
else:
    FORM = "plain"
    if os.environ.get("NATSD_PLAIN") != "1":
        try:
            import_module("natsd.store._native_index")
            FORM = "native"
        except ModuleNotFoundError as error:
            if error.name != "natsd.store._native_index":
                raise

_HOMES = {
    "Index": "index",
    "Cursor": "index",
    "MemoryIndex": "memory",
    "FileIndex": "file",
    "Runs": "file",
    "relocate_run": "file",
    "replay_run": "file",
    "restore_run": "file",
    "skip_run": "file",
    "survey": "file",
    "Log": "log",
}


def __getattr__(name: str) -> object:
    """Load a class when it is first asked for."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"natsd.store._{FORM}_{home}"), name)
    globals()[name] = value
    return value


__all__ = [
    "FORM",
    "Cursor",
    "FileIndex",
    "Index",
    "Log",
    "MemoryIndex",
    "Runs",
    "relocate_run",
    "replay_run",
    "restore_run",
    "skip_run",
    "survey",
]
