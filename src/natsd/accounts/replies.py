"""allow_responses: reply subjects one connection was given and may publish to for a while.

Nothing about them is remembered in the kernel: each message that the user's rules do not permit is asked for here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import to_ns

if TYPE_CHECKING:
    from natsd.accounts.permissions import Rights
    from natsd.accounts.users import ResponseRules
    from natsd.base.clock import Clock

PRUNE_AT = 4096  # reply subjects noted since the spent ones were last looked for
MOST = 65536  # kept at most; the oldest go first


class Replies:
    """The reply subjects of one connection, by subject: until when (0 for ever), and how many messages are left."""

    __slots__ = ("_clock", "_expires_ns", "_max_msgs", "_noted", "_open", "_rights")

    def __init__(self, rights: Rights, responses: ResponseRules, clock: Clock) -> None:
        self._rights = rights
        self._clock = clock
        self._max_msgs = responses.max_msgs
        self._expires_ns = to_ns(responses.expires_s) if responses.expires_s > 0 else 0
        self._open: dict[bytes, list[int]] = {}
        self._noted = 0

    def __len__(self) -> int:
        return len(self._open)

    def note(self, replies: list[bytes]) -> None:
        """The connection was given messages with these reply subjects just now."""
        now = self._clock.now_ns()
        until = now + self._expires_ns if self._expires_ns else 0
        for reply in replies:
            if not self._rights.may_publish(reply):
                self._open.pop(reply, None)  # so that the dict stays in the order of time
                self._open[reply] = [until, self._max_msgs]
        self._noted += len(replies)
        if self._noted >= PRUNE_AT:
            self._prune(now)

    def _prune(self, now: int) -> None:
        self._noted = 0
        if self._expires_ns:
            self._open = {reply: state for reply, state in self._open.items() if state[0] >= now}
        for reply in list(self._open)[: max(0, len(self._open) - MOST)]:
            del self._open[reply]

    def spend(self, subject: bytes) -> bool:
        """Whether a message may be published on a reply subject; that is one message less afterwards."""
        state = self._open.get(subject)
        if state is None:
            return False
        if state[0] and self._clock.now_ns() > state[0]:
            del self._open[subject]
            return False
        if state[1] > 0:
            state[1] -= 1
            if state[1] == 0:
                del self._open[subject]
        return True
