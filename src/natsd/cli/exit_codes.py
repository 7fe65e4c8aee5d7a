"""Exit codes of the `nats` command, and which error of the client means which."""

from __future__ import annotations

from natsd.client import errors

FINE, ERROR, USAGE, NO_RESPONDERS, TIMEOUT, NOT_PERMITTED, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 4, 5, 130, 141

_CODES: tuple[tuple[type[errors.ClientError], int], ...] = (
    (errors.NoResponders, NO_RESPONDERS),
    (errors.Timeout, TIMEOUT),
    (errors.AuthorizationViolation, NOT_PERMITTED),
    (errors.PermissionsViolation, NOT_PERMITTED),
    (errors.BadUrl, USAGE),
    (errors.BadHeader, USAGE),
    (errors.BadSubject, USAGE),
)


class CommandFailed(Exception):
    """A command that cannot go on: the line to print and the exit code."""

    def __init__(self, text: str, code: int = ERROR) -> None:
        super().__init__(text)
        self.code = code


def exit_code_of(problem: errors.ClientError) -> int:
    return next((code for kind, code in _CODES if isinstance(problem, kind)), ERROR)


def line_of(problem: errors.ClientError) -> str:
    """The error in one line, with a hint where one helps."""
    text = " ".join(str(problem).split())
    if isinstance(problem, errors.NoServers):
        reasons = ", ".join(f"{address}: {reason}" for address, reason in problem.reasons)
        return f"{text} ({reasons}; choose another server with --server or NATS_URL)"
    if isinstance(problem, errors.AuthorizationViolation):
        return f"{text} (check --user, --password and --token)"
    return text
