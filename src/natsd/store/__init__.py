"""Where JetStream keeps messages: one contract, a store in memory and one on disk.

In two forms, as the kernel is (see base/forms.py); `FORM` says which one runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.forms import form_of, loader

if TYPE_CHECKING:
    from natsd.store._plain_cursor import Cursor
    from natsd.store._plain_file import (
        FileIndex,
        Runs,
        relocate_run,
        replay_run,
        restore_run,
    )
    from natsd.store._plain_highway import highway
    from natsd.store._plain_index import Index
    from natsd.store._plain_log import Log
    from natsd.store._plain_memory import MemoryIndex
    from natsd.store._plain_s2 import Unpacking, block_checksum
    from natsd.store._plain_survey import next_record, skip_run, survey

    FORM: str
else:
    FORM = form_of(__name__, "index")

_HOMES = {
    "Index": "index",
    "Cursor": "index",
    "MemoryIndex": "memory",
    "FileIndex": "file",
    "Runs": "file",
    "next_record": "survey",
    "relocate_run": "file",
    "replay_run": "file",
    "restore_run": "file",
    "skip_run": "survey",
    "survey": "survey",
    "Log": "log",
    "Unpacking": "s2",
    "block_checksum": "s2",
    "highway": "highway",
}


__getattr__ = loader(__name__, FORM, _HOMES)

__all__ = [
    "FORM",
    "Cursor",
    "FileIndex",
    "Index",
    "Log",
    "MemoryIndex",
    "Runs",
    "Unpacking",
    "block_checksum",
    "highway",
    "next_record",
    "relocate_run",
    "replay_run",
    "restore_run",
    "skip_run",
    "survey",
]
