"""/stacksz and /debug/vars: what the process is doing and what it uses, for those who look for the reason."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.monitor.document import Document

MOST_TASKS = 1000


def stacks() -> str:
    """Where each thread and each task of this thread's event loop is."""
    import asyncio
    import threading
    from traceback import format_stack

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    text = ""
    for ident, frame in sys._current_frames().items():
        text += f"thread {ident} [{names.get(ident, 'unknown')}]:\n{''.join(format_stack(frame))}\n"
    try:
        tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())[:MOST_TASKS]
    except RuntimeError:  # no event loop runs
        tasks = []
    for task in tasks:
        places = ((frame.f_code, frame.f_lineno) for frame in task.get_stack())
        lines = (f"  {code.co_filename}:{line} {code.co_name}\n" for code, line in places)
        text += f"task {task.get_name()}:\n{''.join(lines)}\n"
    return text


def variables(memory: int) -> Document:
    """The command, without its arguments, which may hold secrets, and memory under the names of Go's runtime."""
    import gc

    collections = [generation["collections"] for generation in gc.get_stats()]
    return {
        "cmdline": sys.argv[:1],
        "memstats": {"Alloc": memory, "Sys": memory, "HeapAlloc": memory, "HeapSys": memory, "NumGC": sum(collections)},
    }
