"""natsd: a NATS server in Python, to run as a program or inside one.

async with natsd.Server() as server: ...      # in an asyncio program
with natsd.run_in_thread() as server: ...     # in any other
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.version import VERSION as __version__

if TYPE_CHECKING:
    from natsd.embed import Server, run_in_thread


def __getattr__(name: str) -> object:
    """Import the server only where it is asked for: the command line tool never does."""
    if name in ("Server", "run_in_thread"):
        from natsd import embed

        value = getattr(embed, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Server", "__version__", "run_in_thread"]
