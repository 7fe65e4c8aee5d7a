"""What the log says of an exception that nobody expected: it is a mistake of ours, and the server goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.base.log import Log


def tell(log: Log, what: str, error: BaseException) -> None:
    """One error line with what failed and where; the whole way there in lines for debugging."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace is not None else None
    where = f" ({code.co_filename.rpartition('natsd/')[2]}:{trace.tb_lineno})" if code and trace is not None else ""
    log.error(f"Unexpected error in {what}: {type(error).__name__}: {error}{where}")
    if log.debugging:
        from traceback import format_exception

        for line in "".join(format_exception(error)).splitlines():
            log.debug(line)
